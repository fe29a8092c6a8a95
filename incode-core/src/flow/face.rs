use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::Subject;
use crate::client::{self, Client};
use crate::http::Problem;
use crate::identity::transition::{Command, Outcome};
use crate::identity::{
    ActionHash, Cause, Confirmation, Directory, FaceOrigin, Identity, Observer, SessionHash, belonging,
};
use crate::model::{FaceAuthenticationRequest, FailureReason};
use crate::store::StoreError;

use super::limits::FaceLimit;
use super::{FlowLimits, image, messages};

/// What a face authentication of a subject came to, when the vendor answered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "made once for a face, and the usual variant is the large one")]
pub enum FaceOutcome {
    /// The face is that of the identity the subject is linked to. What is known of it now: it may have been revoked.
    Passed(Identity),
    /// The vendor did not pass the face, for this reason when it gave one.
    Failed(Option<FailureReason>),
    /// The vendor passed the face as that of another person. Nothing was recorded.
    OtherIdentity,
}

impl FaceOutcome {
    /// The problem to show to a person whose face did not count: a status, a stable code, and what to do now. `None` when it
    /// counted; the gate decides what that opens.
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
    /// When it is worth another try, where that is known.
    retry_after: Option<Duration>,
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
    /// The subject asked too often, or the vendor limits the application's calls.
    TooManyRequests,
    /// The same image was sent before, see [`Builder::same_face_image_after`](crate::Builder::same_face_image_after). It
    /// was not sent again.
    ImageRepeated,
    /// The vendor refused the request, for instance an image it can't read.
    Refused,
    /// The store did not answer.
    Store,
}

/// What a face authentication works with.
pub(crate) struct FaceParts<'a> {
    pub(crate) client: &'a Client,
    pub(crate) directory: &'a Directory,
    pub(crate) observer: &'a Observer,
    pub(crate) limits: &'a FlowLimits,
    /// Longest image sent, in characters of base64.
    pub(crate) image_cap: usize,
}

/// Where a face authentication counts, once it passed.
#[derive(Clone, Debug)]
#[must_use]
pub struct FaceScope {
    subject: Subject,
    session: SessionHash,
    action: Option<ActionHash>,
}

impl FaceScope {
    /// For this subject, in every session: where the application names no sessions.
    pub fn new(subject: Subject) -> Self {
        Self { subject, session: SessionHash::NONE, action: None }
    }

    /// In this session alone.
    pub fn in_session(mut self, session: SessionHash) -> Self {
        self.session = session;
        self
    }

    /// For this action alone, once.
    pub fn for_action(mut self, action: ActionHash) -> Self {
        self.action = Some(action);
        self
    }
}

/// Authenticates, then redeems the token of the answer: only userinfo says whose face passed, and whether that
/// identity is still ACTIVE. A pass is recorded for the subject, its session and the action.
pub(crate) async fn authenticate(
    parts: FaceParts<'_>,
    scope: FaceScope,
    request: &FaceAuthenticationRequest,
) -> Result<FaceOutcome, FaceError> {
    image::check(&request.face, parts.image_cap)?;
    let linked = parts.directory.store().subject(scope.subject.clone()).await?.linked;
    let linked = linked.ok_or(FaceErrorKind::NotLinked)?.identity;
    let limits = parts.limits;
    let image = limits.count_face(&scope.subject, &request.face)?;
    let outcome = ask(parts, scope, linked, request).await;
    outcome.inspect_err(|_| limits.allow_again(&image))
}

async fn ask(
    parts: FaceParts<'_>,
    scope: FaceScope,
    linked: Identity,
    request: &FaceAuthenticationRequest,
) -> Result<FaceOutcome, FaceError> {
    let directory = parts.directory;
    let answer = parts.client.authenticate(None, request).await?;
    if !answer.passed() {
        return Ok(FaceOutcome::Failed(answer.failure_reason));
    }
    let token = answer.token.ok_or(FaceErrorKind::Vendor)?;
    // The application made the call itself: its own time is the time of the pass.
    let passed_at = directory.now().await?;
    let asked = parts.client.userinfo_at(directory, &token).await?;
    let mut seen = directory.observe(parts.observer, &asked.person, asked.sent_at, Cause::Face);
    let enrolled_as = match &answer.verification_id {
        Some(verification) => directory.store().verified_as(verification.clone()).await?,
        None => None,
    };
    let is_theirs = belonging::check_owner(enrolled_as.as_ref(), &seen.identity_id).is_ok();
    if seen.identity_id != linked.identity_id || !is_theirs {
        tracing::warn!("a face passed as another identity: nothing was recorded");
        return Ok(FaceOutcome::OtherIdentity);
    }
    seen.face_authenticated_at = Some(passed_at);
    seen.face_origin = FaceOrigin::new(answer.verification_id, answer.source);
    let known = Identity::merge(Some(linked), &seen);
    let FaceScope { subject, session, action } = scope;
    let identity_id = seen.identity_id.clone();
    let confirmation = Confirmation { subject, identity_id, session, action, passed_at };
    let changed = directory.change(Command::Confirm { confirmation, seen }, Cause::Face).await?;
    match changed.outcome {
        Outcome::Confirmed => Ok(FaceOutcome::Passed(known)),
        // Unlinked, or linked otherwise, while the vendor was asked.
        _ => Err(FaceErrorKind::NotLinked.into()),
    }
}

impl FaceError {
    /// The cause.
    pub fn kind(&self) -> FaceErrorKind {
        self.kind
    }

    /// The problem to show to the person: a status, a stable code, and what to do now.
    pub fn problem(&self) -> Problem {
        messages::no_outcome(self.kind, self.retry_after, self.verify_at.as_deref())
    }

    /// Names where a person without an identity gets one.
    pub(crate) fn verify_at(mut self, path: Option<&str>) -> Self {
        self.verify_at = path.map(str::to_owned);
        self
    }
}

impl From<FaceErrorKind> for FaceError {
    fn from(kind: FaceErrorKind) -> Self {
        Self { kind, retry_after: None, verify_at: None, source: None }
    }
}

impl From<FaceLimit> for FaceError {
    fn from(limit: FaceLimit) -> Self {
        match limit {
            FaceLimit::TooMany(wait) => Self { retry_after: Some(wait), ..FaceErrorKind::TooManyRequests.into() },
            FaceLimit::SameImage => FaceErrorKind::ImageRepeated.into(),
        }
    }
}

impl From<StoreError> for FaceError {
    fn from(error: StoreError) -> Self {
        Self { source: Some(Box::new(error)), ..FaceErrorKind::Store.into() }
    }
}

impl From<client::Error> for FaceError {
    fn from(error: client::Error) -> Self {
        let kind = match error.kind() {
            client::ErrorKind::BadRequest => FaceErrorKind::Refused,
            client::ErrorKind::TooManyRequests => FaceErrorKind::TooManyRequests,
            _ => FaceErrorKind::Vendor,
        };
        let retry_after = error.retry_after().map(|wait| wait.min(LONGEST_RETRY_AFTER));
        Self { retry_after, source: Some(Box::new(error)), ..kind.into() }
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
            FaceErrorKind::TooManyRequests => "too many face authentications",
            FaceErrorKind::ImageRepeated => "the same image was sent before",
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

/// A vendor that names a longer wait is asked again all the same: the person would not come back.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
