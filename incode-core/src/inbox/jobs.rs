use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::Timestamp;
use crate::identity::Directory;
use crate::identity::transition::JobCause;
use crate::store::{Claim, ClaimedJob, JobClaim, JobFailure, JobSettlement, StoreError, StoreFuture};
use crate::time::jitter;

use super::Handlers;
use super::handler::Call;
use super::handlers::Registered;
use super::runner::{Runner, RunnerSettings, Work};
use super::schedule::{handler_waits, next_wait};

/// Calls one handler with its jobs. Each has a runner of its own: one that is slow or broken delays no other handler's
/// calls, and jobs of a handler that is no longer registered are left alone.
pub(crate) struct HandlerRunner {
    directory: Directory,
    registered: Arc<Registered>,
    settings: Arc<JobSettings>,
}

#[derive(Clone, Debug)]
pub(crate) struct JobSettings {
    /// Calls of one handler at the same time.
    pub(crate) concurrency: u32,
    /// How long one call may take.
    pub(crate) deadline: Duration,
    /// How long to wait after each failure; after the last wait one more call is made, then it is a dead letter.
    pub(crate) waits: Vec<Duration>,
    /// Whether the text of errors may be logged.
    pub(crate) log_errors: bool,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self { concurrency: 8, deadline: Duration::from_secs(30), waits: handler_waits(), log_errors: false }
    }
}

impl HandlerRunner {
    /// A runner for each handler; `stop` ends them.
    pub(crate) fn runners(
        handlers: &Handlers,
        directory: &Directory,
        settings: JobSettings,
        stop: &tokio::sync::watch::Receiver<bool>,
    ) -> Vec<Runner<Self>> {
        let settings = Arc::new(settings);
        let runner = |registered: &Arc<Registered>| Runner {
            work: Arc::new(Self {
                directory: directory.clone(),
                registered: Arc::clone(registered),
                settings: Arc::clone(&settings),
            }),
            settings: RunnerSettings { lease: LEASE, sweep: SWEEP },
            stop: stop.clone(),
        };
        handlers.each().map(runner).collect()
    }
}

impl Work for HandlerRunner {
    type Item = ClaimedJob;
    type Verdict = Result<(), JobFailure>;
    type Settlement = JobSettlement;
    type Settled = ();
    type Object = JobCause;

    fn wakeup(&self) -> &Notify {
        &self.registered.wakeup
    }

    fn capacity(&self, under_way: u32) -> (Duration, u32) {
        (Duration::ZERO, self.settings.concurrency.saturating_sub(under_way))
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.directory.now().await
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, (Vec<ClaimedJob>, Option<Timestamp>)> {
        let Claim { now, lease_until, limit, newest_first: _ } = claim;
        let claim = JobClaim { handler: Arc::clone(&self.registered.name), now, lease_until, limit };
        Box::pin(async move {
            let claimed = self.directory.store().claim_jobs(claim).await?;
            Ok((claimed.jobs, claimed.next_due))
        })
    }

    fn renew(&self, jobs: Vec<ClaimedJob>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        let leases = jobs.into_iter().map(|job| job.lease).collect();
        self.directory.store().renew_jobs(leases, lease_until)
    }

    fn object(job: &ClaimedJob) -> JobCause {
        job.cause.clone()
    }

    async fn run(&self, job: ClaimedJob) -> Result<(), JobFailure> {
        let id = job.lease.job.0;
        let name = &*self.registered.name;
        let call = Call::of(&self.registered, job);
        match timeout(self.settings.deadline, self.registered.handler.call(call)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                if self.settings.log_errors {
                    tracing::warn!(job.id = id, job.handler = name, %error, "handler failed");
                }
                Err(JobFailure::Failed)
            }
            Err(_) => Err(JobFailure::TimedOut),
        }
    }

    async fn on_finished(&self, job: &ClaimedJob, verdict: Option<Result<(), JobFailure>>) -> JobSettlement {
        let now = self.directory.now().await.unwrap_or(job.caused_at);
        let failure = match verdict {
            Some(Ok(())) => return JobSettlement::Done { at: now },
            Some(Err(failure)) => failure,
            None => JobFailure::Panicked,
        };
        match next_wait(&self.settings.waits, job.attempts, jitter()) {
            Some(wait) => JobSettlement::Retry { due_at: now.after(wait), failure },
            None => JobSettlement::Dead { failure, at: now },
        }
    }

    fn release(due_at: Timestamp) -> JobSettlement {
        JobSettlement::Release { due_at }
    }

    async fn settle(&self, job: &ClaimedJob, settlement: JobSettlement) -> Result<Option<()>, StoreError> {
        let written = self.directory.store().settle_job(job.lease, settlement).await?;
        Ok(written.then_some(()))
    }

    fn settled(&self, job: &ClaimedJob, settlement: &JobSettlement, (): ()) {
        let (outcome, failure) = match settlement {
            JobSettlement::Done { .. } => ("done", ""),
            JobSettlement::Retry { failure, .. } => ("retry", failure.as_str()),
            JobSettlement::Release { .. } => ("release", ""),
            JobSettlement::Dead { failure, .. } => ("dead", failure.as_str()),
        };
        let name = self.registered.name.to_string();
        metrics::counter!("incode_handler_calls_total", "handler" => name, "outcome" => outcome).increment(1);
        tracing::info!(
            job.id = job.lease.job.0,
            job.handler = &*self.registered.name,
            job.attempts = job.attempts,
            job.cause = job.cause.as_str(),
            outcome,
            failure,
            "handler called"
        );
    }

    fn number(job: &ClaimedJob) -> i64 {
        job.lease.job.0
    }

    fn maintain(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Renewed every three seconds, however long a call takes: the jobs of a process that died are taken up within fifteen,
/// with [`SWEEP`].
const LEASE: Duration = Duration::from_secs(10);
/// How often jobs are looked for without a notice.
const SWEEP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
