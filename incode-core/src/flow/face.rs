use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::client::{self, Client};
use crate::identity::{Change, FaceOrigin, Identity, Observer};
use crate::model::{FaceAuthenticationRequest, FailureReason};
use crate::store::{Store, StoreError};
use crate::{Clock, Subject};

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

/// A face authentication that came to no outcome.
pub struct FaceError {
    kind: FaceErrorKind,
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
}

/// Authenticates, then redeems the token of the answer: only userinfo says whose face passed, and whether that
/// identity is still ACTIVE. The caller makes the change known.
pub(crate) async fn authenticate(
    parts: FaceParts<'_>,
    subject: &Subject,
    request: &FaceAuthenticationRequest,
) -> Result<(FaceOutcome, Option<Change>), FaceError> {
    let linked = parts.store.linked(subject.clone()).await?.ok_or(FaceErrorKind::NotLinked)?;
    let answer = parts.client.authenticate(None, request).await?;
    if !answer.passed() {
        return Ok((FaceOutcome::Failed(answer.failure_reason), None));
    }
    let token = answer.token.ok_or(FaceErrorKind::Vendor)?;
    let sent_at = parts.clock.now();
    let mut seen = parts.observer.observe(&parts.client.userinfo(&token).await?, sent_at);
    if seen.identity_id != linked.identity.identity_id {
        return Ok((FaceOutcome::OtherIdentity, None));
    }
    seen.face_authenticated_at = Some(sent_at);
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
}

impl From<FaceErrorKind> for FaceError {
    fn from(kind: FaceErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<StoreError> for FaceError {
    fn from(error: StoreError) -> Self {
        Self { kind: FaceErrorKind::Store, source: Some(Box::new(error)) }
    }
}

impl From<client::Error> for FaceError {
    fn from(error: client::Error) -> Self {
        let kind = match error.kind() {
            client::ErrorKind::BadRequest => FaceErrorKind::Refused,
            _ => FaceErrorKind::Vendor,
        };
        Self { kind, source: Some(Box::new(error)) }
    }
}

impl fmt::Display for FaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FaceErrorKind::NotLinked => "the subject is linked to no identity",
            FaceErrorKind::Vendor => "the vendor gave no answer that can be trusted",
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
