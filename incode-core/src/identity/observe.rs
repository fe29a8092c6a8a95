use std::time::Duration;

use crate::Timestamp;
use crate::model::{Authentication, UserInfo, Verification, VerificationStatus};

use super::{Check, Checks, FaceOrigin, Observation, Verified};

impl Observation {
    /// What userinfo says, asked at `sent_at`. Personal data is left behind here; [`super::Observer`] adds what is kept.
    pub(super) fn of(person: &UserInfo, sent_at: Timestamp) -> Self {
        let attestation = person.id_attestation.as_ref().and_then(|attestation| attestation.overall.as_ref());
        Self {
            identity_id: person.identity_id.clone(),
            sent_at,
            status: person.status.clone(),
            attestation: attestation.and_then(|overall| overall.status.clone()),
            verified: None,
            face_authenticated_at: None,
            face_origin: FaceOrigin::default(),
            checks: Checks::default(),
            fields: Vec::new(),
        }
    }

    /// With a verification that belongs to the same person, and that was there at `reported_at`. "Completed" is not
    /// "approved": only VERIFIED counts.
    pub(crate) fn with_verification(mut self, verification: &Verification, reported_at: Option<Timestamp>) -> Self {
        if verification.status == VerificationStatus::Verified {
            let at = self.known_time(verification.created_at, reported_at, "verification");
            self.verified = Some(Verified { id: verification.id.clone(), at });
        }
        self
    }

    /// With an authentication that belongs to the same person, and that was there at `reported_at`. Only a pass counts.
    pub(crate) fn with_authentication(
        mut self,
        authentication: &Authentication,
        reported_at: Option<Timestamp>,
    ) -> Self {
        if authentication.passed() {
            self.face_authenticated_at = self.known_time(authentication.created_at, reported_at, "authentication");
            self.face_origin =
                FaceOrigin::new(authentication.verification_id.clone(), authentication.source_id.clone());
        }
        self
    }

    /// With how the fetched verification or authentication ended.
    pub(crate) fn with_check(mut self, check: &Check) -> Self {
        self.checks = Checks::default().with(check);
        self
    }

    /// The vendor's `createdAt`, where it can be taken for a time.
    ///
    /// An unknown time is no freshness: it never counts as now. A time ahead of our clock by more than the tolerance is
    /// unknown too, for it would stay fresh for longer than anyone allowed. One that is ahead by less counts as the
    /// instant at which the vendor was asked. Of several known times the oldest counts: an object is no younger than the
    /// event that reported it.
    fn known_time(
        &self,
        made_at: Option<Timestamp>,
        reported_at: Option<Timestamp>,
        object: &'static str,
    ) -> Option<Timestamp> {
        let latest = reported_at.map_or(self.sent_at, |at| at.min(self.sent_at));
        let known = made_at.filter(|at| *at <= self.sent_at.after(AHEAD)).map(|at| at.min(latest));
        if known.is_none() {
            metrics::counter!("incode_unknown_times_total", "object" => object).increment(1);
            tracing::warn!(object, "the vendor gave no time that can be read: it does not count as recent");
        }
        known
    }
}

/// How far the vendor's clock may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(60);
