//! The embedded store: one SQLite file, one thread that writes, one that reads.
//!
//! Writes queue up for the writer, which takes whatever waits, does it in one transaction, commits once (one fsync),
//! and only then answers each caller: under load hundreds of events share a commit, and no timer delays a lone one.
//! Reads go over a connection of their own, so a slow disk does not hold up the gate.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

use super::{
    Accepted, Audit, AuditAction, AuditId, Claim, ClaimedEvent, ClaimedJob, EventDetail, EventFilter, EventId,
    EventRow, EventState, InboxCounts, JobClaim, JobCounts, JobFilter, JobLease, JobRow, JobSettlement, JobStore,
    Lease, Linked, NewEvent, NewLink, Prune, Replay, ReplayJobs, Settled, Settlement, Store, StoreError,
    StoreErrorKind, StoreFuture,
};
use crate::identity::{Change, Identity, LinkedIdentity, Observation, RetainedField};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp};

mod audits;
mod batch;
mod effects;
mod failure;
mod fields;
mod file;
mod identities;
mod inbox;
mod queries;
mod queue;
mod reader;
mod schema;
#[cfg(feature = "postgres")]
pub(super) mod snapshot;
mod upkeep;
mod writer;

use queue::Queue;
use reader::ReadJob;
use writer::{WriteJob, Written};

/// Keeps everything in one SQLite file.
///
/// - Durable: WAL with `synchronous=FULL`; what was answered survives `kill -9` and a power cut.
/// - One process at a time: a second one is refused ([`StoreErrorKind::Unavailable`]) by a lock on the file
///   `PATH.lock` beside it, for what is known of deliveries is kept in memory.
/// - Private: created with mode 0600; wiped tokens are overwritten, in the log too once the store has been idle.
/// - [`Store::close`] waits for all that was queued. Without it the threads end by themselves soon after the store is
///   dropped, and until then the file can't be opened again.
pub struct SqliteStore {
    writer: Queue<WriteJob>,
    reader: Queue<ReadJob>,
    written: Arc<Written>,
}

impl SqliteStore {
    /// Opens `path`, which is created when it is missing, and brings its tables to this version.
    ///
    /// # Errors
    /// `Incompatible`: the file is not SQLite, not ours, or of a newer version; it is left as it was.
    /// `Unavailable`: it can't be opened, or is open already, here or in another process.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::options().open(path).await
    }

    /// Opens with other settings.
    pub fn options() -> SqliteOptions {
        SqliteOptions { queue_len: 4096 }
    }

    /// How many transactions were committed since the store was opened: far fewer than events under load.
    pub fn commits(&self) -> u64 {
        self.written.commits.load(Ordering::Relaxed)
    }
}

/// How a [`SqliteStore`] is opened.
#[derive(Clone, Debug)]
#[must_use]
pub struct SqliteOptions {
    queue_len: usize,
}

impl SqliteOptions {
    /// How many calls wait at most for the writer, and as many for the reader. 4096 unless said otherwise, at least 1.
    ///
    /// When as many wait, `accept` fails at once with [`StoreErrorKind::Busy`] (the vendor delivers again);
    /// every other method waits for its place.
    pub fn queue_len(mut self, calls: usize) -> Self {
        self.queue_len = calls.clamp(1, 1 << 20);
        self
    }

    /// Opens `path`; see [`SqliteStore::open`].
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        let path: PathBuf = path.as_ref().to_owned();
        let written = Arc::new(Written { commits: AtomicU64::new(0), counts: Default::default() });
        let (writer, write_jobs) = Queue::new(self.queue_len);
        let (reader, read_jobs) = Queue::new(self.queue_len);
        let (opened, opening) = oneshot::channel();
        writer::spawn(path.clone(), write_jobs, Arc::clone(&written), opened)?;
        // The reader opens second: its read-only connection can neither create the file nor its tables.
        let lock = queue::answer(opening).await?;
        let (opened, opening) = oneshot::channel();
        reader::spawn(path, read_jobs, Some(lock), opened)?;
        queue::answer(opening).await?;
        Ok(SqliteStore { writer, reader, written })
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("commits", &self.commits()).finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        Box::pin(async move {
            let queued = match event.state {
                // One statement, undone by itself when it fails: no savepoint on the busiest path.
                EventState::Pending | EventState::Dead | EventState::Done => {
                    self.writer.try_push(|reply| writer::single(reply, move |tx| inbox::accept(tx, event)))?
                }
                EventState::Ignored => {
                    self.writer.try_push(|reply| writer::several(reply, move |tx| inbox::accept(tx, event)))?
                }
            };
            queue::answer(queued).await
        })
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Vec<ClaimedEvent>> {
        Box::pin(self.write(move |tx| inbox::claim(tx, claim)))
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(self.read(queries::next_due))
    }

    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled> {
        Box::pin(self.write(move |tx| inbox::settle(tx, lease, settlement)))
    }

