//! A store that several hold at once, as replicas do with one that is not embedded, and that can be made to stumble.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use incode_core::identity::{Change, Identity, LinkedIdentity, Observation, RetainedField};
use incode_core::store::{
    Accepted, Audit, AuditId, Claim, ClaimedEvent, EventDetail, EventFilter, EventId, EventRow, InboxCounts, JobStore,
    Lease, Linked, NewEvent, NewLink, Prune, Replay, Settled, Settlement, SqliteStore, Store, StoreError,
    StoreErrorKind, StoreFuture,
};
use incode_core::{Actor, IdentityId, ObjectId, Subject, Timestamp};
use incode_sandbox::Verified;
use incode_tests::row;

/// Clones are one store.
#[derive(Clone)]
pub(crate) struct SharedStore {
    kept: Arc<SqliteStore>,
    pub(crate) accepts: Arc<Accepts>,
}

/// How `accept` behaves, and what it saw.
#[derive(Default)]
pub(crate) struct Accepts {
    failing: AtomicBool,
    delay_ms: AtomicU64,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Accepts {
    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    pub(crate) fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.most_under_way.load(Ordering::SeqCst)
    }
}

impl SharedStore {
    pub(crate) async fn open(path: &Path) -> Self {
        Self { kept: Arc::new(SqliteStore::open(path).await.unwrap()), accepts: Arc::default() }
    }

    /// Puts an event straight into the table, with nobody told.
    pub(crate) async fn put(&self, verified: &Verified) -> Accepted {
        self.kept.accept(row(verified)).await.unwrap()
    }
}

/// Counts down also when the caller gave up.
struct UnderWay<'a>(&'a Accepts);

impl<'a> UnderWay<'a> {
    fn new(accepts: &'a Accepts) -> Self {
        let now = accepts.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        accepts.most_under_way.fetch_max(now, Ordering::SeqCst);
        Self(accepts)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Store for SharedStore {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        Box::pin(async move {
            let _under_way = UnderWay::new(&self.accepts);
            tokio::time::sleep(Duration::from_millis(self.accepts.delay_ms.load(Ordering::SeqCst))).await;
            if self.accepts.failing.load(Ordering::SeqCst) {
                return Err(StoreError::new(StoreErrorKind::Failed));
            }
            self.kept.accept(event).await
        })
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Vec<ClaimedEvent>> {
        self.kept.claim(claim)
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.kept.next_due()
    }

    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled> {
        self.kept.settle(lease, settlement)
    }

    fn observe(&self, seen: Observation) -> StoreFuture<'_, Change> {
        self.kept.observe(seen)
    }

    fn link(&self, new: NewLink) -> StoreFuture<'_, Linked> {
        self.kept.link(new)
    }

    fn unlink(&self, subject: Subject) -> StoreFuture<'_, Option<Change>> {
        self.kept.unlink(subject)
    }

    fn linked(&self, subject: Subject) -> StoreFuture<'_, Option<LinkedIdentity>> {
        self.kept.linked(subject)
    }

    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        self.kept.identity(id)
    }

    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        self.kept.verified_as(verification)
    }

    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        self.kept.fields(id, now)
    }

    fn forget(&self, id: IdentityId, by: Actor, at: Timestamp) -> StoreFuture<'_, Option<Change>> {
        self.kept.forget(id, by, at)
    }

    fn counts(&self) -> StoreFuture<'_, InboxCounts> {
        self.kept.counts()
    }

    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        self.kept.events(filter)
    }

    fn inspect(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        self.kept.inspect(id)
    }

    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        self.kept.audits(limit, before)
    }

    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        self.kept.replay(which, by, now)
    }

    fn effects(&self) -> &dyn JobStore {
        self.kept.effects()
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        self.kept.prune(prune)
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        self.kept.ping()
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.kept.close()
    }
}
