use std::sync::Arc;
use std::time::Duration;

use crate::identity::{ActionHash, Check, Confirmation, FlowWindow, Link, LinkProof, Observation, SessionHash};
use crate::model::EventKind;
use crate::store::{AuditAction, EventId};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp};

use super::{Refusal, UsedNonce, UsedToken};

/// A command with everything its rules depend on: what [`IdentityStore::change`](crate::store::IdentityStore::change)
/// takes.
#[derive(Clone, Debug)]
pub struct ChangeRequest {
    /// What to do.
    pub command: Command,
    /// The application's choices.
    pub rules: Arc<Rules>,
    /// The present: by the store's clock where it has one.
    pub now: Timestamp,
}

/// The application's choices that the rules depend on. Fixed for the life of the process.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Rules {
    /// Whether one identity may serve several subjects.
    pub shared_identities: bool,
    /// Whether a callback links on userinfo alone, without a check that passed; see `Builder::trust_userinfo_alone`.
    pub trust_userinfo_alone: bool,
    /// The handlers are not known here: no link notes when it was ACTIVE first, so that the process that knows them calls
    /// them when it is told of the identity next. For programs beside the application.
    pub handlers_unknown: bool,
    /// The handlers that are called when something is applied.
    pub handlers: HandlerNames,
}

/// Names of the registered handlers: each applied change enqueues jobs for them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HandlerNames {
    /// Called for each applied event.
    pub on_event: Vec<Arc<str>>,
    /// Called once for each subject that is linked and ACTIVE.
    pub on_verified: Vec<VerifiedHandler>,
    /// Called for each linked subject when the identity becomes REVOKED.
    pub on_revoked: Vec<Arc<str>>,
}

/// One `on_verified` handler.
#[derive(Clone, Debug)]
pub struct VerifiedHandler {
    /// Its name.
    pub name: Arc<str>,
    /// It waits for a verification with status VERIFIED too, not only for link and ACTIVE.
    pub needs_verification: bool,
}

/// What can happen to an identity.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// An event of the vendor was fetched and its pieces belong together.
    ApplyEvent(ApplyEvent),
    /// The vendor was asked without an event: a bearer token, a recheck.
    Observe(Observation),
    /// A subject came back from the hosted flow.
    Return(Return),
    /// The application links a subject to an identity that is known.
    Link {
        /// The link to make.
        link: Link,
        /// Who asked, for the audit trail.
        by: Option<Actor>,
    },
    /// The application links a subject to an identity that need not be known: it then counts as not asked about yet.
    Import(Link),
    /// A link was refused before the rules were asked: the refusal is kept for those who ask why.
    Refuse {
        /// Whose.
        subject: Subject,
        /// Why.
        refusal: Refusal,
    },
    /// Writes an entry of the audit trail about something that changes no row.
    Note {
        /// What was done.
        action: AuditAction,
        /// How many people it was done to.
        count: u64,
        /// Who asked.
        by: Actor,
    },
    /// The link of a subject ends, and its pending link with it.
    Unlink {
        /// Whose.
        subject: Subject,
        /// Who asked, for the audit trail.
        by: Option<Actor>,
    },
    /// Erases an identity, its fields and its links, and leaves a tombstone.
    Forget {
        /// Which.
        identity: IdentityId,
        /// Who asked, for the audit trail.
        by: Actor,
    },
    /// A face authentication passed through the application.
    Confirm {
        /// What it confirms.
        confirmation: Confirmation,
        /// What userinfo said of the token that came with the pass.
        seen: Observation,
    },
    /// Uses up a confirmation of a named action.
    UseConfirmation {
        /// Whose.
        subject: Subject,
        /// In which session.
        session: SessionHash,
        /// Of what.
        action: ActionHash,
        /// How old it may be.
        within: Duration,
    },
}

/// An event to apply.
#[derive(Clone, Debug)]
pub struct ApplyEvent {
    /// The inbox's key of the event.
    pub event: EventId,
    /// What happened.
    pub kind: EventKind,
    /// The object it points at.
    pub object_id: ObjectId,
    /// What the vendor said.
    pub seen: Observation,
    /// How the verification or authentication ended.
    pub check: Check,
    /// The subject to link by a correlation id or by the application's rule.
    pub link: Option<EventLink>,
}

/// A link that an event makes.
#[derive(Clone, Debug)]
pub struct EventLink {
    /// The application's user.
    pub subject: Subject,
    /// What showed that subject and identity are one.
    pub proof: LinkProof,
    /// The single-use correlation id, where that is the proof.
    pub nonce: Option<UsedNonce>,
}

/// A callback of the hosted flow whose token userinfo was asked with.
#[derive(Clone, Debug)]
pub struct Return {
    /// The subject that started the flow and came back.
    pub subject: Subject,
    /// What userinfo said.
    pub seen: Observation,
    /// When the flow ran.
    pub window: FlowWindow,
    /// The single-use correlation id.
    pub nonce: UsedNonce,
    /// The token of the callback: it links no second subject.
    pub token: UsedToken,
    /// The token was issued before the flow began: the answer of userinfo is stored, and no link is made.
    pub token_is_older: bool,
    /// When a pending link of this flow ends unconfirmed.
    pub pending_until: Timestamp,
}

/// The rows a command needs. An engine loads them and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keys {
    /// The identity with its tombstone, fields, links and pending links. `None` with a subject: the identity that the
    /// subject is linked to, if any, else the one its pending link names.
    pub identity: Option<IdentityId>,
    /// The subject with its link, pending link and confirmations.
    pub subject: Option<Subject>,
    /// Whether this correlation id was used.
    pub nonce: Option<[u8; 24]>,
    /// Which subject this token was used for.
    pub token: Option<crate::TokenHash>,
    /// Whether an event of this object was applied to the identity.
    pub object: Option<(EventKind, ObjectId)>,
}

impl ChangeRequest {
    /// The rows that [`ChangeRequest::apply`] reads.
    pub fn keys(&self) -> Keys {
        let of = |identity: &IdentityId| Keys { identity: Some(identity.clone()), ..Keys::default() };
        match &self.command {
            Command::ApplyEvent(event) => Keys {
                subject: event.link.as_ref().map(|link| link.subject.clone()),
                nonce: event.link.as_ref().and_then(|link| link.nonce).map(|nonce| nonce.nonce),
                object: Some((event.kind.clone(), event.object_id.clone())),
                ..of(&event.seen.identity_id)
            },
            Command::Observe(seen) => of(&seen.identity_id),
            Command::Return(back) => Keys {
                subject: Some(back.subject.clone()),
                nonce: Some(back.nonce.nonce),
                token: Some(back.token.hash),
                ..of(&back.seen.identity_id)
            },
            Command::Note { .. } => Keys::default(),
            Command::Link { link, .. } | Command::Import(link) => {
                Keys { subject: Some(link.subject.clone()), ..of(&link.identity_id) }
            }
            Command::Unlink { subject, .. }
            | Command::UseConfirmation { subject, .. }
            | Command::Refuse { subject, .. } => Keys { subject: Some(subject.clone()), ..Keys::default() },
            Command::Forget { identity, .. } => of(identity),
            Command::Confirm { confirmation, seen } => {
                Keys { subject: Some(confirmation.subject.clone()), ..of(&seen.identity_id) }
            }
        }
    }
}
