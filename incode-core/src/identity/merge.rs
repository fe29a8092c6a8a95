use std::time::Duration;

use super::{Identity, Observation};
use crate::Timestamp;
use crate::model::IdentityStatus;

impl Identity {
    /// What is known after `seen`, in whatever order observations arrive: merging is commutative, associative and
    /// idempotent, so replays, retries and races all end in the same row.
    ///
    /// Status and attestation follow the newest *sent* request; at a tie the less trusting status wins, so REVOKED
    /// always does. The newest verification and the newest face authentication are kept.
    ///
    /// This order holds among requests that can have been under way at the same time. If an observation is older than
    /// the longest possible call, the clock was set back in between. An ACTIVE is then ignored until the clock has
    /// caught up. Any other status is applied at once: otherwise a revocation would be ignored for as long as the clock
    /// was ahead.
    #[must_use]
    pub fn merge(known: Option<Self>, seen: &Observation) -> Self {
        let fresh = Self {
            identity_id: seen.identity_id.clone(),
            status: seen.status.clone(),
            checked_at: seen.sent_at,
            verification_id: seen.verified.as_ref().map(|verified| verified.id.clone()),
            verified_at: seen.verified.as_ref().and_then(|verified| verified.at),
            face_authenticated_at: seen.face_authenticated_at,
            face_origin: seen.face_origin.clone(),
            attestation: seen.attestation.clone(),
            checks: seen.checks.clone(),
        };
        match known {
            None => fresh,
            Some(mut known) => {
                if seen.status != IdentityStatus::Active && known.checked_at > seen.sent_at.after(LONGEST_UNDER_WAY) {
                    known.checked_at = seen.sent_at;
                }
                join(known, fresh)
            }
        }
    }
}

impl Observation {
    /// As it counts at `now`. A request that seems to have been sent long after `now` was sent by a clock that was set
    /// back since, and how long ago is unknown. So it counts as older than everything if it trusts, and as of now if it
    /// does not: otherwise an ACTIVE that was under way would outweigh a revocation that was seen since.
    #[must_use]
    pub(crate) fn as_of(&self, now: Timestamp) -> Self {
        let mut seen = self.clone();
        if self.sent_at > now.after(LONGEST_UNDER_WAY) {
            let is_trusting = self.status == IdentityStatus::Active;
            seen.sent_at = if is_trusting { Timestamp::from_millis(0) } else { now };
        }
        seen
    }

    /// The instant of this observation if it comes from an event that was received at `received_at`. An identity that
    /// was forgotten then or later does not become known by it, however late the vendor was asked.
    ///
    /// An event that seems to be received long after the vendor was asked about it was received by a clock that was set
    /// back since. Its place in the order is then unknown, so it dates from before everything.
    #[must_use]
    pub fn dates_from(&self, received_at: Timestamp) -> Timestamp {
        if received_at > self.sent_at.after(LONGEST_UNDER_WAY) {
            return Timestamp::from_millis(i64::MIN);
        }
        received_at.min(self.sent_at)
    }
}

/// What two stores know of one identity, as one row: of each part the newer, at a tie the less trusting. No clock is taken to
/// have been set back in between: both rows may be of any age.
fn join(a: Identity, b: Identity) -> Identity {
    let (newer, older) = if word_key(&b) > word_key(&a) { (b, a) } else { (a, b) };
    let newer_verified = (newer.verified_at, &newer.verification_id) >= (older.verified_at, &older.verification_id);
    let (verified_at, verification_id) = if newer_verified {
        (newer.verified_at, newer.verification_id)
    } else {
        (older.verified_at, older.verification_id)
    };
    let newer_face =
        (newer.face_authenticated_at, &newer.face_origin) >= (older.face_authenticated_at, &older.face_origin);
    let (face_authenticated_at, face_origin) = if newer_face {
        (newer.face_authenticated_at, newer.face_origin)
    } else {
        (older.face_authenticated_at, older.face_origin)
    };
    Identity {
        identity_id: newer.identity_id,
        status: newer.status,
        checked_at: newer.checked_at,
        verification_id,
        verified_at,
        face_authenticated_at,
        face_origin,
        attestation: newer.attestation,
        checks: newer.checks.join(older.checks),
    }
}

/// Orders what the vendor said by when it was asked, then from trusting to wary. The texts at the end only make the
/// order total, so that two equally wary observations of the same instant merge to the same row in either order.
fn word_key(identity: &Identity) -> (i64, u8, &str, Option<&str>) {
    let wariness = match &identity.status {
        // Every answer of the vendor outweighs it.
        IdentityStatus::NotYetAsked => 0,
        IdentityStatus::Active => 1,
        IdentityStatus::Other(_) => 2,
        IdentityStatus::Revoked => 3,
    };
    let attestation = identity.attestation.as_ref().map(|status| status.as_str());
    (identity.checked_at.as_millis(), wariness, identity.status.as_str(), attestation)
}

/// Longer than an event's lease, which is longer than the client's deadlines with every retry.
pub(super) const LONGEST_UNDER_WAY: Duration = Duration::from_secs(180);