    fn observe(&self, seen: Observation) -> StoreFuture<'_, Change> {
        Box::pin(self.write(move |tx| {
            let change = identities::observe(tx.conn, &seen, seen.sent_at)?;
            Ok(change.unwrap_or(Change { identity_id: seen.identity_id, subjects: Vec::new() }))
        }))
    }

    fn link(&self, new: NewLink) -> StoreFuture<'_, Linked> {
        Box::pin(self.write(move |tx| identities::link(tx.conn, &new, new.seen.sent_at)))
    }

    fn unlink(&self, subject: Subject) -> StoreFuture<'_, Option<Change>> {
        Box::pin(self.write(move |tx| identities::unlink(tx.conn, &subject)))
    }

    fn linked(&self, subject: Subject) -> StoreFuture<'_, Option<LinkedIdentity>> {
        Box::pin(self.read(move |conn| queries::linked(conn, &subject)))
    }

    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        Box::pin(self.read(move |conn| queries::identity(conn, &id)))
    }

    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        Box::pin(self.read(move |conn| queries::verified_as(conn, &verification)))
    }

    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        Box::pin(self.read(move |conn| fields::list(conn, &id, now)))
    }

    fn forget(&self, id: IdentityId, by: Actor, at: Timestamp) -> StoreFuture<'_, Option<Change>> {
        Box::pin(self.write(move |tx| {
            let change = identities::forget(tx.conn, &id, at)?;
            let count = u64::from(change.is_some());
            audits::write(tx.conn, &AuditAction::Forget(id.masked()), &by, at, count)?;
            Ok(change)
        }))
    }

    fn counts(&self) -> StoreFuture<'_, InboxCounts> {
        Box::pin(async {
            let oldest_pending = self.read(queries::oldest_pending).await?;
            Ok(InboxCounts { oldest_pending, ..self.written.counts() })
        })
    }

    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        Box::pin(self.read(move |conn| queries::events(conn, &filter)))
    }

    fn inspect(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        // By the writer: it has the ledger, and no index knows objects.
        Box::pin(self.write(move |tx| {
            let found = queries::event(tx.conn, id)?;
            Ok(found.map(|(detail, keys)| EventDetail { object_done: tx.ledger.is_done(keys.object), ..detail }))
        }))
    }

    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let which = Arc::new(which);
            let mut replayed = 0;
            let mut audit = None;
            let mut after = Some(0);
            while let Some(id) = after {
                let (which, by) = (Arc::clone(&which), by.clone());
                let work = move |tx: &mut batch::Transaction<'_>| {
                    let lot = upkeep::replay(tx, &which, now, id)?;
                    let audit = match audit {
                        None => {
                            let action = AuditAction::Replay(Replay::clone(&which));
                            audits::write(tx.conn, &action, &by, now, lot.rows)?
                        }
                        Some(audit) => audits::add(tx.conn, audit, lot.rows).map(|()| audit)?,
                    };
                    Ok((lot, audit))
                };
                let (lot, begun) = self.write(work).await?;
                audit = Some(begun);
                replayed += lot.rows;
                after = lot.last;
            }
            Ok(replayed)
        })
    }

    fn effects(&self) -> &dyn JobStore {
        self
    }

    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        Box::pin(self.read(move |conn| audits::list(conn, limit, before)))
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let mut removed = 0;
            loop {
                let lot = self.write(move |tx| upkeep::prune(tx, prune)).await?;
                removed += lot.removed;
                if !lot.more {
                    return Ok(removed);
                }
            }
        })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            // The writer holds the other end as long as it lives. It is not asked itself: a slow commit is no failure.
            if Arc::strong_count(&self.written) < 2 {
                return Err(StoreError::new(StoreErrorKind::Unavailable));
            }
            self.read(queries::ping).await
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            // The reader first: the writer can only empty the log when nobody reads it.
            self.reader.close().await;
            self.writer.close().await;
            Ok(())
        })
    }
}

impl JobStore for SqliteStore {
    fn claim_jobs(&self, claim: JobClaim) -> StoreFuture<'_, Vec<ClaimedJob>> {
        Box::pin(self.write(move |tx| effects::claim(tx, &claim)))
    }

    fn next_job_due(&self, handler: Arc<str>) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(self.read(move |conn| effects::next_due(conn, &handler)))
    }

    fn settle_job(&self, lease: JobLease, settlement: JobSettlement) -> StoreFuture<'_, Settled> {
        Box::pin(self.write(move |tx| effects::settle(tx.conn, lease, &settlement)))
    }

    fn job_counts(&self) -> StoreFuture<'_, JobCounts> {
        Box::pin(self.read(effects::counts))
    }

    fn list_jobs(&self, filter: JobFilter) -> StoreFuture<'_, Vec<JobRow>> {
        Box::pin(self.read(move |conn| effects::list(conn, &filter)))
    }

    fn replay_jobs(&self, which: ReplayJobs, now: Timestamp) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let mut replayed = 0;
            let mut after = Some(0);
            while let Some(id) = after {
                let which = which.clone();
                let lot = self.write(move |tx| effects::replay(tx.conn, &which, now, id)).await?;
                replayed += lot.rows;
                after = lot.last;
            }
            Ok(replayed)
        })
    }
}

impl SqliteStore {
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut batch::Transaction<'_>) -> Result<T, failure::Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        queue::answer(self.writer.push(|reply| writer::several(reply, work)).await?).await
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        queue::answer(self.reader.push(|reply| reader::job(reply, query)).await?).await
    }
}

#[cfg(test)]
mod tests;
