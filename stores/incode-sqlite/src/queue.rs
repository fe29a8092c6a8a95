//! The way from async callers to a thread, and back.

use std::sync::{Arc, mpsc};

use incode_core::store::{StoreError, StoreErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

/// A bounded queue from async callers to a thread. The bound is a semaphore beside a plain channel, because the thread
/// needs a wait with a time-out, and callers need both a refusal at once and a wait for a place.
pub(crate) struct Queue<J> {
    /// Free places. Shared with the permits of waiting jobs; closed when the store is closed.
    places: Arc<Semaphore>,
    jobs: mpsc::Sender<Message<J>>,
}

/// What a thread receives.
pub(crate) enum Message<J> {
    /// The place is free again as soon as the thread takes the job.
    Job(J, OwnedSemaphorePermit),
    /// All jobs before this one are done. The reply is sent when files are closed.
    Close(oneshot::Sender<()>),
}

/// Where a job's answer goes. Closed when the caller is gone.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

impl<J> Queue<J> {
    /// A queue with room for `len` jobs. The room bounds the memory of a flood of deliveries.
    pub(crate) fn new(len: usize) -> (Self, mpsc::Receiver<Message<J>>) {
        let (jobs, receiver) = mpsc::channel();
        (Self { places: Arc::new(Semaphore::new(len)), jobs }, receiver)
    }

    /// Queues a job if there is a place for it.
    pub(crate) fn try_push<T>(
        &self,
        job: impl FnOnce(Reply<T>) -> J,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|refusal| {
            StoreError::new(match refusal {
                TryAcquireError::NoPermits => StoreErrorKind::Busy,
                TryAcquireError::Closed => StoreErrorKind::Unavailable,
            })
        })?;
        self.send(job, place)
    }

    /// Queues a job, waiting for a place.
    pub(crate) async fn push<T>(
        &self,
        job: impl FnOnce(Reply<T>) -> J,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
        self.send(job, place)
    }

    /// Takes no more jobs, and returns when the thread has done all that were queued and let go of its files.
    pub(crate) async fn close(&self) {
        self.places.close();
        let (reply, done) = oneshot::channel();
        if self.jobs.send(Message::Close(reply)).is_ok() {
            // An error means that the thread ended on an earlier call, its files closed before its queue.
            let _ = done.await;
        }
    }

    /// Puts a job into the queue, and returns the channel of its answer.
    fn send<T>(
        &self,
        job: impl FnOnce(Reply<T>) -> J,
        place: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Message::Job(job(reply), place)).map_err(|_| closed())?;
        Ok(answer)
    }
}

/// Waits for the thread's answer. A thread that ended first gives none: the store is closed.
pub(crate) async fn answer<T>(answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    answer.await.unwrap_or_else(|_| Err(closed()))
}

/// Every call after [`LifeCycle::close`](incode_core::store::LifeCycle::close).
fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable)
}
