//! Stores that do one thing of many, for what is measured against them.

use std::future::pending;
use std::sync::LazyLock;

use incode_core::identity::{Change, Identity, LinkedIdentity, Observation, RetainedField};
use incode_core::store::{
    Accepted, Audit, AuditId, Claim, ClaimedEvent, EventDetail, EventFilter, EventId, EventRow, InboxCounts, JobStore,
    Lease, Linked, MemoryStore, NewEvent, NewLink, Prune, Replay, Settled, Settlement, Store, StoreError,
    StoreErrorKind, StoreFuture,
};
use incode_core::{Actor, IdentityId, ObjectId, Subject, Timestamp};

/// What a benchmark needs of a store.
pub(crate) trait Part: Send + Sync + 'static {
    fn accept(&self, _: NewEvent) -> StoreFuture<'_, Accepted> {
        unavailable()
    }

    fn linked(&self, _: Subject) -> StoreFuture<'_, Option<LinkedIdentity>> {
        unavailable()
    }
}

/// A [`Part`] as a store. It never has work to hand out: a claim waits for ever, and with it the worker, so that
/// nothing runs beside what is measured.
pub(crate) struct PartialStore<P>(pub(crate) P);

impl<P: Part> Store for PartialStore<P> {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        self.0.accept(event)
    }

    fn linked(&self, subject: Subject) -> StoreFuture<'_, Option<LinkedIdentity>> {
        self.0.linked(subject)
    }

    fn claim(&self, _: Claim) -> StoreFuture<'_, Vec<ClaimedEvent>> {
        Box::pin(pending())
    }

    fn prune(&self, _: Prune) -> StoreFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        unavailable()
    }

    fn settle(&self, _: Lease, _: Settlement) -> StoreFuture<'_, Settled> {
        unavailable()
    }

    fn observe(&self, _: Observation) -> StoreFuture<'_, Change> {
        unavailable()
    }

    fn link(&self, _: NewLink) -> StoreFuture<'_, Linked> {
        unavailable()
    }

    fn unlink(&self, _: Subject) -> StoreFuture<'_, Option<Change>> {
        unavailable()
    }

    fn identity(&self, _: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        unavailable()
    }

    fn verified_as(&self, _: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        unavailable()
    }

    fn forget(&self, _: IdentityId, _: Actor, _: Timestamp) -> StoreFuture<'_, Option<Change>> {
        unavailable()
    }

    fn counts(&self) -> StoreFuture<'_, InboxCounts> {
        unavailable()
    }

    fn events(&self, _: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        unavailable()
    }

    fn replay(&self, _: Replay, _: Actor, _: Timestamp) -> StoreFuture<'_, u64> {
        unavailable()
    }

    fn inspect(&self, _: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        unavailable()
    }

    fn audits(&self, _: u32, _: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        unavailable()
    }

    fn fields(&self, _: IdentityId, _: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        unavailable()
    }

    /// Empty for ever: nothing is applied, so nothing is owed.
    fn effects(&self) -> &dyn JobStore {
        static EMPTY: LazyLock<MemoryStore> = LazyLock::new(MemoryStore::new);
        EMPTY.effects()
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        unavailable()
    }
}

fn unavailable<'a, T: Send + 'a>() -> StoreFuture<'a, T> {
    Box::pin(async { Err(StoreError::new(StoreErrorKind::Unavailable)) })
}
