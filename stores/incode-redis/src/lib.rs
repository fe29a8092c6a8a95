//! The store of those who have Redis already: every call that writes is one script on the server.
//!
//! Rows are hashes, what is due and what is listed are sorted sets, what is known of an object is counted in a hash of
//! its own. One connection carries all calls, many at a time; another listens to the news of other processes.

use std::fmt;
use std::sync::Arc;

use super::hub::Hub;
use super::{
    Accepted, Audit, AuditId, Claim, ClaimedEvent, ClaimedJob, EventDetail, EventFilter, EventId, EventRow,
    InboxCounts, JobClaim, JobCounts, JobFilter, JobLease, JobRow, JobSettlement, JobStore, Lease, Linked, NewEvent,
    NewLink, Prune, Replay, ReplayJobs, Settled, Settlement, Store, StoreError, StoreFeed, StoreFuture,
};
use crate::identity::{Change, Identity, LinkedIdentity, Observation, RetainedField};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp};

mod audits;
mod effects;
mod failure;
mod feed;
mod identities;
mod inbox;
mod link;
mod options;
mod rows;
mod scripts;

use failure::Failure;
use link::Link;

pub use options::RedisOptions;

/// Keeps everything under one prefix of a Redis server, 7 or newer, which any number of processes share.
///
/// - Durable as the server is: with `appendonly yes` and `appendfsync always` what was answered survives `kill -9` and a
///   power cut; with anything less the last second may be lost, of which opening warns ([`RedisOptions::strict`] refuses).
///   A failover loses what the replica had not received.
/// - Everything is in memory: some 1.5 KiB for an event, for as long as settled ones are kept.
/// - All keys are in one slot, so a cluster gives one of its nodes to the store, and no more; the client follows no redirects.
///
/// Must be opened and used inside a tokio runtime that outlives it.
pub struct RedisStore {
    link: Arc<Link>,
    hub: Arc<Hub>,
}

impl RedisStore {
    /// Opens `url` (`redis://host`), with keys that start with `{incode}:`.
    ///
    /// # Errors
    /// As [`RedisOptions::open`].
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        RedisOptions::new(url)?.open().await
    }

    fn with<'a, T, F>(&'a self, work: F) -> StoreFuture<'a, T>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'a,
    {
        Box::pin(async { Ok(work.await?) })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.link.prefix).finish_non_exhaustive()
    }
}

impl Store for RedisStore {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        self.with(inbox::accept(&self.link, event))
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Vec<ClaimedEvent>> {
        self.with(inbox::claim(&self.link, claim))
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.with(inbox::next_due(&self.link))
    }

    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled> {
        self.with(async move { inbox::settle(&self.link, lease, &settlement).await })
    }

    fn observe(&self, seen: Observation) -> StoreFuture<'_, Change> {
        self.with(async move { identities::observe(&self.link, &seen).await })
    }

    fn link(&self, new: NewLink) -> StoreFuture<'_, Linked> {
        self.with(async move { identities::link(&self.link, &new).await })
    }

    fn unlink(&self, subject: Subject) -> StoreFuture<'_, Option<Change>> {
        self.with(async move { identities::unlink(&self.link, &subject).await })
    }

    fn linked(&self, subject: Subject) -> StoreFuture<'_, Option<LinkedIdentity>> {
        self.with(async move { identities::linked(&self.link, &subject).await })
    }

    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        self.with(async move { identities::identity(&self.link, &id).await })
    }

    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        self.with(async move { identities::verified_as(&self.link, &verification).await })
    }

    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        self.with(async move { identities::fields(&self.link, &id, now).await })
    }

    fn forget(&self, id: IdentityId, by: Actor, at: Timestamp) -> StoreFuture<'_, Option<Change>> {
        self.with(async move { identities::forget(&self.link, &id, &by, at).await })
    }

    fn counts(&self) -> StoreFuture<'_, InboxCounts> {
        self.with(inbox::counts(&self.link))
    }

    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        self.with(async move { inbox::events(&self.link, &filter).await })
    }

    fn inspect(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        self.with(inbox::inspect(&self.link, id))
    }

    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        self.with(async move { inbox::replay(&self.link, which, &by, now).await })
    }

    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        self.with(audits::list(&self.link, limit, before))
    }

    fn effects(&self) -> &dyn JobStore {
        self
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        self.with(inbox::prune(&self.link, prune))
    }

    fn feed(&self) -> Option<StoreFeed> {
        Some(self.hub.feed(|hub| feed::start(&self.link, hub)))
    }

    fn time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        self.with(async {
            let (seconds, micros): (i64, i64) = self.link.ask(&redis::cmd("TIME")).await?;
            Ok(Some(Timestamp::from_millis(seconds.saturating_mul(1_000).saturating_add(micros / 1_000))))
        })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        self.with(async {
            let mut ask = redis::cmd("GET");
            ask.arg(self.link.key("version"));
            self.link.ask::<Option<u64>>(&ask).await.map(drop)
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            self.link.close().await?;
            self.hub.close();
            Ok(())
        })
    }
}

impl JobStore for RedisStore {
    fn claim_jobs(&self, claim: JobClaim) -> StoreFuture<'_, Vec<ClaimedJob>> {
        self.with(async move { effects::claim(&self.link, &claim).await })
    }

    fn next_job_due(&self, handler: Arc<str>) -> StoreFuture<'_, Option<Timestamp>> {
        self.with(async move { effects::next_due(&self.link, &handler).await })
    }

    fn settle_job(&self, lease: JobLease, settlement: JobSettlement) -> StoreFuture<'_, Settled> {
        self.with(async move { effects::settle(&self.link, lease, &settlement).await })
    }

    fn job_counts(&self) -> StoreFuture<'_, JobCounts> {
        self.with(effects::counts(&self.link))
    }

    fn list_jobs(&self, filter: JobFilter) -> StoreFuture<'_, Vec<JobRow>> {
        self.with(async move { effects::list(&self.link, &filter).await })
    }

    fn replay_jobs(&self, which: ReplayJobs, now: Timestamp) -> StoreFuture<'_, u64> {
        self.with(async move { effects::replay(&self.link, &which, now).await })
    }
}
