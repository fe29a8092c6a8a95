//! The loop behind the worker and behind every handler: claim under a lease, run at most so many at a time, settle,
//! renew the leases of what takes longer, and give back what is left at the end.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};

use crate::Timestamp;
use crate::store::{Claim, StoreError, StoreFuture};
use crate::time::jitter;

/// One kind of rows that are claimed, worked on and settled.
pub(crate) trait Work: Send + Sync + 'static {
    /// A row under lease.
    type Item: Clone + Send + Sync + 'static;
    /// What working on it came to.
    type Verdict: Send + 'static;
    /// What is written of it.
    type Settlement: Clone + Send + Sync + 'static;
    /// What the store answers when it is written.
    type Settled: Send + 'static;
    /// What a row is about: one row of an object is worked on at a time.
    type Object: Eq + std::hash::Hash + Send;

    /// Notified when there is something new. A notice that is lost costs one sweep, not the row.
    fn wakeup(&self) -> &Notify;

    /// How long nothing shall be claimed, and how many rows may be claimed where that is no time at all.
    fn capacity(&self, under_way: u32) -> (Duration, u32);

    /// The present, by which leases and waits are compared.
    fn now(&self) -> impl Future<Output = Result<Timestamp, StoreError>> + Send;

    /// Claims what is due. The second value is when the next row is due.
    fn claim(&self, claim: Claim) -> StoreFuture<'_, (Vec<Self::Item>, Option<Timestamp>)>;

    /// Extends the leases of these rows.
    fn renew(&self, items: Vec<Self::Item>, lease_until: Timestamp) -> StoreFuture<'_, ()>;

    /// What the row is about.
    fn object(item: &Self::Item) -> Self::Object;

    /// Works on a row.
    fn run(&self, item: Self::Item) -> impl Future<Output = Self::Verdict> + Send;

    /// What to write. `None` for the verdict means that the work panicked.
    fn on_finished(
        &self,
        item: &Self::Item,
        verdict: Option<Self::Verdict>,
    ) -> impl Future<Output = Self::Settlement> + Send;

    /// What to write of a row that is given back.
    fn release(due_at: Timestamp) -> Self::Settlement;

    /// Writes it. `Ok(None)` when another holder has the lease.
    fn settle(
        &self,
        item: &Self::Item,
        settlement: Self::Settlement,
    ) -> impl Future<Output = Result<Option<Self::Settled>, StoreError>> + Send;

    /// It was written.
    fn settled(&self, item: &Self::Item, settlement: &Self::Settlement, settled: Self::Settled);

    /// The row's number, for the log.
    fn number(item: &Self::Item) -> i64;

    /// Upkeep: called often, does what is due.
    fn maintain(&self) -> impl Future<Output = ()> + Send;
}

pub(crate) struct Runner<W> {
    /// Shared with the tasks of the rows under way.
    pub(crate) work: Arc<W>,
    pub(crate) settings: RunnerSettings,
    /// Turns true once, when the runner shall finish what it has and stop.
    pub(crate) stop: watch::Receiver<bool>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RunnerSettings {
    /// How long a claim holds unless it is renewed. The rows of a process that died are taken up by another when it ends.
    pub(crate) lease: Duration,
    /// How often rows are looked for without a notice.
    pub(crate) sweep: Duration,
}

/// The rows under way, with what is needed to settle one whose task died.
struct UnderWay<W: Work> {
    tasks: JoinSet<()>,
    items: HashMap<Id, W::Item>,
    /// How often was claimed: each fourth claim takes the newest.
    claims: u32,
    /// When the leases are renewed next.
    renew_at: tokio::time::Instant,
}

impl<W: Work> Runner<W> {
    pub(crate) async fn run(mut self) {
        let renew_at = tokio::time::Instant::now() + self.settings.lease / 3;
        let mut under_way = UnderWay { tasks: JoinSet::new(), items: HashMap::new(), claims: 0, renew_at };
        while !*self.stop.borrow_and_update() {
            self.work.maintain().await;
            let (pause, room) = self.work.capacity(under_way.count());
            let wait = if pause.is_zero() { self.claim(room, &mut under_way).await } else { pause };
            tokio::select! {
                () = self.work.wakeup().notified(), if pause.is_zero() && room > 0 => {}
                Some(ended) = under_way.tasks.join_next_with_id(), if !under_way.tasks.is_empty() => {
                    self.ended(ended, &mut under_way);
                }
                () = tokio::time::sleep(wait) => {}
                () = tokio::time::sleep_until(under_way.renew_at) => self.renew(&mut under_way).await,
                // An error means that every handle was dropped: the same as being stopped.
                stopped = self.stop.changed() => if stopped.is_err() { break },
            }
        }
        self.drain(under_way).await;
    }

