use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::identity::Change;
use crate::model::EventKind;
use crate::store::{Claim, ClaimedJob, JobClaim, JobFailure, JobSettlement, Settled, Store, StoreFuture};
use crate::{Clock, ObjectId, Timestamp};

use super::handlers::Registered;
use super::runner::{Runner, RunnerSettings, Work};
use super::schedule::{handler_waits, jitter, next_wait};
use super::{AppliedEvent, Handlers};

/// Calls one handler with what is owed to it. Each has a runner of its own: one that is slow or broken delays nobody
/// else's calls, and rows of a handler that is no longer registered are left alone.
pub(crate) struct Effects {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
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

impl Effects {
    /// A runner for each handler; `stop` ends them.
    pub(crate) fn runners(
        handlers: &Handlers,
        store: &Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
        settings: JobSettings,
        stop: &tokio::sync::watch::Receiver<bool>,
    ) -> Vec<Runner<Self>> {
        let settings = Arc::new(settings);
        let lease = settings.deadline.saturating_add(LEASE_MARGIN);
        let runner = |registered: &Arc<Registered>| Runner {
            work: Self {
                store: Arc::clone(store),
                clock: Arc::clone(clock),
                registered: Arc::clone(registered),
                settings: Arc::clone(&settings),
            },
            clock: Arc::clone(clock),
            settings: RunnerSettings { lease, sweep: Duration::from_secs(5) },
            stop: stop.clone(),
        };
        handlers.each().map(runner).collect()
    }

    fn applied(&self, effect: ClaimedJob) -> AppliedEvent {
        AppliedEvent {
            event_id: effect.event,
            idempotency_key: self.registered.idempotency_key(&effect.kind, &effect.object_id),
            kind: effect.kind,
            object_id: effect.object_id,
            identity: effect.identity,
            subjects: effect.subjects,
            attempt: effect.attempts,
        }
    }
}

impl Work for Effects {
    type Item = ClaimedJob;
    type Verdict = Result<(), JobFailure>;
    type Settlement = JobSettlement;

    fn wakeup(&self) -> &Notify {
        &self.registered.wakeup
    }

    fn capacity(&self) -> (Duration, u32) {
        (Duration::ZERO, self.settings.concurrency)
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Vec<ClaimedJob>> {
        let Claim { now, lease_until, limit, newest_first: _ } = claim;
        self.store.effects().claim_jobs(JobClaim {
            handler: Arc::clone(&self.registered.name),
            now,
            lease_until,
            limit,
        })
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.store.effects().next_job_due(Arc::clone(&self.registered.name))
    }

    fn object(effect: &ClaimedJob) -> (EventKind, ObjectId) {
        (effect.kind.clone(), effect.object_id.clone())
    }

    fn run_item(&self, effect: ClaimedJob) -> Pin<Box<dyn Future<Output = Result<(), JobFailure>> + Send>> {
        let (registered, settings) = (Arc::clone(&self.registered), Arc::clone(&self.settings));
        let id = effect.lease.effect.0;
        let applied = self.applied(effect);
        Box::pin(async move {
            match tokio::time::timeout(settings.deadline, registered.handler.call(applied)).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => {
                    if settings.log_errors {
                        tracing::warn!(effect.id = id, effect.handler = &*registered.name, %error, "handler failed");
                    }
                    Err(JobFailure::Failed)
                }
                Err(_) => Err(JobFailure::TimedOut),
            }
        })
    }

    fn on_finished(&mut self, effect: &ClaimedJob, verdict: Option<Result<(), JobFailure>>) -> JobSettlement {
        let now = self.clock.now();
        let failure = match verdict {
            Some(Ok(())) => return JobSettlement::Done { at: now },
            Some(Err(failure)) => failure,
            None => JobFailure::Panicked,
        };
        match next_wait(&self.settings.waits, effect.attempts, jitter()) {
            Some(wait) => JobSettlement::Retry { due_at: now.after(wait), failure },
            None => JobSettlement::Dead { failure, at: now },
        }
    }

    fn release(due_at: Timestamp) -> JobSettlement {
        JobSettlement::Release { due_at }
    }

    fn settle(&self, effect: &ClaimedJob, settlement: JobSettlement) -> StoreFuture<'_, Settled> {
        self.store.effects().settle_job(effect.lease, settlement)
    }

    fn settled(&self, effect: &ClaimedJob, settlement: &JobSettlement, _: Option<Change>) {
        let (outcome, failure) = match settlement {
            JobSettlement::Done { .. } => ("done", ""),
            JobSettlement::Retry { failure, .. } => ("retry", failure.as_str()),
            JobSettlement::Release { .. } => ("release", ""),
            JobSettlement::Dead { failure, .. } => ("dead", failure.as_str()),
        };
        let name = self.registered.name.to_string();
        metrics::counter!("incode_handler_calls_total", "handler" => name, "outcome" => outcome).increment(1);
        tracing::info!(
            effect.id = effect.lease.effect.0,
            effect.handler = &*self.registered.name,
            effect.attempts = effect.attempts,
            event.id = effect.event.0,
            outcome,
            failure,
            "handler called"
        );
    }

    fn number(effect: &ClaimedJob) -> i64 {
        effect.lease.effect.0
    }

    async fn maintain(&mut self) {}
}

/// What a lease lasts beyond the deadline of the call: time to write what became of it, the store's stumbles included.
const LEASE_MARGIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
