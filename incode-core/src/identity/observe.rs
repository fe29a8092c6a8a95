use crate::Timestamp;
use crate::model::{Authentication, UserInfo, Verification, VerificationStatus};

use super::{FaceOrigin, Identity, Observation, Verified};

impl Observation {
    /// What userinfo says, asked at `sent_at`. PersonalData data is left behind here; [`super::Observer`] adds what is kept.
    pub(super) fn of(person: &UserInfo, sent_at: Timestamp) -> Self {
        let attestation = person.id_attestation.as_ref().and_then(|attestation| attestation.overall.as_ref());
        Self {
            identity_id: person.identity_id.clone(),
            sent_at,
            status: person.status.clone(),
            attestation: attestation.and_then(|overall| overall.status.clone()),
            verified: None,
            face_authenticated_at: None,
            face_origin: Default::default(),
            fields: Vec::new(),
        }
    }

    /// What is known, said once more: merging it changes nothing.
    pub(crate) fn again(known: &Identity) -> Self {
        Self {
            identity_id: known.identity_id.clone(),
            sent_at: known.checked_at,
            status: known.status.clone(),
            attestation: known.attestation.clone(),
            verified: known.verification_id.clone().zip(known.verified_at).map(|(id, at)| Verified { id, at }),
            face_authenticated_at: known.face_authenticated_at,
            face_origin: known.face_origin.clone(),
            fields: Vec::new(),
        }
    }

    /// With a verification that belongs to the same person. "Completed" is not "approved": only VERIFIED counts.
    pub(crate) fn with_verification(mut self, verification: &Verification) -> Self {
        if verification.status == VerificationStatus::Verified {
            let at = self.past(verification.created_at);
            self.verified = Some(Verified { id: verification.id.clone(), at });
        }
        self
    }

    /// With an authentication that belongs to the same person. Only a pass counts.
    pub(crate) fn with_authentication(mut self, authentication: &Authentication) -> Self {
        if authentication.passed() {
            self.face_authenticated_at = Some(self.past(authentication.created_at));
            self.face_origin =
                FaceOrigin::new(authentication.verification_id.clone(), authentication.source_id.clone());
        }
        self
    }

    /// The vendor's instant, or when we asked if it gave none. One that lies in the future is a clock that runs ahead
    /// of ours; taken as it is, it would stay fresh for longer than anybody allowed.
    fn past(&self, at: Option<Timestamp>) -> Timestamp {
        at.map_or(self.sent_at, |at| at.min(self.sent_at))
    }
}
