use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use crate::model::EventKind;
use crate::store::{Claim, ClaimedEvent, EventState, Prune, Settled, Settlement, StoreError};
use crate::{ObjectId, Timestamp};

use super::apply::{Key, Verdict};
use super::schedule::{jitter, wait_after};
use super::{Applier, Inbox};

/// Takes pending events, asks the vendor, applies the answer; one per process and store.
pub(crate) struct Worker {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) applier: Arc<Applier>,
    pub(crate) settings: WorkerSettings,
    /// Turns true once, when the worker shall finish what it has and stop.
    pub(crate) stop: watch::Receiver<bool>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerSettings {
    /// Events asked about at the same time.
    pub(crate) concurrency: u32,
    /// How long a claim holds. Longer than the client needs with all its retries, so that it ends only when the
    /// process that made it is gone.
    pub(crate) lease: Duration,
    /// How often rows are looked for that nobody rang the bell for.
    pub(crate) sweep: Duration,
    /// How long settled events are kept: far beyond the vendor's own retries, which end after half an hour.
    pub(crate) retention: Duration,
    /// How long dead events keep their token for a replay: longer than the vendor honours it.
    pub(crate) token_retention: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 16,
            lease: Duration::from_secs(120),
            sweep: Duration::from_secs(5),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            token_retention: Duration::from_secs(60 * 60),
        }
    }
}

/// The events under way, with what is needed to settle one whose task died.
type Running = JoinSet<Verdict>;
type Claims = HashMap<Id, ClaimedEvent>;

impl Worker {
    pub(crate) async fn run(mut self) {
        let mut running = Running::new();
        let mut claims = Claims::new();
        let mut pause = Pause::default();
        let mut prune_at = Duration::ZERO;
        while !*self.stop.borrow_and_update() {
            let now = self.now();
            if self.elapsed() >= prune_at {
                prune_at = self.elapsed() + self.prune(now).await;
            }
            let room = pause.room(self.elapsed(), self.settings.concurrency).saturating_sub(count(&running));
            let wait = self.claim(room, &mut running, &mut claims).await.max(pause.left(self.elapsed()));
            tokio::select! {
                () = self.inbox.bell.notified(), if room > 0 => {}
                Some(finished) = running.join_next_with_id(), if !running.is_empty() => {
                    self.finish(finished, &mut claims, &mut pause).await;
                }
                () = tokio::time::sleep(wait) => {}
                // An error means that every handle was dropped: the same as being told.
                told = self.stop.changed() => if told.is_err() { break },
            }
        }
        self.drain(running, claims, pause).await;
    }

    /// Starts what is due, and says how long to wait when nothing else happens.
    async fn claim(&self, room: u32, running: &mut Running, claims: &mut Claims) -> Duration {
        if room == 0 {
            return self.settings.sweep;
        }
        let now = self.applier.schedule.now();
        let claim = Claim { now, lease_until: now.after(self.settings.lease), limit: room };
        let claimed = match self.applier.store.claim(claim).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(error.kind = ?error.kind(), "claim failed");
                return self.settings.sweep;
            }
        };
        let mut busy: HashSet<_> = claims.values().map(object).collect();
        for event in claimed {
            // One event of an object at a time: a flood of forged ones costs one request, not the whole worker.
            if !busy.insert(object(&event)) {
                let due_at = now.after(NEXT_OF_OBJECT.mul_f64(0.5 + jitter()));
                self.settle(&event, Settlement::Release { due_at, reason: None }).await;
                continue;
            }
            let applier = Arc::clone(&self.applier);
            let work = event.clone();
            let handle = running.spawn(async move { applier.judge(&work).await });
            claims.insert(handle.id(), event);
        }
        let due = self.applier.store.next_due().await.ok().flatten();
        due.map_or(self.settings.sweep, |due| {
            due.since(self.applier.schedule.now()).clamp(MIN_WAIT, self.settings.sweep)
        })
    }

    /// Settles one event that was judged, or whose judging panicked.
    async fn finish(&self, finished: Result<(Id, Verdict), JoinError>, claims: &mut Claims, pause: &mut Pause) {
        let (id, verdict) = match finished {
            Ok((id, verdict)) => (id, Some(verdict)),
            Err(error) => (error.id(), None),
        };
        let Some(event) = claims.remove(&id) else { return };
        let settlement = match verdict {
            Some(verdict) => {
                match verdict.key {
                    Key::Refused => pause.refused(self.elapsed()),
                    Key::Accepted => pause.accepted(),
                    Key::Untold => {}
                }
                verdict.settlement
            }
            None => {
                tracing::error!(event.id = event.lease.event.0, "applying an event panicked");
                Settlement::Retry {
                    due_at: self.applier.schedule.now().after(wait_after(event.attempts, jitter())),
                    reason: crate::store::Reason::Other,
                }
            }
        };
        self.settle(&event, settlement).await;
    }

    async fn settle(&self, event: &ClaimedEvent, settlement: Settlement) {
        let (outcome, reason) = describe(&settlement);
        let settled = retry_store(|| self.applier.store.settle(event.lease, settlement.clone())).await;
        match settled {
            Ok(Settled::Written(change)) => {
                if let Some(change) = &change {
                    self.applier.surroundings.changed(change);
                }
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
            Ok(Settled::LeaseLost) => tracing::warn!(event.id = event.lease.event.0, "lease lost"),
            // The lease ends by itself, and the event is taken up again.
            Err(error) => tracing::warn!(event.id = event.lease.event.0, error.kind = ?error.kind(), "not settled"),
        }
    }

    /// Lets what is under way finish within the drain time, and gives the leases of the rest back.
    async fn drain(self, mut running: Running, mut claims: Claims, mut pause: Pause) {
        let all = async {
            while let Some(finished) = running.join_next_with_id().await {
                self.finish(finished, &mut claims, &mut pause).await;
            }
        };
        let _ = tokio::time::timeout(DRAIN, all).await;
        running.abort_all();
        let now = self.applier.schedule.now();
        for event in claims.into_values() {
            self.settle(&event, Settlement::Release { due_at: now, reason: None }).await;
        }
    }

    /// Removes what is past keeping, and says when to look again.
    async fn prune(&self, now: Timestamp) -> Duration {
        let prune = Prune {
            now,
            settled_before: now.before(self.settings.retention),
            tokens_before: now.before(self.settings.token_retention),
        };
        let mut again = PRUNE_EVERY;
        match self.applier.store.prune(prune).await {
            Ok(0) => {}
            Ok(_) => again = self.settings.sweep,
            Err(error) => tracing::warn!(error.kind = ?error.kind(), "prune failed"),
        }
        if let Ok(counts) = self.applier.store.counts().await {
            let states = [counts.pending, counts.done, counts.dead, counts.ignored];
            for (state, count) in EventState::ALL.into_iter().zip(states) {
                metrics::gauge!("incode_inbox_events", "state" => state.as_str()).set(count as f64);
            }
            let oldest = counts.oldest_pending.map_or(Duration::ZERO, |oldest| now.since(oldest));
            metrics::gauge!("incode_inbox_oldest_seconds").set(oldest.as_secs_f64());
        }
        again
    }

    fn now(&self) -> Timestamp {
        self.applier.clock.now()
    }

    fn elapsed(&self) -> Duration {
        self.applier.clock.elapsed()
    }
}

