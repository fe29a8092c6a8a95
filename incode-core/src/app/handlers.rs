//! The application's handlers: registration, and what is owed to them.

use std::time::Duration;

use crate::inbox::Handler;
use crate::store::{JobCounts, JobFilter, JobRow, ReplayJobs, StoreError};

use super::{Builder, Incode};

impl Builder {
    /// Calls `handler` for every event that is applied from now on; see [`Handler`]. A struct that implements it, or a
    /// closure.
    ///
    /// The name (up to 64 of a-z A-Z 0-9 - _ .) is kept in the store beside what is owed, and is part of the
    /// idempotency key: keep it. What is owed to a name that is no longer registered waits until it is again.
    pub fn handler(mut self, name: &str, handler: impl Handler) -> Self {
        self.handlers.add(name, handler);
        self
    }

    /// How long to wait after each failed call of a handler, each wait shortened at random by up to a quarter; when all
    /// are used up the effect is a dead letter. 1 s, 5 s, 30 s, 2 min, 10 min and 24 times an hour unless set.
    pub fn handler_schedule(mut self, waits: impl IntoIterator<Item = Duration>) -> Self {
        self.effects.waits = waits.into_iter().collect();
        self
    }

    /// How long one call of a handler may take before it is cut off and counts as failed. 30 s unless set.
    pub fn handler_deadline(mut self, deadline: Duration) -> Self {
        self.effects.deadline = deadline;
        self
    }

    /// Calls of one handler at the same time. 8 unless set; 1 makes it one after the other.
    pub fn handler_concurrency(mut self, calls: u32) -> Self {
        self.effects.concurrency = calls.max(1);
        self
    }

    /// Logs the text of the errors that handlers return, which otherwise never appears: it may hold personal data.
    pub fn danger_log_handler_errors(mut self) -> Self {
        self.effects.log_errors = true;
        self
    }
}

/// What applied events owe to the handlers.
impl Incode {
    /// How many effects are pending and dead.
    ///
    /// # Errors
    /// When the store does not answer; so for all of these.
    pub async fn job_counts(&self) -> Result<JobCounts, StoreError> {
        self.0.store.effects().job_counts().await
    }

    /// Effects, newest first: what each handler was called for, or is still to be called for.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn effects(&self, filter: JobFilter) -> Result<Vec<JobRow>, StoreError> {
        self.0.store.effects().list_jobs(filter).await
    }

    /// Makes dead effects pending again and wakes the handlers. Returns how many; repeating it does no harm.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn replay_jobs(&self, which: ReplayJobs) -> Result<u64, StoreError> {
        let count = self.0.store.effects().replay_jobs(which, self.0.clock.now()).await?;
        tracing::info!(count, "effects replayed");
        self.0.handlers.notify();
        Ok(count)
    }
}