    /// Starts what is due, and says how long to wait when nothing else happens.
    async fn claim(&self, room: u32, under_way: &mut UnderWay<W>) -> Duration {
        if room == 0 {
            return self.settings.sweep;
        }
        under_way.claims = under_way.claims.wrapping_add(1);
        let newest_first = under_way.claims.is_multiple_of(NEWEST_EVERY);
        let claimed = async {
            let now = self.work.now().await?;
            let claim = Claim { now, lease_until: now.after(self.settings.lease), limit: room, newest_first };
            self.work.claim(claim).await.map(|(items, next_due)| (now, items, next_due))
        };
        let (now, items, next_due) = match claimed.await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(error.kind = ?error.kind(), error.cause = %error.cause(), "claim failed");
                return self.settings.sweep;
            }
        };
        let mut busy: HashSet<_> = under_way.items.values().map(W::object).collect();
        // One row of an object at a time: a flood of forged events costs one request, not the whole worker.
        let (free, others): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| busy.insert(W::object(item)));
        for item in free {
            self.start(item, under_way);
        }
        for item in others {
            let later = W::release(now.after(NEXT_OF_OBJECT.mul_f64(0.5 + jitter())));
            self.settle(item, later, under_way);
        }
        next_due.map_or(self.settings.sweep, |due| due.since(now).clamp(MIN_WAIT, self.settings.sweep))
    }

    fn start(&self, item: W::Item, under_way: &mut UnderWay<W>) {
        let (work, of_task) = (Arc::clone(&self.work), item.clone());
        let mut stop = self.stop.clone();
        let handle = under_way.tasks.spawn(async move {
            let verdict = work.run(of_task.clone()).await;
            let settlement = work.on_finished(&of_task, Some(verdict)).await;
            settle_until_written(&*work, &of_task, settlement, &mut stop).await;
        });
        under_way.items.insert(handle.id(), item);
    }

    /// Settles on a task of its own, so that a store that does not answer holds up no other row.
    fn settle(&self, item: W::Item, settlement: W::Settlement, under_way: &mut UnderWay<W>) {
        let (work, of_task) = (Arc::clone(&self.work), item.clone());
        let mut stop = self.stop.clone();
        let handle = under_way.tasks.spawn(async move {
            settle_until_written(&*work, &of_task, settlement, &mut stop).await;
        });
        under_way.items.insert(handle.id(), item);
    }

    fn ended(&self, ended: Result<(Id, ()), JoinError>, under_way: &mut UnderWay<W>) {
        match ended {
            Ok((id, ())) => drop(under_way.items.remove(&id)),
            Err(error) => {
                let Some(item) = under_way.items.remove(&error.id()).filter(|_| error.is_panic()) else { return };
                let (work, of_task) = (Arc::clone(&self.work), item.clone());
                let mut stop = self.stop.clone();
                let handle = under_way.tasks.spawn(async move {
                    let settlement = work.on_finished(&of_task, None).await;
                    settle_until_written(&*work, &of_task, settlement, &mut stop).await;
                });
                under_way.items.insert(handle.id(), item);
            }
        }
    }

    /// The sign of life of this process: as long as it comes, no other takes its rows.
    async fn renew(&self, under_way: &mut UnderWay<W>) {
        under_way.renew_at = tokio::time::Instant::now() + self.settings.lease / 3;
        let items: Vec<_> = under_way.items.values().cloned().collect();
        if items.is_empty() {
            return;
        }
        let renewed = async {
            let now = self.work.now().await?;
            self.work.renew(items, now.after(self.settings.lease)).await
        };
        if let Err(error) = renewed.await {
            tracing::warn!(error.kind = ?error.kind(), error.cause = %error.cause(), "leases not renewed");
        }
    }

    /// Lets what is under way finish within the drain time, and gives the leases of the rest back.
    async fn drain(self, mut under_way: UnderWay<W>) {
        let all = async {
            while let Some(ended) = under_way.tasks.join_next_with_id().await {
                self.ended(ended, &mut under_way);
            }
        };
        let _ = tokio::time::timeout(DRAIN, all).await;
        under_way.tasks.abort_all();
        let left: Vec<_> = under_way.items.into_values().collect();
        if left.is_empty() {
            return;
        }
        let Ok(now) = self.work.now().await else { return };
        let give_back = left.iter().map(|item| self.work.settle(item, W::release(now)));
        futures_util::future::join_all(give_back).await;
    }
}

impl<W: Work> UnderWay<W> {
    fn count(&self) -> u32 {
        u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)
    }
}

/// Tries until the store has it, or another holder has the lease. A store that restarts for a few seconds must not leave
/// a revocation unwritten until the lease ends.
async fn settle_until_written<W: Work>(
    work: &W,
    item: &W::Item,
    settlement: W::Settlement,
    stop: &mut watch::Receiver<bool>,
) {
    let mut wait = SETTLE_WAIT;
    loop {
        match work.settle(item, settlement.clone()).await {
            Ok(Some(settled)) => return work.settled(item, &settlement, settled),
            Ok(None) => {
                tracing::warn!(row.id = W::number(item), "lease lost");
                return;
            }
            Err(error) => tracing::warn!(
                row.id = W::number(item),
                error.kind = ?error.kind(),
                error.cause = %error.cause(),
                "not settled, trying again"
            ),
        }
        tokio::select! {
            () = tokio::time::sleep(wait.mul_f64(0.5 + 0.5 * jitter())) => wait = (wait * 2).min(LONGEST_SETTLE_WAIT),
            // At shutdown one more try, and the lease ends by itself.
            () = stopped(stop) => {
                let last = work.settle(item, settlement.clone()).await;
                if let Ok(Some(settled)) = last {
                    work.settled(item, &settlement, settled);
                }
                return;
            }
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that every handle was dropped: the same as being stopped.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// How long, about, a row waits for another of the same object.
const NEXT_OF_OBJECT: Duration = Duration::from_millis(200);
/// A backlog is worked off from its old end, but for each fourth claim: an event that comes now would otherwise wait for
/// all of it, while its token ages.
const NEWEST_EVERY: u32 = 4;
/// No busy loop when a row is due this very millisecond.
const MIN_WAIT: Duration = Duration::from_millis(5);
/// How long a shutdown waits for what is under way.
const DRAIN: Duration = Duration::from_secs(10);
/// First and longest wait between two tries to settle: a revocation is written within half a second of the store's
/// return.
const SETTLE_WAIT: Duration = Duration::from_millis(50);
const LONGEST_SETTLE_WAIT: Duration = Duration::from_millis(500);
