use std::time::Duration;

use crate::Timestamp;
use crate::identity::Identity;
use crate::model::AttestationStatus;

use super::{DenialKind, Standing};

/// What a route asks of a visitor. Every requirement includes ACTIVE; setters add to it.
///
/// ```
/// use std::time::Duration;
/// use incode_core::gate::Requirement;
/// let vault = Requirement::active();
/// let transfer = Requirement::active().face_authenticated_within(Duration::from_secs(300));
/// # assert_ne!(format!("{vault:?}"), format!("{transfer:?}"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Requirement {
    verified: Option<Age>,
    face: Option<Duration>,
    attested: bool,
}

/// How old something may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Any,
    Within(Duration),
}

impl Requirement {
    /// The vendor's last word on the linked identity is ACTIVE.
    pub const fn active() -> Self {
        Self { verified: None, face: None, attested: false }
    }

    /// And a verification with status VERIFIED was seen.
    pub const fn verified(mut self) -> Self {
        if self.verified.is_none() {
            self.verified = Some(Age::Any);
        }
        self
    }

    /// And the newest VERIFIED verification is at most this old.
    pub const fn verified_within(mut self, age: Duration) -> Self {
        self.verified = Some(Age::Within(age));
        self
    }

    /// And a face authentication passed at most this long ago: step-up.
    pub const fn face_authenticated_within(mut self, age: Duration) -> Self {
        self.face = Some(age);
        self
    }

    /// And the attestation's overall verdict is OK, by machine or by hand.
    pub const fn attested(mut self) -> Self {
        self.attested = true;
        self
    }

    /// The decision. Standing first: nothing else counts for somebody who is not ACTIVE. The clock is asked only where
    /// a time counts: most gates have none, and asking costs as much as the rest of the decision.
    pub(crate) fn check(
        &self,
        standing: Standing,
        identity: Option<&Identity>,
        now: impl Fn() -> Timestamp,
    ) -> Result<(), DenialKind> {
        let identity = match (standing, identity) {
            (Standing::Active, Some(identity)) => identity,
            (Standing::NoSubject, _) => return Err(DenialKind::AuthenticationRequired),
            (Standing::Revoked, _) => return Err(DenialKind::IdentityRevoked),
            (Standing::Other, _) => return Err(DenialKind::IdentityNotActive),
            (Standing::Unavailable, _) => return Err(DenialKind::IdentityUnavailable),
            (Standing::NotLinked | Standing::Active, _) => return Err(DenialKind::VerificationRequired),
        };
        match (self.verified, identity.verified_at) {
            (None, _) | (Some(Age::Any), Some(_)) => {}
            (Some(_), None) => return Err(DenialKind::VerificationRequired),
            (Some(Age::Within(age)), Some(at)) if is_fresh(at, age, now()) => {}
            (Some(Age::Within(_)), Some(_)) => return Err(DenialKind::VerificationExpired),
        }
        if self.attested && !matches!(identity.attestation, Some(AttestationStatus::Ok | AttestationStatus::ManualOk)) {
            return Err(DenialKind::AttestationInsufficient);
        }
        match (self.face, identity.face_authenticated_at) {
            (None, _) => Ok(()),
            (Some(age), Some(at)) if is_fresh(at, age, now()) => Ok(()),
            (Some(age), _) => Err(DenialKind::FaceAuthenticationRequired { max_age: age }),
        }
    }
}

/// At most `age` old, the bound included. An instant in the future means that a clock was set back since: it counts as
/// fresh only within [`SKEW`], or a proof would live longer by as much as the clock moved.
fn is_fresh(at: Timestamp, age: Duration, now: Timestamp) -> bool {
    now <= at.after(age) && at <= now.after(SKEW)
}

/// How far the vendor's clock may run ahead of ours.
const SKEW: Duration = Duration::from_secs(60);
