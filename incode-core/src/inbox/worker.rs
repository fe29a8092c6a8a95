use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::identity::{Cause, Change};
use crate::model::EventKind;
use crate::store::{Claim, ClaimedEvent, EventState, JobState, Prune, Settled, Settlement, StoreFuture};
use crate::{ObjectId, Timestamp};

use super::apply::{VendorSignal, Verdict};
use super::circuit_breaker::CircuitBreaker;
use super::runner::{RunnerSettings, Work};
use super::schedule::{jitter, wait_after};
use super::{Applier, Inbox, linking};

/// Takes pending events, asks the vendor, applies the answer; one per process and store.
pub(crate) struct Worker {
    inbox: Arc<Inbox>,
    applier: Arc<Applier>,
    settings: WorkerSettings,
    breaker: CircuitBreaker,
    /// When rows are to be removed next, in elapsed time.
    prune_at: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerSettings {
    /// Events asked about at the same time.
    pub(crate) concurrency: u32,
    /// The lease is longer than the client needs with all its retries.
    pub(crate) runner: RunnerSettings,
    /// How long settled rows are kept: far beyond the vendor's own retries, which end after half an hour.
    pub(crate) retention: Duration,
    /// How long dead events keep their token for a replay: longer than the vendor honours it.
    pub(crate) token_retention: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 16,
            runner: RunnerSettings { lease: Duration::from_secs(120), sweep: Duration::from_secs(5) },
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            token_retention: Duration::from_secs(60 * 60),
        }
    }
}

impl Worker {
    pub(crate) fn new(inbox: Arc<Inbox>, applier: Arc<Applier>, settings: WorkerSettings) -> Self {
        Self { inbox, applier, settings, breaker: CircuitBreaker::default(), prune_at: Duration::ZERO }
    }

    /// Removes what is past keeping, and says when to fetch again.
    async fn prune(&self, now: Timestamp) -> Duration {
        let prune = Prune {
            now,
            settled_before: now.before(self.settings.retention),
            tokens_before: now.before(self.settings.token_retention),
        };
        let mut again = PRUNE_EVERY;
        match self.applier.store.prune(prune).await {
            Ok(0) => {}
            Ok(_) => again = self.settings.runner.sweep,
            Err(error) => tracing::warn!(error.kind = ?error.kind(), "prune failed"),
        }
        self.measure(now).await;
        again
    }

    async fn measure(&self, now: Timestamp) {
        let age = |oldest: Option<Timestamp>| oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)).as_secs_f64();
        if let Ok(counts) = self.applier.store.counts().await {
            let states = [counts.pending, counts.done, counts.dead, counts.ignored];
            for (state, count) in EventState::ALL.into_iter().zip(states) {
                metrics::gauge!("incode_inbox_events", "state" => state.as_str()).set(count as f64);
            }
            metrics::gauge!("incode_inbox_oldest_seconds").set(age(counts.oldest_pending));
        }
        if let Ok(counts) = self.applier.store.effects().job_counts().await {
            for (state, count) in [(JobState::Pending, counts.pending), (JobState::Dead, counts.dead)] {
                metrics::gauge!("incode_handler_jobs", "state" => state.as_str()).set(count as f64);
            }
            metrics::gauge!("incode_handler_oldest_seconds").set(age(counts.oldest_pending));
        }
    }

    fn elapsed(&self) -> Duration {
        self.applier.clock.elapsed()
    }
}

impl Work for Worker {
    type Item = ClaimedEvent;
    type Verdict = Verdict;
    type Settlement = Settlement;

    fn wakeup(&self) -> &Notify {
        &self.inbox.wakeup
    }

    fn capacity(&self) -> (Duration, u32) {
        let now = self.elapsed();
        (self.breaker.left(now), self.breaker.room(now, self.settings.concurrency))
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Vec<ClaimedEvent>> {
        self.applier.store.claim(claim)
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.applier.store.next_due()
    }

    fn object(event: &ClaimedEvent) -> (EventKind, ObjectId) {
        (event.kind.clone(), event.object_id.clone())
    }

    fn run_item(&self, event: ClaimedEvent) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
        let applier = Arc::clone(&self.applier);
        Box::pin(async move { applier.judge(&event).await })
    }

    fn on_finished(&mut self, event: &ClaimedEvent, verdict: Option<Verdict>) -> Settlement {
        let Some(verdict) = verdict else {
            tracing::error!(event.id = event.lease.event.0, "applying an event panicked");
            if event.attempts >= MOST_PANICS {
                let at = self.applier.clock.now();
                return Settlement::Dead { reason: crate::store::Reason::Other, wipe_token: false, at };
            }
            let due_at = self.applier.schedule.now().after(wait_after(event.attempts, jitter()));
            return Settlement::Retry { due_at, reason: crate::store::Reason::Other };
        };
        let id = event.lease.event;
        if verdict.signal == VendorSignal::KeyRefused && self.breaker.is_its_own_trouble(id) {
            let settlement = self.applier.refuse_alone(event);
            if matches!(settlement, Settlement::Dead { .. }) {
                self.breaker.forget(id);
            }
            return settlement;
        }
        self.breaker.record(self.applier.clock.elapsed(), id, verdict.signal);
        verdict.settlement
    }

    fn release(due_at: Timestamp) -> Settlement {
        Settlement::Release { due_at, reason: None }
    }

    fn settle(&self, event: &ClaimedEvent, settlement: Settlement) -> StoreFuture<'_, Settled> {
        self.applier.store.settle(event.lease, settlement)
    }

    fn settled(&self, event: &ClaimedEvent, settlement: &Settlement, change: Option<Change>) {
        if let Some(change) = &change {
            self.applier.surroundings.changed(change, Cause::Event);
            if let Settlement::Done { link: Some(link), .. } = settlement {
                linking::settled(event, link, &change.subjects);
            }
        }
        if matches!(settlement, Settlement::Done { seen: Some(_), .. }) {
            self.applier.handlers.notify();
        }
        self.applier.watchers.settled(event.lease.event, settlement, change.is_some());
        let (outcome, reason) = describe(settlement);
        metrics::counter!("incode_events_settled_total", "outcome" => outcome, "reason" => reason).increment(1);
        metrics::histogram!("incode_event_attempts").record(f64::from(event.attempts));
        tracing::info!(
            event.id = event.lease.event.0,
            event.kind = event.kind.as_str(),
            event.attempts = event.attempts,
            outcome,
            reason,
            "settled"
        );
    }

    fn number(event: &ClaimedEvent) -> i64 {
        event.lease.event.0
    }

    async fn maintain(&mut self) {
        if self.elapsed() >= self.prune_at {
            self.prune_at = self.elapsed() + self.prune(self.applier.clock.now()).await;
        }
    }
}

fn describe(settlement: &Settlement) -> (&'static str, &'static str) {
    match settlement {
        Settlement::Done { .. } => ("done", ""),
        Settlement::Retry { reason, .. } => ("retry", reason.as_str()),
        Settlement::Release { reason, .. } => ("release", reason.map_or("", |reason| reason.as_str())),
        Settlement::Dead { reason, .. } => ("dead", reason.as_str()),
    }
}

/// An event that brings the program down this often is left to people.
const MOST_PANICS: u32 = 10;
const PRUNE_EVERY: Duration = Duration::from_secs(60);
