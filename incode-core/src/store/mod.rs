//! Where events, identities and links live. One trait, one acceptance suite, several implementations.
//!
//! A store keeps rows and transactions; it decides nothing. When to retry, what belongs together and who may pass is
//! decided above it, so that every store behaves the same.

mod audit;
mod dedupe;
mod effects;
mod error;
mod events;
mod feed;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod hub;
mod memory;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod moving;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::future::Future;
use std::pin::Pin;

pub use audit::{Audit, AuditAction, AuditId};
pub use effects::{
    ClaimedJob, JobClaim, JobCounts, JobFailure, JobFilter, JobId, JobLease, JobRow, JobSettlement, JobState, JobStore,
    ReplayJobs,
};
pub use error::{StoreError, StoreErrorKind};
pub use events::{
    Accepted, Claim, ClaimedEvent, DeadFilter, EventDetail, EventFilter, EventId, EventRow, EventState, InboxCounts,
    Lease, NewEvent, Reason, Replay, Settled, Settlement,
};
pub use feed::{StoreFeed, StoreNotice};
pub use memory::MemoryStore;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub use moving::{Moved, MovedTable, Moving};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
pub use redis::{RedisOptions, RedisStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore};

use crate::identity::{Change, Identity, Link, LinkedIdentity, Observation, RetainedField};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp};

