//! Where events, identities and links are kept: the contract of a store engine, split by table.
//!
//! An engine keeps rows and transactions; it decides nothing. The rules are pure functions in core
//! ([`identity::transition`](crate::identity::transition), [`dedupe`]): an engine loads the rows they need, calls them,
//! and writes what they return. So every engine behaves the same, and a rule is changed in one place.
//!
//! | trait | rows |
//! |---|---|
//! | [`InboxStore`] | events, from acceptance to settlement |
//! | [`IdentityStore`] | identities, links, pending links, confirmations, retained fields, tombstones |
//! | [`JobStore`] | jobs of the application's handlers |
//! | [`AuditStore`] | what was done by hand |
//! | [`LifeCycle`] | counts, pruning, the feed between processes, time, closing |
//!
//! The contract of every method: when it returned `Ok`, what it wrote survives the death of the process (for stores
//! that are durable at all). When it returned an error, either nothing or all of it was written, and calling it again
//! does no harm. A future that is dropped may still complete its write.
//!
//! The contract is public for engines and not stable: an engine is pinned to one exact version of this crate. An engine
//! of your own is right when it passes [`testing::store_suite`](crate::testing::store_suite).

mod audit;
pub mod dedupe;
mod error;
mod feed;
pub mod hub;
mod identities;
mod inbox;
mod jobs;
mod life_cycle;
mod memory;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use audit::{AUDITS_KEPT, Audit, AuditAction, AuditId, AuditStore, ERASURES_KEPT};
pub use error::{StoreError, StoreErrorKind};
pub use feed::{StoreFeed, StoreNotice};
pub use identities::{Changed, IdentityStore};
pub use inbox::{
    Accepted, Claim, Claimed, ClaimedEvent, DeadFilter, EventDetail, EventFilter, EventId, EventRow, EventState,
    InboxCounts, InboxStore, Lease, NewEvent, Reason, Replay, Settled, Settlement,
};
pub use jobs::{
    ClaimedJob, ClaimedJobs, JobClaim, JobCounts, JobFailure, JobFilter, JobId, JobLease, JobRow, JobSettlement,
    JobState, JobStore, ReplayJobs,
};
pub use life_cycle::{Counts, LifeCycle, Prune, SecretCheck};
pub use memory::MemoryStore;

/// What every store method returns: boxed, so that the store can be erased behind `Arc<dyn Store>`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A whole store: every part over the same rows. Implemented for whatever implements the parts.
pub trait Store: InboxStore + IdentityStore + JobStore + AuditStore + LifeCycle + 'static {}

impl<S: InboxStore + IdentityStore + JobStore + AuditStore + LifeCycle + 'static> Store for S {}

/// The options of an engine, from which [`Builder::build`](crate::Builder::build) opens the store when everything else is
/// known to be right.
pub trait OpenStore: Send + 'static {
    /// Opens the store, and makes it where there is none.
    fn open(self: Box<Self>) -> OpenFuture;
}

/// What [`OpenStore::open`] returns.
pub type OpenFuture = Pin<Box<dyn Future<Output = Result<Arc<dyn Store>, StoreError>> + Send>>;
