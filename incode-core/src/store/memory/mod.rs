use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::dedupe::DedupeIndex;
use super::{
    Accepted, Audit, AuditAction, AuditId, Claim, ClaimedEvent, ClaimedJob, EventDetail, EventFilter, EventId,
    EventRow, InboxCounts, JobClaim, JobCounts, JobFilter, JobId, JobLease, JobRow, JobSettlement, JobStore, Lease,
    Linked, NewEvent, NewLink, Prune, Replay, ReplayJobs, Settled, Settlement, Store, StoreError, StoreErrorKind,
    StoreFuture,
};
use crate::identity::{Change, Field, Identity, Link, LinkedIdentity, Observation, RetainedField};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp};

mod audits;
mod effects;
mod events;
mod fields;
mod identities;

/// A store that forgets everything with the process: for tests, and for trying things out.
///
/// Bounded: when it holds as many events as its capacity, `accept` fails with [`StoreErrorKind::Full`] until some are
/// pruned.
pub struct MemoryStore {
    capacity: usize,
    /// One lock, held for the length of a map operation and never across an await.
    rows: Mutex<Rows>,
}

impl MemoryStore {
    /// Room for 100,000 events.
    pub fn new() -> Self {
        Self::with_capacity(100_000)
    }

    /// Room for `capacity` events of any state.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { capacity, rows: Mutex::default() }
    }

    /// Runs `work` under the lock, at once: the future that is returned is ready.
    fn locked<T: Send + 'static>(&self, work: impl FnOnce(&mut Rows) -> Result<T, StoreError>) -> StoreFuture<'_, T> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = if rows.closed { Err(StoreError::new(StoreErrorKind::Unavailable)) } else { work(&mut rows) };
        Box::pin(std::future::ready(outcome))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        self.locked(|rows| rows.accept(event, self.capacity))
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Vec<ClaimedEvent>> {
        self.locked(|rows| Ok(rows.claim(claim)))
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.locked(|rows| Ok(rows.due.first().map(|(due_at, _)| *due_at)))
    }

    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled> {
        self.locked(|rows| Ok(rows.settle(lease, settlement)))
    }

    fn observe(&self, seen: Observation) -> StoreFuture<'_, Change> {
        self.locked(|rows| {
            let nobody = Change { identity_id: seen.identity_id.clone(), subjects: Vec::new() };
            Ok(rows.observe(&seen, seen.sent_at).unwrap_or(nobody))
        })
    }

    fn link(&self, new: NewLink) -> StoreFuture<'_, Linked> {
        self.locked(|rows| {
            let since = new.seen.sent_at;
            Ok(rows.link(new, since))
        })
    }

    fn unlink(&self, subject: Subject) -> StoreFuture<'_, Option<Change>> {
        self.locked(|rows| Ok(rows.unlink(&subject)))
    }

    fn linked(&self, subject: Subject) -> StoreFuture<'_, Option<LinkedIdentity>> {
        self.locked(|rows| Ok(rows.linked(&subject)))
    }

    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        self.locked(|rows| Ok(rows.identities.get(&id).cloned()))
    }

    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        self.locked(|rows| Ok(rows.verified_as(&verification)))
    }

    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        self.locked(|rows| Ok(rows.fields(&id, now)))
    }

    fn forget(&self, id: IdentityId, by: Actor, at: Timestamp) -> StoreFuture<'_, Option<Change>> {
        self.locked(|rows| {
            let action = AuditAction::Forget(id.masked());
            let change = rows.forget(id, at);
            rows.audit(action, by, at, u64::from(change.is_some()));
            Ok(change)
        })
    }

    fn counts(&self) -> StoreFuture<'_, InboxCounts> {
        self.locked(|rows| Ok(rows.counts()))
    }

    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        self.locked(|rows| Ok(rows.list(&filter)))
    }

    fn inspect(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        self.locked(|rows| Ok(rows.inspect(id)))
    }

    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        self.locked(|rows| {
            let replayed = rows.replay(&which, now);
            rows.audit(AuditAction::Replay(which), by, now, replayed);
            Ok(replayed)
        })
    }

    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        self.locked(|rows| Ok(rows.audits(limit, before)))
    }

    fn effects(&self) -> &dyn JobStore {
        self
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        self.locked(|rows| Ok(rows.prune(prune)))
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        self.locked(|_| Ok(()))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        Box::pin(std::future::ready(Ok(())))
    }
}

impl JobStore for MemoryStore {
    fn claim_jobs(&self, claim: JobClaim) -> StoreFuture<'_, Vec<ClaimedJob>> {
        self.locked(|rows| Ok(rows.claim_jobs(&claim)))
    }

    fn next_job_due(&self, handler: Arc<str>) -> StoreFuture<'_, Option<Timestamp>> {
        self.locked(|rows| Ok(rows.next_job_due(&handler)))
    }

    fn settle_job(&self, lease: JobLease, settlement: JobSettlement) -> StoreFuture<'_, Settled> {
        self.locked(|rows| Ok(rows.settle_job(lease, settlement)))
    }

    fn job_counts(&self) -> StoreFuture<'_, JobCounts> {
        self.locked(|rows| Ok(rows.job_counts()))
    }

    fn list_jobs(&self, filter: JobFilter) -> StoreFuture<'_, Vec<JobRow>> {
        self.locked(|rows| Ok(rows.list_jobs(&filter)))
    }

    fn replay_jobs(&self, which: ReplayJobs, now: Timestamp) -> StoreFuture<'_, u64> {
        self.locked(|rows| Ok(rows.replay_jobs(&which, now)))
    }
}

#[derive(Default)]
struct Rows {
    closed: bool,
    last_id: i64,
    events: BTreeMap<EventId, events::Row>,
    /// The pending ones by when they are due: leases end here too.
    due: BTreeSet<(Timestamp, EventId)>,
    ledger: DedupeIndex,
    last_effect: i64,
    effects: BTreeMap<JobId, effects::Row>,
    /// The pending ones of each handler by when they are due.
    effects_due: BTreeSet<(Arc<str>, Timestamp, JobId)>,
    identities: HashMap<IdentityId, Identity>,
    /// The identities from their verifications.
    verified: HashMap<ObjectId, BTreeSet<IdentityId>>,
    fields: HashMap<IdentityId, BTreeMap<Field, fields::Row>>,
    links: HashMap<Subject, Link>,
    /// The links from their other end.
    subjects: HashMap<IdentityId, BTreeSet<Subject>>,
    /// When each identity was forgotten.
    forgotten: HashMap<IdentityId, Timestamp>,
    /// Correlation ids that were used, with when they may go.
    spent: HashMap<[u8; 24], Timestamp>,
    /// What was done by hand, oldest first.
    audits: VecDeque<Audit>,
}

#[cfg(test)]
mod tests;
