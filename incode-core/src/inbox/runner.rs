//! The loop behind the worker and behind every handler: claim under a lease, run at most so many at a time, settle,
//! and give back what is left at the end.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};

use crate::identity::Change;
use crate::model::EventKind;
use crate::store::{Claim, Settled, StoreError, StoreFuture};
use crate::{Clock, ObjectId, Timestamp};

use super::schedule::jitter;

/// One kind of rows that are claimed, worked on and settled.
pub(crate) trait Work: Send + Sync + 'static {
    /// A row under lease.
    type Item: Clone + Send + Sync + 'static;
    /// What working on it came to.
    type Verdict: Send + 'static;
    /// What is written of it.
    type Settlement: Clone + Send + Sync;

    /// Rung when there is something new. A ring that is lost costs one sweep, not the row.
    fn wakeup(&self) -> &Notify;

    /// How long nothing shall be claimed, and how many rows may be under way when something is.
    fn capacity(&self) -> (Duration, u32);

    /// Claims what is due.
    fn claim(&self, claim: Claim) -> StoreFuture<'_, Vec<Self::Item>>;

    /// When the next row is due.
    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>>;

    /// What the row is about: one row of an object is worked on at a time.
    fn object(item: &Self::Item) -> (EventKind, ObjectId);

    /// Works on a row, on a task of its own.
    fn run_item(&self, item: Self::Item) -> Pin<Box<dyn Future<Output = Self::Verdict> + Send>>;

    /// What to write; no verdict means that the work panicked.
    fn on_finished(&mut self, item: &Self::Item, verdict: Option<Self::Verdict>) -> Self::Settlement;

    /// What to write of a row that is given back.
    fn release(due_at: Timestamp) -> Self::Settlement;

    /// Writes it.
    fn settle(&self, item: &Self::Item, settlement: Self::Settlement) -> StoreFuture<'_, Settled>;

    /// It was written, with the change it made if it made one.
    fn settled(&self, item: &Self::Item, settlement: &Self::Settlement, change: Option<Change>);

    /// The row's number, for the log.
    fn number(item: &Self::Item) -> i64;

    /// Upkeep: called often, does what is due.
    fn maintain(&mut self) -> impl Future<Output = ()> + Send;
}

pub(crate) struct Runner<W> {
    pub(crate) work: W,
    /// One that is never set back: leases and waits go by it.
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: RunnerSettings,
    /// Turns true once, when the runner shall finish what it has and stop.
    pub(crate) stop: watch::Receiver<bool>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RunnerSettings {
    /// How long a claim holds. Longer than the work may take, so that it ends only when the process that made it is
    /// gone.
    pub(crate) lease: Duration,
    /// How often rows are looked for that nobody rang the wakeup for.
    pub(crate) sweep: Duration,
}

type Finished<W> = Result<(Id, <W as Work>::Verdict), JoinError>;

/// The rows under way, with what is needed to settle one whose task died.
struct UnderWay<W: Work> {
    tasks: JoinSet<W::Verdict>,
    items: HashMap<Id, W::Item>,
    /// How often was claimed: now and then it is the turn of the newest.
    claims: u32,
}

impl<W: Work> Runner<W> {
    pub(crate) async fn run(mut self) {
        let mut under_way = UnderWay { tasks: JoinSet::new(), items: HashMap::new(), claims: 0 };
        while !*self.stop.borrow_and_update() {
            self.work.maintain().await;
            let (pause, most) = self.work.capacity();
            let room = if pause.is_zero() { most.saturating_sub(under_way.count()) } else { 0 };
            let wait = self.claim(room, &mut under_way).await.max(pause);
            tokio::select! {
                () = self.work.wakeup().notified(), if room > 0 => {}
                Some(first) = under_way.tasks.join_next_with_id(), if !under_way.tasks.is_empty() => {
                    self.finish(first, &mut under_way).await;
                }
                () = tokio::time::sleep(wait) => {}
                // An error means that every handle was dropped: the same as being told.
                told = self.stop.changed() => if told.is_err() { break },
            }
        }
        self.drain(under_way).await;
    }

