//! What is known of a person, and the rules by which newer vendor truth replaces older.

pub(crate) mod belonging;
mod check;
mod confirmation;
mod directory;
mod export;
mod field;
mod found_person;
mod link;
mod merge;
mod observe;
mod observer;
mod personal;
pub mod transition;
mod unwritten;

use serde::Serialize;

use crate::model::{AttestationStatus, IdentityStatus};
use crate::{IdentityId, ObjectId, Subject, Timestamp};

pub use crate::session::SessionHash;
pub(crate) use check::CLOCK_TOLERANCE;
pub use check::{Check, Checks, FlowWindow, NamedFlow, NewestFailures, SubjectHash};
pub use confirmation::{ActionHash, Confirmation};
pub(crate) use directory::{ChangeListener, Directory, Time};
pub use export::{Export, ExportedIdentity, ExportedSubject};
pub use field::{Field, RetainedField};
pub use found_person::FoundPerson;
pub use link::{Link, LinkProof, LinkedIdentity, PendingLink, RefusedLink, SubjectState};
pub(crate) use observer::Observer;
pub use personal::PersonalData;
pub(crate) use unwritten::NotActive;

/// What is known of one `identityId`. Ids, statuses and times only: no personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Identity {
    /// The vendor's key of the person.
    pub identity_id: IdentityId,
    /// The vendor's own word, from userinfo. Anything but [`IdentityStatus::Active`] keeps the gate shut.
    pub status: IdentityStatus,
    /// When the request that gave `status` was sent. Newest sent wins; see [`Identity::merge`].
    #[serde(skip)]
    pub checked_at: Timestamp,
    /// The newest verification seen with status VERIFIED.
    pub verification_id: Option<ObjectId>,
    /// When that verification was made. `None` when that is unknown: then no requirement of freshness is met.
    pub verified_at: Option<Timestamp>,
    /// The newest face authentication that passed.
    pub face_authenticated_at: Option<Timestamp>,
    /// What the vendor said of that face authentication.
    #[serde(skip)]
    pub face_origin: FaceOrigin,
    /// The overall verdict of the id attestation (spec: `idAttestation.overall.status`).
    pub attestation: Option<AttestationStatus>,
    /// The newest checks, whether they passed or not.
    #[serde(skip)]
    pub checks: Checks,
}

impl Identity {
    /// An identity of which the vendor said a status, and nothing else is known.
    pub fn new(identity_id: IdentityId, status: IdentityStatus, checked_at: Timestamp) -> Self {
        Self {
            identity_id,
            status,
            checked_at,
            verification_id: None,
            verified_at: None,
            face_authenticated_at: None,
            face_origin: FaceOrigin::default(),
            attestation: None,
            checks: Checks::default(),
        }
    }
}

/// What one exchange with the vendor showed of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Whose.
    pub identity_id: IdentityId,
    /// The instant *before* the userinfo request was sent: what the vendor said is at least as new as this.
    pub sent_at: Timestamp,
    /// userinfo `status`.
    pub status: IdentityStatus,
    /// userinfo `idAttestation.overall.status`.
    pub attestation: Option<AttestationStatus>,
    /// A verification with status VERIFIED that belongs to the identity.
    pub verified: Option<Verified>,
    /// The instant of a face authentication that passed and belongs to the identity.
    pub face_authenticated_at: Option<Timestamp>,
    /// What the vendor said of it; empty without one.
    pub face_origin: FaceOrigin,
    /// How the verification or authentication ended, where the exchange was about one.
    pub checks: Checks,
    /// The personal fields the application opted in to keep, sealed. None unless it did.
    pub fields: Vec<RetainedField>,
}

/// Where a face authentication came from, as far as the vendor says (spec: "Get Authentication Data").
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaceOrigin {
    /// `verificationId`: the verification that enrolled the person.
    pub verification_id: Option<ObjectId>,
    /// `sourceId`: the device, source or location that the request named, when it is a plain name.
    pub source_id: Option<String>,
}

impl FaceOrigin {
    /// Keeps a source of up to 64 letters, digits and `. _ : / -`. Other text is dropped: it is free, and could be
    /// anything, the name of a person for one.
    pub(crate) fn new(verification_id: Option<ObjectId>, source_id: Option<String>) -> Self {
        let is_plain = |source: &String| {
            source.len() <= 64 && source.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte))
        };
        Self { verification_id, source_id: source_id.filter(is_plain) }
    }
}

/// Without the source: it is free text, and could be anything.
impl std::fmt::Debug for FaceOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaceOrigin").field("verification_id", &self.verification_id).finish_non_exhaustive()
    }
}

/// A verification whose status was VERIFIED.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its id.
    pub id: ObjectId,
    /// When it was made. `None`: the vendor gave no time that can be read, and so it is never fresh.
    pub at: Option<Timestamp>,
}

/// An identity row was written: whose cached standings are stale now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The identity that changed.
    pub identity_id: IdentityId,
    /// The subjects linked to it, now or until now.
    pub subjects: Vec<Subject>,
}

/// The cause of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// An event of the vendor.
    Event,
    /// The callback of the hosted flow.
    Flow,
    /// A face authentication that the application asked for.
    Face,
    /// A bearer token that was redeemed.
    BearerToken,
    /// A verification that was looked at again.
    Recheck,
    /// A link that the application made itself, with `Incode::link`.
    Linked,
    /// The end of a link.
    Unlinked,
    /// The identity was forgotten.
    Forgotten,
    /// Another process on the same store. Its notice does not say why.
    Elsewhere,
}

#[cfg(test)]
mod tests;
