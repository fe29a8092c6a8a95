use std::error::Error;
use std::future::Future;

use crate::identity::Identity;
use crate::identity::transition::JobCause;
use crate::model::EventKind;
use crate::store::{ClaimedJob, EventId};
use crate::{ObjectId, Subject, Timestamp};

use super::handlers::Registered;

/// What an application does when something happened to a person: open the account, send the mail, end the sessions.
///
/// | registered with | called | with |
/// |---|---|---|
/// | [`Builder::on_event`](crate::Builder::on_event) | for each applied event | [`AppliedEvent`] |
/// | [`Builder::on_verified`](crate::Builder::on_verified) | once for each subject that is linked and ACTIVE | [`VerifiedSubject`] |
/// | [`Builder::on_revoked`](crate::Builder::on_revoked) | for each linked subject when the identity is REVOKED | [`RevokedSubject`] |
///
/// A job for each call lies in the store beside its cause. So it is called **at least once**, and never again after it
/// returned `Ok`; a crash or a restart only delays the call. After an error, a panic or a call that outlasts its
/// deadline it is called again, and at last the job becomes a dead letter.
///
/// A call can be cut off at any await and made again, and one whose success could not be written is made again too. So
/// a handler that must act once passes the `idempotency_key` on to what it acts on. Handlers do not wait for each other:
/// calls come in any order, and each handler has its own progress.
///
/// A closure will do:
///
/// ```
/// # use incode_core::{Incode, VerifiedSubject};
/// let builder = Incode::builder().on_verified("open-account", |verified: VerifiedSubject| async move {
///     println!("open the account of {}, {}", verified.subject.as_str(), verified.idempotency_key);
///     Ok(())
/// });
/// # let _ = builder;
/// ```
pub trait Handler<T = AppliedEvent>: Send + Sync + 'static {
    /// Acts on one cause.
    ///
    /// # Errors
    /// Whatever kept it from being done: it is called again later. The text is not logged, unless the application said
    /// so with [`Builder::danger_log_handler_errors`](crate::Builder::danger_log_handler_errors).
    fn handle(&self, cause: T) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// Why a handler could not do its work: any error.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// An event that was applied.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AppliedEvent {
    /// The inbox's own key of the event.
    pub event_id: EventId,
    /// The same text for every call about the same object, kind and handler, in every process: 32 hex digits.
    pub idempotency_key: String,
    /// What happened.
    pub kind: EventKind,
    /// The verification or authentication that the event was about.
    pub object_id: ObjectId,
    /// What is known of the person at the time of the call, which may be newer than the event: revoked since, for
    /// instance. `None` when the identity was forgotten.
    pub identity: Option<Identity>,
    /// The subjects linked to the identity at the time of the call. An event can be applied before the person came
    /// back from the hosted flow; then there is none yet. What hangs on a subject belongs in `on_verified`.
    pub subjects: Vec<Subject>,
    /// 1 at the first call; calls that a crash cut off count.
    pub attempt: u32,
}

/// A subject whose link and ACTIVE became true together: event, callback and confirmation may come in any order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifiedSubject {
    /// The application's user.
    pub subject: Subject,
    /// The same text for every call about the same link and handler, in every process: 32 hex digits.
    pub idempotency_key: String,
    /// What is known of the person at the time of the call: revoked since, for instance. `None` when it was forgotten.
    pub identity: Option<Identity>,
    /// When the conditions were complete.
    pub verified_at: Timestamp,
    /// 1 at the first call; calls that a crash cut off count.
    pub attempt: u32,
}

/// A linked subject whose identity became REVOKED.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevokedSubject {
    /// The application's user.
    pub subject: Subject,
    /// The same text for every call about the same revocation, subject and handler, in every process: 32 hex digits.
    pub idempotency_key: String,
    /// What is known of the person at the time of the call. `None` when it was forgotten.
    pub identity: Option<Identity>,
    /// When the revocation was written.
    pub revoked_at: Timestamp,
    /// 1 at the first call; calls that a crash cut off count.
    pub attempt: u32,
}

/// One call of one handler.
pub(super) enum Call {
    Event(AppliedEvent),
    Verified(VerifiedSubject),
    Revoked(RevokedSubject),
}

impl Call {
    pub(super) fn of(registered: &Registered, job: ClaimedJob) -> Self {
        let idempotency_key = registered.idempotency_key(&job.cause);
        let (identity, attempt) = (job.identity, job.attempts);
        match job.cause {
            JobCause::Event { event, kind, object_id } => Self::Event(AppliedEvent {
                event_id: event,
                idempotency_key,
                kind,
                object_id,
                identity,
                subjects: job.subjects,
                attempt,
            }),
            JobCause::Verified { subject, .. } => Self::Verified(VerifiedSubject {
                subject,
                idempotency_key,
                identity,
                verified_at: job.caused_at,
                attempt,
            }),
            JobCause::Revoked { subject, .. } => {
                Self::Revoked(RevokedSubject { subject, idempotency_key, identity, revoked_at: job.caused_at, attempt })
            }
        }
    }
}

impl<T, F, R> Handler<T> for F
where
    F: Fn(T) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), HandlerError>> + Send,
{
    fn handle(&self, cause: T) -> impl Future<Output = Result<(), HandlerError>> + Send {
        self(cause)
    }
}
