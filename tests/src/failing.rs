use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use incode_core::identity::{Change, Identity, LinkedIdentity, Observation, RetainedField};
use incode_core::store::{
    Accepted, Audit, AuditId, Claim, ClaimedEvent, EventDetail, EventFilter, EventId, EventRow, InboxCounts, JobStore,
    Lease, Linked, MemoryStore, NewEvent, NewLink, Prune, Replay, Settled, Settlement, Store, StoreError,
    StoreErrorKind, StoreFeed, StoreFuture, StoreNotice,
};
use incode_core::{Actor, IdentityId, ObjectId, Subject, Timestamp};
use tokio::sync::mpsc;

/// A memory store that fails, or takes its time, while its [`Switch`] says so.
#[derive(Debug, Default)]
pub struct FailingStore {
    kept: MemoryStore,
    switch: Switch,
    told: Mutex<Option<mpsc::UnboundedReceiver<StoreNotice>>>,
}

/// Breaks and mends a [`FailingStore`], and counts what it was asked.
#[derive(Clone, Debug, Default)]
pub struct Switch {
    down: Arc<AtomicBool>,
    lookups: Arc<AtomicU64>,
    delay_millis: Arc<AtomicU64>,
}

impl Switch {
    /// Every call fails from now on.
    pub fn fail(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    /// Calls work again.
    pub fn mend(&self) {
        self.down.store(false, Ordering::SeqCst);
    }

    /// Every call takes so long from now on.
    pub fn delay(&self, delay: Duration) {
        self.delay_millis.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// How many standings were looked up so far.
    pub fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::SeqCst)
    }
}

impl FailingStore {
    /// A store with its switch.
    pub fn new() -> (Self, Switch) {
        let store = Self::default();
        let switch = store.switch.clone();
        (store, switch)
    }

    /// A store that others seem to share: what the sender is given is the news of its feed.
    pub fn shared() -> (Self, Switch, mpsc::UnboundedSender<StoreNotice>) {
        let (news, told) = mpsc::unbounded_channel();
        let (mut store, switch) = Self::new();
        store.told = Mutex::new(Some(told));
        (store, switch, news)
    }

    fn or<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&'a MemoryStore) -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        if self.switch.down.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::new(StoreErrorKind::Unavailable)) });
        }
        let delay = self.switch.delay_millis.load(Ordering::SeqCst);
        if delay > 0 {
            return Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                work(&self.kept).await
            });
        }
        work(&self.kept)
    }
}

impl Store for FailingStore {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        self.or(move |kept| kept.accept(event))
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Vec<ClaimedEvent>> {
        self.or(move |kept| kept.claim(claim))
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.or(move |kept| kept.next_due())
    }

    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled> {
        self.or(move |kept| kept.settle(lease, settlement))
    }

    fn observe(&self, seen: Observation) -> StoreFuture<'_, Change> {
        self.or(move |kept| kept.observe(seen))
    }

    fn link(&self, new: NewLink) -> StoreFuture<'_, Linked> {
        self.or(move |kept| kept.link(new))
    }

    fn unlink(&self, subject: Subject) -> StoreFuture<'_, Option<Change>> {
        self.or(move |kept| kept.unlink(subject))
    }

    fn linked(&self, subject: Subject) -> StoreFuture<'_, Option<LinkedIdentity>> {
        self.switch.lookups.fetch_add(1, Ordering::SeqCst);
        self.or(move |kept| kept.linked(subject))
    }

    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        self.or(move |kept| kept.identity(id))
    }

    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        self.or(move |kept| kept.verified_as(verification))
    }

    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        self.or(move |kept| kept.fields(id, now))
    }

    fn forget(&self, id: IdentityId, by: Actor, at: Timestamp) -> StoreFuture<'_, Option<Change>> {
        self.or(move |kept| kept.forget(id, by, at))
    }

    fn counts(&self) -> StoreFuture<'_, InboxCounts> {
        self.or(move |kept| kept.counts())
    }

    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        self.or(move |kept| kept.events(filter))
    }

    fn inspect(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        self.or(move |kept| kept.inspect(id))
    }

    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        self.or(move |kept| kept.audits(limit, before))
    }

    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        self.or(move |kept| kept.replay(which, by, now))
    }

    /// No test lets these fail.
    fn effects(&self) -> &dyn JobStore {
        self.kept.effects()
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        self.or(move |kept| kept.prune(prune))
    }

    fn feed(&self) -> Option<StoreFeed> {
        let mut told = self.told.lock().unwrap().take()?;
        Some(Box::pin(futures_util::stream::poll_fn(move |cx| told.poll_recv(cx))))
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        self.or(move |kept| kept.ping())
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.or(move |kept| kept.close())
    }
}
