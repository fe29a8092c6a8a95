use serde::Serialize;

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
    /// The name in JSON, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSubject => "no_subject",
            Self::NotLinked => "not_linked",
            Self::VerificationPending => "verification_pending",
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
            IdentityStatus::Other(_) => Self::Other,
        }
    }
}
