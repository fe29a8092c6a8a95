use std::time::Duration;

use super::{Identity, Observation};
use crate::Timestamp;
use crate::model::IdentityStatus;

impl Identity {
    /// What is known after `seen`, in whatever order observations arrive: merging is commutative, associative and
    /// idempotent, so replays, retries and races all end in the same row.
    ///
    /// Status and attestation follow the newest *sent* request; at a tie the less trusting word wins, so REVOKED
    /// always does. The newest verification and the newest face authentication are kept.
    ///
    /// All that holds among requests that can have been under way together. A word that is older by more than that is
    /// no latecomer: the clock was set back since. If it trusts, it waits until the clock has caught up; if it does
    /// not, it stands at once, or a revocation would be overlooked for as long as the clock was ahead.
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

    /// The instant from which this dates as the word of an event that was received at `received_at`: an identity that was
    /// forgotten then or later does not become known by it, however late the vendor was asked.
    ///
    /// An event that seems to be received long after the vendor was asked about it was received by a clock that was set
    /// back since. Nobody can tell whether it was before, so it dates from before everything.
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
/// order total, so that two equally wary words of the same instant still merge the same way round.
fn word_key(identity: &Identity) -> (i64, u8, &str, Option<&str>) {
    let wariness = match &identity.status {
        IdentityStatus::Active => 0,
        IdentityStatus::Other(_) => 1,
        IdentityStatus::Revoked => 2,
    };
    let attestation = identity.attestation.as_ref().map(|status| status.as_str());
    (identity.checked_at.as_millis(), wariness, identity.status.as_str(), attestation)
}

/// Longer than an event's lease, which is longer than the client's deadlines with every retry.
pub(super) const LONGEST_UNDER_WAY: Duration = Duration::from_secs(180);
