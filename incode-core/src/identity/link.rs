use serde::Serialize;

use crate::store::EventId;
use crate::{IdentityId, Subject, Timestamp};

use super::transition::Refusal;
use super::{Confirmation, FlowWindow, Identity};

/// Subject -> identity, made by a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The application's user.
    pub subject: Subject,
    /// The vendor's person.
    pub identity_id: IdentityId,
    /// What showed that they are one.
    pub proof: LinkProof,
    /// When it was made.
    pub linked_at: Timestamp,
    /// When link and ACTIVE were first true together: the `on_verified` handlers were enqueued then.
    pub active_since: Option<Timestamp>,
    /// The same with a VERIFIED verification as the third condition.
    pub verified_since: Option<Timestamp>,
}

impl Link {
    /// A link for which no handler was enqueued yet.
    pub fn new(subject: Subject, identity_id: IdentityId, proof: LinkProof, linked_at: Timestamp) -> Self {
        Self { subject, identity_id, proof, linked_at, active_since: None, verified_since: None }
    }
}

/// What showed that a subject and an identity are one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LinkProof {
    /// The subject came back from the hosted flow it had started, and the vendor says that the check passed.
    Flow,
    /// A webhook carried the correlation id that was made for the subject.
    Webhook,
    /// The application's own rule or call.
    Application,
}

impl LinkProof {
    /// The name kept in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Webhook => "webhook",
            Self::Application => "application",
        }
    }

    /// Reads [`LinkProof::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Flow, Self::Webhook, Self::Application].into_iter().find(|proof| proof.as_str() == name)
    }
}

/// A subject came back from the hosted page, and the vendor has not said yet how the check ended.
///
/// A token shows who was in front of the vendor's page, not that they passed: so this opens nothing. It becomes a
/// [`Link`] when a check of the flow passes, and ends when one does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingLink {
    /// The application's user.
    pub subject: Subject,
    /// The identity that userinfo named.
    pub identity_id: IdentityId,
    /// When the flow ran.
    pub window: FlowWindow,
    /// From this instant on it is void, and may be pruned.
    pub expires_at: Timestamp,
}

/// The newest link of a subject that was refused. It is kept for those who ask why, and no rule reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLink {
    /// The application's user.
    pub subject: Subject,
    /// Why.
    pub refusal: Refusal,
    /// The event that was to make the link. `None`: the callback of the hosted flow.
    pub event: Option<EventId>,
    /// When.
    pub refused_at: Timestamp,
}

/// A link with the identity it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// The link.
    pub link: Link,
    /// Where it leads.
    pub identity: Identity,
}

/// Everything that is kept of one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubjectState {
    /// The link with its identity.
    pub linked: Option<LinkedIdentity>,
    /// A flow whose check is not known yet. Void from its `expires_at` on.
    pub pending: Option<PendingLink>,
    /// Face authentications through the application, newest first.
    pub confirmations: Vec<Confirmation>,
}