/// What every store method returns: boxed, so that the store can be erased behind `Arc<dyn Store>`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Durable rows behind the inbox, the gate and the flow.
///
/// Contract of every method: when it returned `Ok`, what it wrote survives the death of the process (for stores that
/// are durable at all); when it returned an error, either nothing or all of it was written, and calling it again does
/// no harm. A future that is dropped may still complete its write.
///
/// Your own implementation is right when it passes `testing::store_suite`.
pub trait Store: Send + Sync + 'static {
    /// Keeps an event that was authenticated, unless it is known.
    ///
    /// Known means: the same (kind, object id) is already *done*, or the same (kind, object id, token hash,
    /// [`authenticated`](NewEvent::authenticated)) is *pending*. What anybody could have sent stands for nothing that the
    /// vendor sends, and a dead event never suppresses a new delivery. Returns only once the row is durable.
    ///
    /// An ignored event is known while one of the same (kind, object id) is kept, and only the newest 10,000 are: a
    /// sender of unknown kinds can't fill the store. A pending event without an object id is refused as
    /// [`StoreErrorKind::Failed`].
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted>;

    /// Leases up to `claim.limit` pending events that are due, oldest due first unless the claim says otherwise. An event under a lease that has not
    /// ended is not due. Counts the attempt.
    fn claim(&self, claim: Claim) -> StoreFuture<'_, Vec<ClaimedEvent>>;

    /// When the next pending event is due, leases included; `None` when nothing is pending.
    fn next_due(&self) -> StoreFuture<'_, Option<Timestamp>>;

    /// Ends a lease: the observation, the link, the effects and the new state of the event in **one** transaction.
    ///
    /// The event is done all the same, but an observation that was sent at or before the instant at which its identity was
    /// forgotten is dropped. So is one of an identity that is not known, if it dates from then or before
    /// ([`Observation::dates_from`] the event's `received_at`): what was received before brings nobody back, however late
    /// the vendor was asked. Nor does it link anybody, even to an identity that is known anew.
    ///
    /// Each named handler is owed one pending effect, due at once, when an observation was merged and no other event of
    /// the same (kind, object id) is done: an object that two workers applied is owed once.
    ///
    /// [`Settled::LeaseLost`] when the lease ended and somebody else has the event, or settled it: nothing is written.
    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled>;

    /// Merges an observation that no event brought (face authentication, callback, reconcile). One sent before the
    /// identity was forgotten writes nothing, and the change names no subjects.
    fn observe(&self, seen: Observation) -> StoreFuture<'_, Change>;

    /// Links a subject in one transaction with the observation that proved it.
    fn link(&self, new: NewLink) -> StoreFuture<'_, Linked>;

    /// Removes the link of a subject. `None` when there was none.
    fn unlink(&self, subject: Subject) -> StoreFuture<'_, Option<Change>>;

    /// The identity a subject is linked to.
    fn linked(&self, subject: Subject) -> StoreFuture<'_, Option<LinkedIdentity>>;

    /// An identity by its id.
    fn identity(&self, id: IdentityId) -> StoreFuture<'_, Option<Identity>>;

    /// The identity whose row names this verification ([`Identity::verification_id`]); the least id, should several.
    fn verified_as(&self, verification: ObjectId) -> StoreFuture<'_, Option<IdentityId>>;

    /// The personal fields that are kept of an identity and have not expired at `now`, in any order.
    ///
    /// They come with observations, and are written in the transaction that merges one. Each field follows the newest
    /// *sent* observation that has it (at a tie the greater `expires_at`, then the greater bytes, so that any order ends
    /// the same way); one without it removes nothing, for what an answer leaves out it does not deny.
    fn fields(&self, id: IdentityId, now: Timestamp) -> StoreFuture<'_, Vec<RetainedField>>;

    /// Erases an identity, its fields and its links, leaving a tombstone: observations sent at or before `at` no longer bring it
    /// back, nor do events received at or before it ([`Store::settle`]), and its events stay known. Its effects stay, and no
    /// longer know whose they are. `None` when nothing was known of it (the tombstone is written all the same). Leaves an
    /// [`Audit`] in the same transaction, either way.
    fn forget(&self, id: IdentityId, by: Actor, at: Timestamp) -> StoreFuture<'_, Option<Change>>;

    /// Rows by state.
    fn counts(&self) -> StoreFuture<'_, InboxCounts>;

    /// Events, newest first, without tokens.
    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>>;

    /// One event as far as it may be shown; `None` when there is none, or no longer.
    fn inspect(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>>;

    /// Makes dead events pending again, due at `now` with no attempts counted. Returns how many. Harmless when repeated.
    ///
    /// Leaves one [`Audit`], when nothing was dead as well. A store that replays in several transactions counts it up in
    /// each, so that a replay cut short has told what it did.
    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64>;

    /// What was done by hand, newest first: at most `limit`, only those older than `before`. The newest 10,000 are kept.
    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>>;

    /// The effects of the same store: what [`Store::settle`] owes is claimed here.
    fn effects(&self) -> &dyn JobStore;

    /// Removes events and effects settled before `settled_before`, spent correlation ids that expired before `now` and
    /// fields that have expired at `now`; wipes the tokens of dead events settled before `tokens_before`. Returns how many events were removed.
    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64>;

    /// What other processes change in the same store, as news: whoever keeps standings in memory forgets them by it.
    ///
    /// `None`, as unless said otherwise: no other process writes this store. A store that several processes share must
    /// give a feed, or each of them overlooks what the others learned for as long as its near cache keeps it.
    fn feed(&self) -> Option<StoreFeed> {
        None
    }

    /// What time it is where the rows are, for a store that several processes share: leases, waits and the instants by
    /// which observations outrank each other then go by one clock, however the machines' own are set. `None`, as unless
    /// said otherwise: the machine's clock is all there is.
    fn time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Cheap proof that the store answers.
    fn ping(&self) -> StoreFuture<'_, ()>;

    /// Finishes what was begun and lets go of files. Later calls fail with [`StoreErrorKind::Unavailable`].
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// A subject to be linked, with the exchange that proved it.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// Who is linked to what, by which proof, when.
    pub link: Link,
    /// The observation that proved it, merged in the same transaction. Same identity as the link.
    pub seen: Observation,
    /// The single-use correlation id that is spent by this link, if one is.
    pub spend: Option<UsedNonce>,
    /// False: an identity that another subject is linked to is refused ([`Linked::IdentityTaken`]).
    pub shared: bool,
}

/// A correlation id to be spent: its random part, and when it would have expired.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UsedNonce {
    /// The random part.
    pub nonce: [u8; 24],
    /// When the row may be pruned.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for UsedNonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UsedNonce").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// What became of a [`NewLink`]. Only `Done` writes anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linked {
    /// Linked now, or had been linked to the same identity before; the observation is merged.
    Done(Change),
    /// The exchange no longer counts: its correlation id was used before, or the identity was forgotten after it.
    AlreadySpent,
    /// Another subject is linked to the identity, and sharing is off.
    IdentityTaken,
    /// The subject is linked to another identity; it must be unlinked first.
    SubjectTaken,
}

/// What may be removed.
#[derive(Clone, Copy, Debug)]
pub struct Prune {
    /// The present.
    pub now: Timestamp,
    /// Done, ignored and dead events, and done and dead effects, settled before this are removed.
    pub settled_before: Timestamp,
    /// Dead events settled before this lose their token.
    pub tokens_before: Timestamp,
}
