use serde::Serialize;

use crate::Timestamp;
use crate::identity::SubjectState;
use crate::model::IdentityStatus;

/// What the gate knows of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The request has no subject.
    NoSubject,
    /// The subject is linked to no identity: never verified, as far as we know.
    NotLinked,
    /// The subject came back from the hosted flow, and the vendor has not said yet that the check passed.
    VerificationPending,
    /// The link was imported, and the vendor has not been asked about the identity yet.
    NotYetAsked,
    /// The vendor's last answer was ACTIVE.
    Active,
    /// The vendor's last answer was REVOKED.
    Revoked,
    /// The vendor's last answer was another status.
    Other,
    /// The store did not answer, so nothing is known; never open.
    Unavailable,
}

impl Standing {
    /// What follows from the rows of a subject at `now`.
    pub fn of(state: &SubjectState, now: Timestamp) -> Self {
        match (&state.linked, &state.pending) {
            (Some(linked), _) => Self::from(&linked.identity.status),
            (None, Some(pending)) if now < pending.expires_at => Self::VerificationPending,
            (None, _) => Self::NotLinked,
        }
    }

    /// The name in JSON, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSubject => "no_subject",
            Self::NotLinked => "not_linked",
            Self::VerificationPending => "verification_pending",
            Self::NotYetAsked => "not_yet_asked",
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Other => "other",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<&IdentityStatus> for Standing {
    fn from(status: &IdentityStatus) -> Self {
        match status {
            IdentityStatus::Active => Self::Active,
            IdentityStatus::Revoked => Self::Revoked,
            IdentityStatus::NotYetAsked => Self::NotYetAsked,
            IdentityStatus::Other(_) => Self::Other,
        }
    }
}
