use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::identity::Change;
use crate::identity::transition::{Command, Outcome};
use crate::model::EventKind;
use crate::store::{
    Claim, ClaimedEvent, EventState, JobState, Prune, Reason, Settled, Settlement, StoreError, StoreFuture,
};
use crate::time::jitter;
use crate::{Clock, ObjectId, Timestamp};

use super::apply::{VendorSignal, Verdict};
use super::circuit_breaker::CircuitBreaker;
use super::pace::Pace;
use super::runner::{RunnerSettings, Work};
use super::schedule::wait_after;
use super::{Applier, Inbox, linking};

/// Takes pending events, asks the vendor, applies the answer; one per process and store.
pub(crate) struct Worker {
    inbox: Arc<Inbox>,
    applier: Arc<Applier>,
    settings: WorkerSettings,
    clock: Arc<dyn Clock>,
    /// Held for map operations, never across an await: the tasks of all events report to it.
    breaker: Mutex<CircuitBreaker>,
    /// Held for arithmetic, never across an await: the loop asks it, and the tasks of all events report to it.
    pace: Mutex<Pace>,
    /// What the instants of `pace` count from. Real time: it is about the network, not about events.
    started: Instant,
    /// When rows are to be removed next, in milliseconds of elapsed time.
    prune_at: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerSettings {
    /// Most events asked about at the same time.
    pub(crate) concurrency: u32,
    pub(crate) runner: RunnerSettings,
    /// How long settled rows are kept: far beyond the vendor's own retries, which end after half an hour.
    pub(crate) retention: Duration,
    /// How long dead events keep their token for a replay: longer than the vendor honours it.
    pub(crate) token_retention: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            // At 300 ms an answer it lets a thousand calls a second through.
            concurrency: 256,
            // Renewed every three seconds: the events of a process that died are taken up within fifteen.
            runner: RunnerSettings { lease: Duration::from_secs(10), sweep: Duration::from_secs(2) },
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            token_retention: Duration::from_secs(60 * 60),
        }
    }
}

impl Worker {
    pub(crate) fn new(
        inbox: Arc<Inbox>,
        applier: Arc<Applier>,
        clock: Arc<dyn Clock>,
        settings: WorkerSettings,
    ) -> Self {
        let pace = Mutex::new(Pace::new(settings.concurrency));
        let (breaker, prune_at) = (Mutex::default(), AtomicU64::new(0));
        Self { inbox, applier, settings, clock, breaker, pace, started: Instant::now(), prune_at }
    }

    /// Removes what is past keeping, and says when to look again.
    async fn prune(&self, now: Timestamp) -> Duration {
        let prune = Prune {
            now,
            settled_before: now.before(self.settings.retention),
            tokens_before: now.before(self.settings.token_retention),
            confirmed_before: now.before(CONFIRMATION_RETENTION),
        };
        let mut again = PRUNE_EVERY;
        match self.applier.directory.store().prune(prune).await {
            Ok(0) => {}
            Ok(_) => again = self.settings.runner.sweep,
            Err(error) => tracing::warn!(error.kind = ?error.kind(), error.cause = %error.cause(), "prune failed"),
        }
        self.measure(now).await;
        again
    }

    async fn measure(&self, now: Timestamp) {
        let age = |oldest: Option<Timestamp>| oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)).as_secs_f64();
        let Ok(counts) = self.applier.directory.store().counts().await else { return };
        let inbox = counts.inbox;
        let states = [inbox.pending, inbox.done, inbox.dead, inbox.ignored];
        for (state, count) in EventState::ALL.into_iter().zip(states) {
            metrics::gauge!("incode_inbox_events", "state" => state.as_str()).set(count as f64);
        }
        metrics::gauge!("incode_inbox_oldest_seconds").set(age(inbox.oldest_pending));
        for (state, count) in [(JobState::Pending, counts.jobs.pending), (JobState::Dead, counts.jobs.dead)] {
            metrics::gauge!("incode_handler_jobs", "state" => state.as_str()).set(count as f64);
        }
        metrics::gauge!("incode_handler_oldest_seconds").set(age(counts.jobs.oldest_pending));
    }

    fn breaker(&self) -> MutexGuard<'_, CircuitBreaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed_millis(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What to write of an event at which the program panicked.
    async fn after_panic(&self, event: &ClaimedEvent) -> Settlement {
        tracing::error!(event.id = event.lease.event.0, "applying an event panicked");
        let now = self.applier.directory.now().await.unwrap_or(event.received_at);
        if event.attempts >= MOST_PANICS {
            return Settlement::Dead { reason: Reason::Other, wipe_token: false, at: now };
        }
        Settlement::Retry { due_at: now.after(wait_after(event.attempts, jitter())), reason: Reason::Other }
    }
}

impl Work for Worker {
    type Item = ClaimedEvent;
    type Verdict = Verdict;
    type Settlement = Settlement;
    type Settled = Option<(Outcome, Option<Change>)>;
    type Object = (EventKind, ObjectId);

