//! The store of those who outgrow one machine: one PostgreSQL schema, any number of processes.
//!
//! Deliveries queue up for a writer, which takes whatever waits and keeps it with one statement and one commit. All
//! other writes are transactions over a few connections; what the gate asks goes over a connection of its own, many
//! questions at a time, so that nothing that waits for a lock holds it up. A fourth connection listens to the others.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::hub::Hub;
use super::{
    Accepted, Audit, AuditAction, AuditId, Claim, ClaimedEvent, ClaimedJob, EventDetail, EventFilter, EventId,
    EventRow, InboxCounts, JobClaim, JobCounts, JobFilter, JobLease, JobRow, JobSettlement, JobStore, Lease, Linked,
    NewEvent, NewLink, Prune, Replay, ReplayJobs, Settled, Settlement, Store, StoreError, StoreFeed, StoreFuture,
};
use crate::identity::{Change, Identity, LinkedIdentity, Observation, RetainedField};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp};

mod audits;
mod effects;
mod failure;
mod feed;
mod fields;
mod identities;
mod inbox;
#[cfg(feature = "sqlite")]
pub(super) mod incoming;
mod link;
mod options;
mod pool;
mod queries;
mod rows;
mod schema;
mod tls;
mod upkeep;
mod writer;

use link::Link;
use pool::Pool;
use writer::Accepts;

pub use options::PostgresOptions;

/// Keeps everything in one schema of a PostgreSQL database, which any number of processes share.
///
/// - Durable as the server is: `synchronous_commit` is switched on where it was off, and a server without `fsync` is
///   warned of at opening.
/// - Replicas agree: what one learns the others hear of ([`Store::feed`]), work is leased by the database's time
///   ([`Store::time`]), and a lease that its holder does not settle ends by itself.
/// - Outlives the server's restart and a failover: connections are made anew, and only to a server that takes writes.
///   Until then calls fail with [`StoreErrorKind::Unavailable`](super::StoreErrorKind::Unavailable).
/// - Needs no superuser: the right to create its schema, or to create tables in one that is there already.
///
/// Must be opened and used inside a tokio runtime that outlives it.
pub struct PostgresStore {
    accepts: Accepts,
    pool: Arc<Pool>,
    hub: Arc<Hub>,
}

impl PostgresStore {
    /// Opens `url` (`postgres://user:password@host/database`), and brings the schema `incode` to this version.
    ///
    /// # Errors
    /// As [`PostgresOptions::open`].
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        PostgresOptions::new(url)?.open().await
    }

    /// How many transactions kept deliveries since the store was opened: far fewer than events under load.
    pub fn commits(&self) -> u64 {
        self.accepts.commits.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("schema", &self.pool.target.schema).finish_non_exhaustive()
    }
}

impl Store for PostgresStore {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        Box::pin(self.accepts.accept(event))
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Vec<ClaimedEvent>> {
        Box::pin(self.pool.transact(move |tx| async move { inbox::claim(&tx, claim).await }))
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(self.pool.query(move |link| async move { queries::next_due(&link).await }))
    }

    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled> {
        Box::pin(self.pool.transact(move |tx| async move { inbox::settle(&tx, lease, &settlement).await }))
    }

