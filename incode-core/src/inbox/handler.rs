use std::error::Error;
use std::future::Future;

use crate::identity::Identity;
use crate::model::EventKind;
use crate::store::EventId;
use crate::{ObjectId, Subject};

/// What an application does when an event was applied: open the account, send the mail.
///
/// Registered with [`Builder::handler`](crate::Builder::handler) under a name. Called for every event that is applied
/// while the name is registered, **at least once**, and never again after it returned `Ok`: what is still owed lies in
/// the store beside the event, so a crash or a restart only delays the call. After an error, a panic or a call that
/// outlasts its deadline it is called again, and at last the effect becomes a dead letter.
///
/// A call can be cut off at any await and made again, and one whose success could not be written is made again too. So
/// a handler that must act once hands [`AppliedEvent::idempotency_key`] to what it acts on. Handlers wait for nobody: events
/// reach them in any order, and each handler has its own progress.
///
/// A closure will do:
///
/// ```
/// # use incode_core::{AppliedEvent, Incode};
/// let builder = Incode::builder().handler("welcome-mail", |applied: AppliedEvent| async move {
///     for subject in &applied.subjects {
///         println!("welcome {}, {}", subject.as_str(), applied.idempotency_key);
///     }
///     Ok(())
/// });
/// # let _ = builder;
/// ```
pub trait Handler: Send + Sync + 'static {
    /// Acts on one applied event.
    ///
    /// # Errors
    /// Whatever kept it from being done: it is called again later. The text is not logged, unless the application said
    /// so with [`Builder::danger_log_handler_errors`](crate::Builder::danger_log_handler_errors).
    fn handle(&self, applied: AppliedEvent) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// Why a handler could not do its work: any error.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// An event that was applied, as told to a handler.
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
    /// back from the hosted flow; then there is none yet.
    pub subjects: Vec<Subject>,
    /// 1 at the first call; calls that a crash cut off count.
    pub attempt: u32,
}

impl<F, R> Handler for F
where
    F: Fn(AppliedEvent) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), HandlerError>> + Send,
{
    fn handle(&self, applied: AppliedEvent) -> impl Future<Output = Result<(), HandlerError>> + Send {
        self(applied)
    }
}