    /// Starts what is due, and says how long to wait when nothing else happens.
    async fn claim(&self, room: u32, under_way: &mut UnderWay<W>) -> Duration {
        if room == 0 {
            return self.settings.sweep;
        }
        let now = self.clock.now();
        under_way.claims = under_way.claims.wrapping_add(1);
        let newest_first = under_way.claims.is_multiple_of(NEWEST_EVERY);
        let claim = Claim { now, lease_until: now.after(self.settings.lease), limit: room, newest_first };
        let claimed = match self.work.claim(claim).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(error.kind = ?error.kind(), "claim failed");
                return self.settings.sweep;
            }
        };
        let mut busy: HashSet<_> = under_way.items.values().map(W::object).collect();
        // One row of an object at a time: a flood of forged events costs one request, not the whole worker.
        let (free, others): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|item| busy.insert(W::object(item)));
        for item in free {
            let handle = under_way.tasks.spawn(self.work.run_item(item.clone()));
            under_way.items.insert(handle.id(), item);
        }
        let later = || W::release(now.after(NEXT_OF_OBJECT.mul_f64(0.5 + jitter())));
        self.settle_all(others.into_iter().map(|item| (item, later())).collect()).await;
        let due = self.work.next_due().await.ok().flatten();
        due.map_or(self.settings.sweep, |due| due.since(self.clock.now()).clamp(MIN_WAIT, self.settings.sweep))
    }

    /// Settles the rows that were worked on by now, or whose work panicked.
    async fn finish(&mut self, first: Finished<W>, under_way: &mut UnderWay<W>) {
        let mut settlements = Vec::new();
        let mut next = Some(first);
        while let Some(finished) = next {
            let (id, verdict) = match finished {
                Ok((id, verdict)) => (id, Some(verdict)),
                Err(error) => (error.id(), None),
            };
            if let Some(item) = under_way.items.remove(&id) {
                let settlement = self.work.on_finished(&item, verdict);
                settlements.push((item, settlement));
            }
            next = under_way.tasks.try_join_next_with_id();
        }
        self.settle_all(settlements).await;
    }

    /// All at once, so that a store that commits in groups does so with these.
    async fn settle_all(&self, settlements: Vec<(W::Item, W::Settlement)>) {
        join_all(settlements.iter().map(|(item, settlement)| self.settle(item, settlement.clone()))).await;
    }

    async fn settle(&self, item: &W::Item, settlement: W::Settlement) {
        match retry_store(|| self.work.settle(item, settlement.clone())).await {
            Ok(Settled::Written(change)) => self.work.settled(item, &settlement, change),
            Ok(Settled::LeaseLost) => tracing::warn!(row.id = W::number(item), "lease lost"),
            // The lease ends by itself, and the row is taken up again.
            Err(error) => tracing::warn!(row.id = W::number(item), error.kind = ?error.kind(), "not settled"),
        }
    }

    /// Lets what is under way finish within the drain time, and gives the leases of the rest back.
    async fn drain(mut self, mut under_way: UnderWay<W>) {
        let all = async {
            while let Some(first) = under_way.tasks.join_next_with_id().await {
                self.finish(first, &mut under_way).await;
            }
        };
        let _ = tokio::time::timeout(DRAIN, all).await;
        under_way.tasks.abort_all();
        let now = self.clock.now();
        self.settle_all(under_way.items.into_values().map(|item| (item, W::release(now))).collect()).await;
    }
}

impl<W: Work> UnderWay<W> {
    fn count(&self) -> u32 {
        u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)
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

/// How long, about, a row waits for another of the same object.
const NEXT_OF_OBJECT: Duration = Duration::from_millis(200);
/// A backlog is worked off from its old end, but for each fourth claim: who comes now would otherwise wait for all of it,
/// while a token ages.
const NEWEST_EVERY: u32 = 4;
const MIN_WAIT: Duration = Duration::from_millis(5);
const DRAIN: Duration = Duration::from_secs(10);