    fn observe(&self, seen: Observation) -> StoreFuture<'_, Change> {
        Box::pin(self.pool.transact(move |tx| async move {
            identities::lock(&tx, &seen.identity_id).await?;
            let change = identities::observe(&tx, &seen, seen.sent_at).await?;
            Ok(change.unwrap_or(Change { identity_id: seen.identity_id, subjects: Vec::new() }))
        }))
    }

    fn link(&self, new: NewLink) -> StoreFuture<'_, Linked> {
        Box::pin(self.pool.transact(move |tx| async move {
            identities::lock(&tx, &new.link.identity_id).await?;
            identities::link(&tx, &new, new.seen.sent_at).await
        }))
    }

    fn unlink(&self, subject: Subject) -> StoreFuture<'_, Option<Change>> {
        Box::pin(self.pool.transact(move |tx| async move { identities::unlink(&tx, &subject).await }))
    }

    fn linked(&self, subject: Subject) -> StoreFuture<'_, Option<LinkedIdentity>> {
        Box::pin(self.pool.read(move |link| {
            let subject = subject.clone();
            async move { queries::linked(&link, &subject).await }
        }))
    }

    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        Box::pin(self.pool.read(move |link| {
            let id = id.clone();
            async move { queries::identity(&link, &id).await }
        }))
    }

    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        Box::pin(self.pool.read(move |link| {
            let verification = verification.clone();
            async move { queries::verified_as(&link, &verification).await }
        }))
    }

    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        Box::pin(self.pool.read(move |link| {
            let id = id.clone();
            async move { fields::list(&link, &id, now).await }
        }))
    }

    fn forget(&self, id: IdentityId, by: Actor, at: Timestamp) -> StoreFuture<'_, Option<Change>> {
        Box::pin(self.pool.transact(move |tx| async move {
            let change = identities::forget(&tx, &id, at).await?;
            let count = u64::from(change.is_some());
            audits::write(&tx, &AuditAction::Forget(id.masked()), &by, at, count).await?;
            Ok(change)
        }))
    }

    fn counts(&self) -> StoreFuture<'_, InboxCounts> {
        Box::pin(self.pool.query(move |link| async move { queries::counts(&link).await }))
    }

    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        Box::pin(self.pool.query(move |link| async move { queries::events(&link, &filter).await }))
    }

    fn inspect(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        Box::pin(self.pool.query(move |link| async move { queries::event(&link, id).await }))
    }

    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let which = Arc::new(which);
            let (mut replayed, mut begun, mut after) = (0, None, Some(0));
            while let Some(id) = after {
                let (which, by) = (Arc::clone(&which), by.clone());
                let work = move |tx: Arc<Link>| async move { upkeep::replay(&tx, &which, &by, now, id, begun).await };
                let (lot, audit) = self.pool.transact(work).await?;
                begun = Some(audit);
                replayed += lot.rows;
                after = lot.last;
            }
            Ok(replayed)
        })
    }

    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        Box::pin(self.pool.query(move |link| async move { audits::list(&link, limit, before).await }))
    }

    fn effects(&self) -> &dyn JobStore {
        self
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let mut removed = 0;
            loop {
                let lot = self.pool.transact(move |tx| async move { upkeep::prune(&tx, prune).await }).await?;
                removed += lot.removed;
                if !lot.more {
                    return Ok(removed);
                }
            }
        })
    }

    fn feed(&self) -> Option<StoreFeed> {
        Some(self.hub.feed(|hub| feed::start(&self.pool.target, hub)))
    }

    fn time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(self.pool.read(|link| async move { queries::time_now(&link).await.map(Some) }))
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.pool.read(|link| async move { queries::ping(&link).await }))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            self.accepts.close().await;
            self.pool.close().await;
            self.hub.close();
            Ok(())
        })
    }
}

impl JobStore for PostgresStore {
    fn claim_jobs(&self, claim: JobClaim) -> StoreFuture<'_, Vec<ClaimedJob>> {
        Box::pin(self.pool.transact(move |tx| async move { effects::claim(&tx, &claim).await }))
    }

    fn next_job_due(&self, handler: Arc<str>) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(self.pool.query(move |link| async move { effects::next_due(&link, &handler).await }))
    }

    fn settle_job(&self, lease: JobLease, settlement: JobSettlement) -> StoreFuture<'_, Settled> {
        Box::pin(self.pool.transact(move |tx| async move { effects::settle(&tx, lease, &settlement).await }))
    }

    fn job_counts(&self) -> StoreFuture<'_, JobCounts> {
        Box::pin(self.pool.query(move |link| async move { effects::counts(&link).await }))
    }

    fn list_jobs(&self, filter: JobFilter) -> StoreFuture<'_, Vec<JobRow>> {
        Box::pin(self.pool.query(move |link| async move { effects::list(&link, &filter).await }))
    }

    fn replay_jobs(&self, which: ReplayJobs, now: Timestamp) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let (mut replayed, mut after) = (0, Some(0));
            while let Some(id) = after {
                let which = which.clone();
                let work = move |tx: Arc<Link>| async move { effects::replay(&tx, &which, now, id).await };
                let lot = self.pool.transact(work).await?;
                replayed += lot.rows;
                after = lot.last;
            }
            Ok(replayed)
        })
    }
}