    fn wakeup(&self) -> &Notify {
        &self.inbox.wakeup
    }

    fn capacity(&self, under_way: u32) -> (Duration, u32) {
        let now = self.clock.elapsed();
        let (left, most) = {
            let breaker = self.breaker();
            (breaker.left(now), breaker.room(now, self.settings.concurrency))
        };
        let (wait, room) = self.pace().room(self.started.elapsed(), under_way);
        (left.max(wait), room.min(most.saturating_sub(under_way)))
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        // A step of the loop: calls that end by their deadlines, one after the other, are no silence.
        self.inbox.alive();
        self.applier.directory.now().await
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, (Vec<ClaimedEvent>, Option<Timestamp>)> {
        Box::pin(async move {
            let claimed = self.applier.directory.store().claim(claim).await?;
            self.inbox.claimed();
            self.pace().took(claimed.events.len());
            Ok((claimed.events, claimed.next_due))
        })
    }

    fn renew(&self, events: Vec<ClaimedEvent>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        let leases = events.into_iter().map(|event| event.lease).collect();
        self.applier.directory.store().renew(leases, lease_until)
    }

    fn object(event: &ClaimedEvent) -> (EventKind, ObjectId) {
        (event.kind.clone(), event.object_id.clone())
    }

    async fn run(&self, event: ClaimedEvent) -> Verdict {
        let begun = self.started.elapsed();
        let mut verdict = self.applier.judge(&event).await;
        if verdict.signal == VendorSignal::KeyRefused && self.applier.takes_key().await {
            verdict.signal = VendorSignal::TokenRefused;
        }
        let now = self.started.elapsed();
        match verdict.signal {
            VendorSignal::Answered => self.pace().answered(now, begun),
            VendorSignal::Busy | VendorSignal::Down => self.pace().refused(now, begun),
            VendorSignal::KeyRefused | VendorSignal::TokenRefused | VendorSignal::Unknown => {}
        }
        verdict
    }

    async fn on_finished(&self, event: &ClaimedEvent, verdict: Option<Verdict>) -> Settlement {
        let Some(verdict) = verdict else { return self.after_panic(event).await };
        let id = event.lease.event;
        let is_refused = matches!(verdict.signal, VendorSignal::KeyRefused | VendorSignal::TokenRefused);
        let is_its_own_trouble = is_refused && self.breaker().is_its_own_trouble(id);
        if is_its_own_trouble {
            let settlement = self.applier.refuse_alone(event).await;
            if matches!(settlement, Settlement::Dead { .. }) {
                self.breaker().forget(id);
            }
            return settlement;
        }
        self.breaker().record(self.clock.elapsed(), id, verdict.signal);
        verdict.settlement
    }

    fn release(due_at: Timestamp) -> Settlement {
        Settlement::Release { due_at, reason: None }
    }

    async fn settle(
        &self,
        event: &ClaimedEvent,
        settlement: Settlement,
    ) -> Result<Option<Option<(Outcome, Option<Change>)>>, StoreError> {
        Ok(match self.applier.directory.settle(event.lease, settlement).await? {
            Settled::Written(applied) => Some(applied),
            Settled::LeaseLost => None,
        })
    }

    fn settled(&self, event: &ClaimedEvent, settlement: &Settlement, applied: Option<(Outcome, Option<Change>)>) {
        if let (Settlement::Done { apply: Some(request), .. }, Some((outcome, _))) = (settlement, &applied)
            && let Command::ApplyEvent(apply) = &request.command
            && let Some(link) = &apply.link
        {
            linking::settled(event, link.proof, outcome);
        }
        let is_applied = applied.is_some_and(|(outcome, _)| outcome != Outcome::Dropped);
        self.applier.watchers.settled(event.lease.event, settlement, is_applied);
        if matches!(settlement, Settlement::Done { .. } | Settlement::Dead { .. }) {
            self.applier.late.forget(event.lease.event);
        }
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

    async fn maintain(&self) {
        self.inbox.alive();
        if !self.breaker().left(self.clock.elapsed()).is_zero() {
            // Paused because of the vendor: alive all the same, and deliveries are kept.
            self.inbox.claimed();
        }
        if self.elapsed_millis() < self.prune_at.load(Ordering::Relaxed) {
            return;
        }
        // A store that gives no time is asked again at the next sweep.
        let Ok(now) = self.applier.directory.now().await else { return };
        let again = self.prune(now).await;
        let again = u64::try_from(again.as_millis()).unwrap_or(u64::MAX);
        self.prune_at.store(self.elapsed_millis().saturating_add(again), Ordering::Relaxed);
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

/// An event at which the program panics this often is left to people.
const MOST_PANICS: u32 = 10;
/// How often old rows are removed when there are none.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// How long face confirmations are kept: longer than any sensible requirement of a recent face.
const CONFIRMATION_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
