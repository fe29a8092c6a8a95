use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::{PROOF, identity};
use crate::identity::{Change, Identity, Link, LinkedIdentity, Observation, RetainedField};
use crate::store::{
    Accepted, Audit, AuditId, Claim, ClaimedEvent, EventDetail, EventFilter, EventId, EventRow, InboxCounts, JobStore,
    Lease, Linked, NewEvent, NewLink, Prune, Replay, Settled, Settlement, Store, StoreError, StoreErrorKind,
    StoreFuture,
};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp};

/// A store whose one interesting call, `linked`, answers when the test lets it.
pub(super) struct GatedStore {
    pub(super) loads: AtomicUsize,
    pub(super) permits: Semaphore,
    status: std::sync::Mutex<Result<&'static str, StoreErrorKind>>,
    /// Everybody may know of the latest status.
    pub(super) told: AtomicBool,
}

impl GatedStore {
    pub(super) fn new(status: &'static str) -> Arc<Self> {
        let status = std::sync::Mutex::new(Ok(status));
        Arc::new(Self { loads: AtomicUsize::new(0), permits: Semaphore::new(0), status, told: AtomicBool::new(false) })
    }

    pub(super) fn answers(&self, status: Result<&'static str, StoreErrorKind>) {
        *self.status.lock().unwrap() = status;
    }
}

fn no<T>() -> StoreFuture<'static, T> {
    Box::pin(async { Err(StoreError::new(StoreErrorKind::Failed)) })
}

impl Store for Arc<GatedStore> {
    fn linked(&self, subject: Subject) -> StoreFuture<'_, Option<LinkedIdentity>> {
        Box::pin(async move {
            self.loads.fetch_add(1, Ordering::SeqCst);
            // Read first, answer later: what a slow store does.
            let status = *self.status.lock().unwrap();
            self.permits.acquire().await.unwrap().forget();
            let identity = identity(status.map_err(StoreError::new)?);
            let linked_at = Timestamp::from_millis(0);
            let link = Link { subject, identity_id: identity.identity_id.clone(), proof: PROOF, linked_at };
            Ok(Some(LinkedIdentity { link, identity }))
        })
    }

    fn accept(&self, _: NewEvent) -> StoreFuture<'_, Accepted> {
        no()
    }
    fn claim(&self, _: Claim) -> StoreFuture<'_, Vec<ClaimedEvent>> {
        no()
    }
    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        no()
    }
    fn settle(&self, _: Lease, _: Settlement) -> StoreFuture<'_, Settled> {
        no()
    }
    fn observe(&self, _: Observation) -> StoreFuture<'_, Change> {
        no()
    }
    fn link(&self, _: NewLink) -> StoreFuture<'_, Linked> {
        no()
    }
    fn unlink(&self, _: Subject) -> StoreFuture<'_, Option<Change>> {
        no()
    }
    fn identity(&self, _: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        Box::pin(async { Ok(self.linked(Subject::new("-").unwrap()).await?.map(|linked| linked.identity)) })
    }
    fn verified_as(&self, _: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        no()
    }
    fn fields(&self, _: IdentityId, _: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        no()
    }
    fn forget(&self, _: IdentityId, _: Actor, _: Timestamp) -> StoreFuture<'_, Option<Change>> {
        no()
    }
    fn counts(&self) -> StoreFuture<'_, InboxCounts> {
        no()
    }
    fn events(&self, _: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        no()
    }
    fn inspect(&self, _: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        no()
    }
    fn audits(&self, _: u32, _: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        no()
    }
    fn replay(&self, _: Replay, _: Actor, _: Timestamp) -> StoreFuture<'_, u64> {
        no()
    }
    fn effects(&self) -> &dyn JobStore {
        panic!("the gate asks for none")
    }
    fn prune(&self, _: Prune) -> StoreFuture<'_, u64> {
        no()
    }
    fn ping(&self) -> StoreFuture<'_, ()> {
        no()
    }
    fn close(&self) -> StoreFuture<'_, ()> {
        no()
    }
}
