//! The application's handlers: registration, and their jobs.

use std::time::Duration;

use crate::Actor;
use crate::inbox::{AppliedEvent, Handler, RevokedSubject, VerifiedSubject};
use crate::store::{JobCounts, JobFilter, JobId, JobRow, ReplayJobs, StoreError};

use super::{Builder, Incode};

impl Builder {
    /// Calls `handler` for every event that is applied from now on; see [`Handler`]. A struct that implements it, or a
    /// closure.
    ///
    /// The name (up to 64 of a-z A-Z 0-9 - _ .) is kept in the store beside the jobs, and is part of the idempotency
    /// key: keep it. Jobs of a name that is no longer registered wait until it is again.
    pub fn on_event(mut self, name: &str, handler: impl Handler<AppliedEvent>) -> Self {
        self.handlers.on_event(name, handler);
        self
    }

    /// Calls `handler` once for each subject whose link and ACTIVE are true together for the first time since it was
    /// linked, in whichever order event, callback and confirmation come: what "open the account" needs. Names are as in
    /// [`on_event`](Self::on_event). A subject that is unlinked and linked again is verified anew.
    pub fn on_verified(mut self, name: &str, handler: impl Handler<VerifiedSubject>) -> Self {
        self.handlers.on_verified(name, false, handler);
        self
    }

    /// As [`on_verified`](Self::on_verified), and waits for a verification with status VERIFIED too.
    pub fn on_verified_document(mut self, name: &str, handler: impl Handler<VerifiedSubject>) -> Self {
        self.handlers.on_verified(name, true, handler);
        self
    }

    /// Calls `handler` for each linked subject when its identity becomes REVOKED: what "end the sessions" needs. Names
    /// are as in [`on_event`](Self::on_event).
    pub fn on_revoked(mut self, name: &str, handler: impl Handler<RevokedSubject>) -> Self {
        self.handlers.on_revoked(name, handler);
        self
    }

    /// How long to wait after each failed call of a handler, each wait shortened at random by up to a quarter; when all
    /// are used up the job is a dead letter. 1 s, 5 s, 30 s, 2 min, 10 min and 24 times an hour unless set.
    pub fn handler_schedule(mut self, waits: impl IntoIterator<Item = Duration>) -> Self {
        self.jobs.waits = waits.into_iter().collect();
        self
    }

    /// How long one call of a handler may take before it is cut off and counts as failed. 30 s unless set.
    pub fn handler_deadline(mut self, deadline: Duration) -> Self {
        self.jobs.deadline = deadline;
        self
    }

    /// Calls of one handler at the same time. 8 unless set; 1 makes it one after the other.
    pub fn handler_concurrency(mut self, calls: u32) -> Self {
        self.jobs.concurrency = calls.max(1);
        self
    }

    /// Logs the text of the errors that handlers return, which otherwise never appears: it may hold personal data.
    pub fn danger_log_handler_errors(mut self) -> Self {
        self.jobs.log_errors = true;
        self
    }
}

/// The handlers' jobs.
impl Incode {
    /// How many jobs are pending and dead.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn job_counts(&self) -> Result<JobCounts, StoreError> {
        Ok(self.0.store.counts().await?.jobs)
    }

    /// Jobs, newest first: what each handler was called for, or is still to be called for.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn jobs(&self, filter: JobFilter) -> Result<Vec<JobRow>, StoreError> {
        self.0.store.jobs(filter).await
    }

    /// One job; `None` when there is none, or no longer.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        // The newest of those that are not newer.
        let Some(before) = id.0.checked_add(1).map(JobId) else { return Ok(None) };
        let filter = JobFilter { state: None, handler: None, before: Some(before), limit: 1 };
        Ok(self.0.store.jobs(filter).await?.into_iter().find(|row| row.id == id))
    }

    /// Makes dead jobs pending again and wakes the handlers. Returns how many; repeating it does no harm. The audit trail
    /// says who asked.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn replay_jobs(&self, which: ReplayJobs, by: &Actor) -> Result<u64, StoreError> {
        let now = self.0.directory.now().await?;
        let count = self.0.store.replay_jobs(which, by.clone(), now).await?;
        tracing::info!(count, "jobs replayed");
        self.0.handlers.notify();
        Ok(count)
    }
}