/// While the vendor refuses the API key nothing is claimed, and now and then one event goes ahead to find out whether
/// the key works again. Every event is kept.
#[derive(Debug, Default)]
pub(super) struct Pause {
    until: Option<Duration>,
    refusals: u32,
}

impl Pause {
    pub(super) fn room(&self, now: Duration, concurrency: u32) -> u32 {
        match self.until {
            None => concurrency,
            Some(until) if now >= until => 1,
            Some(_) => 0,
        }
    }

    pub(super) fn left(&self, now: Duration) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_sub(now))
    }

    pub(super) fn refused(&mut self, now: Duration) {
        match self.until {
            None => tracing::error!("the vendor refuses the API key: applying events is paused, all are kept"),
            // Events that were asked about together are refused together: only the first tells something new.
            Some(until) if now < until => return,
            Some(_) => {}
        }
        metrics::gauge!("incode_worker_paused").set(1.0);
        let wait = FIRST_PAUSE * 2_u32.saturating_pow(self.refusals.min(6));
        self.until = Some(now + wait.min(LONGEST_PAUSE));
        self.refusals += 1;
    }

    pub(super) fn accepted(&mut self) {
        if self.until.take().is_some() {
            self.refusals = 0;
            metrics::gauge!("incode_worker_paused").set(0.0);
            tracing::info!("the vendor takes the API key again: applying events goes on");
        }
    }
}

fn object(event: &ClaimedEvent) -> (EventKind, ObjectId) {
    (event.kind.clone(), event.object_id.clone())
}

fn describe(settlement: &Settlement) -> (&'static str, &'static str) {
    match settlement {
        Settlement::Done { .. } => ("done", ""),
        Settlement::Retry { reason, .. } => ("retry", reason.as_str()),
        Settlement::Release { reason, .. } => ("release", reason.map_or("", |reason| reason.as_str())),
        Settlement::Dead { reason, .. } => ("dead", reason.as_str()),
    }
}

/// A store that stumbles gets a second and a third call before the lease is left to end.
async fn retry_store<F: Future<Output = Result<Settled, StoreError>>>(
    mut call: impl FnMut() -> F,
) -> Result<Settled, StoreError> {
    for wait in [Duration::from_millis(50), Duration::from_millis(500)] {
        match call().await {
            Ok(settled) => return Ok(settled),
            Err(_) => tokio::time::sleep(wait).await,
        }
    }
    call().await
}

fn count(running: &Running) -> u32 {
    u32::try_from(running.len()).unwrap_or(u32::MAX)
}

/// How long, about, an event waits for another of the same object.
const NEXT_OF_OBJECT: Duration = Duration::from_millis(200);
const MIN_WAIT: Duration = Duration::from_millis(5);
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
const DRAIN: Duration = Duration::from_secs(10);
const PRUNE_EVERY: Duration = Duration::from_secs(60);
