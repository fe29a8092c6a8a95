use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::client::{self, Client};
use crate::http::Problem;
use crate::identity::belonging;
use crate::identity::{Change, FaceOrigin, Identity, Observer};
use crate::model::{FaceAuthenticationRequest, FailureReason};
use crate::store::{Store, StoreError};
use crate::{Clock, Subject};

use super::{image, messages};

/// What a face authentication of a subject came to, when the vendor answered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FaceOutcome {
    /// The face is that of the identity the subject is linked to. What is known of it now: it may have been revoked.
    Passed(Identity),
    /// The vendor did not pass the face, for this reason when it gave one.
    Failed(Option<FailureReason>),
    /// The vendor passed the face, as somebody else's. Nothing was recorded.
    OtherIdentity,
}

impl FaceOutcome {
    /// What to tell the person whose face did not count: a status, a stable code, and what to do now. `None` when it did;
    /// whether that opens anything is for the gate to say.
    pub fn problem(&self) -> Option<Problem> {
        match self {
            Self::Passed(_) => None,
            Self::Failed(reason) => Some(messages::failed(reason.as_ref())),
            Self::OtherIdentity => Some(messages::other_identity()),
        }
    }

    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Passed(_) => "passed",
            Self::Failed(_) => "failed",
            Self::OtherIdentity => "other_identity",
        }
    }
}

/// A face authentication that came to no outcome.
pub struct FaceError {
    kind: FaceErrorKind,
    /// Where a person without an identity gets one.
    verify_at: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The cause of a [`FaceError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaceErrorKind {
    /// The subject is linked to no identity: there is nothing to compare the face with.
    NotLinked,
    /// The vendor did not answer, or not in a way that can be trusted.
    Vendor,
    /// The image is empty.
    ImageMissing,
    /// The image is not in padded base64.
    ImageMalformed,
    /// The image is longer than [`Builder::face_image_cap`](crate::Builder::face_image_cap).
    ImageTooLarge,
    /// The vendor refused the request, for instance an image it can't read.
    Refused,
    /// The store did not answer.
    Store,
}

/// What a face authentication works with.
pub(crate) struct FaceParts<'a> {
    pub(crate) client: &'a Client,
    pub(crate) store: &'a dyn Store,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) observer: &'a Observer,
    /// Longest image sent, in characters of base64.
    pub(crate) image_cap: usize,
}

/// Authenticates, then redeems the token of the answer: only userinfo says whose face passed, and whether that
/// identity is still ACTIVE. The caller makes the change known.
pub(crate) async fn authenticate(
    parts: FaceParts<'_>,
    subject: &Subject,
    request: &FaceAuthenticationRequest,
) -> Result<(FaceOutcome, Option<Change>), FaceError> {
    image::check(&request.face, parts.image_cap)?;
    let linked = parts.store.linked(subject.clone()).await?.ok_or(FaceErrorKind::NotLinked)?;
    let answer = parts.client.authenticate(None, request).await?;
    if !answer.passed() {
        return Ok((FaceOutcome::Failed(answer.failure_reason), None));
    }
    let token = answer.token.ok_or(FaceErrorKind::Vendor)?;
    let passed_at = parts.clock.now();
    let (person, sent_at) = parts.client.userinfo_by(&**parts.clock, &token).await?;
    let mut seen = parts.observer.observe(&person, sent_at);
    let enrolled_as = match &answer.verification_id {
        Some(verification) => parts.store.verified_as(verification.clone()).await?,
        None => None,
    };
    let is_theirs = belonging::check_owner(enrolled_as.as_ref(), &seen.identity_id).is_ok();
    if seen.identity_id != linked.identity.identity_id || !is_theirs {
        tracing::warn!("a face passed as somebody else's: nothing was recorded");
        return Ok((FaceOutcome::OtherIdentity, None));
    }
    seen.face_authenticated_at = Some(passed_at);
    seen.face_origin = FaceOrigin::new(answer.verification_id, answer.source);
    let known = Identity::merge(Some(linked.identity), &seen);
    let change = parts.store.observe(seen).await?;
    Ok((FaceOutcome::Passed(known), Some(change)))
}

impl FaceError {
    /// The cause.
    pub fn kind(&self) -> FaceErrorKind {
        self.kind
    }

    /// What to tell the person: a status, a stable code, and what to do now.
    pub fn problem(&self) -> Problem {
        messages::no_outcome(self.kind, self.verify_at.as_deref())
    }

    /// Names where a person without an identity gets one.
    pub(crate) fn verify_at(mut self, path: Option<&str>) -> Self {
        self.verify_at = path.map(str::to_owned);
        self
    }
}

impl From<FaceErrorKind> for FaceError {
    fn from(kind: FaceErrorKind) -> Self {
        Self { kind, verify_at: None, source: None }
    }
}

impl From<StoreError> for FaceError {
    fn from(error: StoreError) -> Self {
        Self { kind: FaceErrorKind::Store, verify_at: None, source: Some(Box::new(error)) }
    }
}

impl From<client::Error> for FaceError {
    fn from(error: client::Error) -> Self {
        let kind = match error.kind() {
            client::ErrorKind::BadRequest => FaceErrorKind::Refused,
            _ => FaceErrorKind::Vendor,
        };
        Self { kind, verify_at: None, source: Some(Box::new(error)) }
    }
}

impl fmt::Display for FaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FaceErrorKind::NotLinked => "the subject is linked to no identity",
            FaceErrorKind::Vendor => "the vendor gave no answer that can be trusted",
            FaceErrorKind::ImageMissing => "the image is empty",
            FaceErrorKind::ImageMalformed => "the image is not in padded base64",
            FaceErrorKind::ImageTooLarge => "the image is too large",
            FaceErrorKind::Refused => "the vendor refused the request",
            FaceErrorKind::Store => "the store did not answer",
        })
    }
}

impl fmt::Debug for FaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaceError").field("kind", &self.kind).field("source", &self.source).finish()
    }
}

impl Error for FaceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
