use std::future::Future;
use std::sync::Arc;

use crate::identity::transition::ChangeRequest;
use crate::identity::{Identity, RefusedLink, RetainedField, SubjectState};
use crate::store::{
    Accepted, Audit, AuditId, AuditStore, Changed, Claim, Claimed, ClaimedJobs, Counts, EventDetail, EventFilter,
    EventId, EventRow, IdentityStore, InboxStore, JobClaim, JobFilter, JobLease, JobRow, JobSettlement, JobStore,
    Lease, LifeCycle, NewEvent, Prune, Replay, ReplayJobs, SecretCheck, Settled, Settlement, Store, StoreError,
    StoreFeed, StoreFuture,
};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp};

/// A store around another, with a [`Hook`] that runs before each call: for tests of stores that fail, are slow, or are
/// shared.
#[derive(Debug)]
pub struct HookedStore<H> {
    store: Arc<dyn StoreAndDebug>,
    hook: H,
}

/// What runs before each call of a [`HookedStore`].
pub trait Hook: Send + Sync + 'static {
    /// Delays the call, or fails it in the place of the store.
    fn before(&self, call: StoreCall) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The store's clock; as the store says unless said otherwise.
    fn time(&self, of_store: Option<Timestamp>) -> Option<Timestamp> {
        of_store
    }

    /// The feed; that of the store unless said otherwise.
    fn feed(&self, store: &dyn Store) -> Option<StoreFeed> {
        store.feed()
    }
}

/// The calls of a store, by the names of their methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the method of its name")]
pub enum StoreCall {
    Accept,
    Claim,
    Renew,
    Settle,
    Events,
    Event,
    Replay,
    Change,
    Subject,
    RefusedLink,
    Identity,
    Subjects,
    VerifiedAs,
    Fields,
    ClaimJobs,
    RenewJobs,
    SettleJob,
    Jobs,
    ReplayJobs,
    Audits,
    Counts,
    Prune,
    Time,
    CheckSecret,
    ReplaceSecret,
    Close,
}

/// A store that can be shown in the `Debug` of a test.
trait StoreAndDebug: Store + std::fmt::Debug {}

impl<S: Store + std::fmt::Debug> StoreAndDebug for S {}

impl<H: Hook> HookedStore<H> {
    /// Puts `hook` before each call of `store`.
    pub fn new(store: impl Store + std::fmt::Debug, hook: H) -> Self {
        Self { store: Arc::new(store), hook }
    }
}

/// Writes the methods of one trait: hook first, then the store.
macro_rules! hooked {
    ($trait:ident { $($method:ident($($argument:ident: $type:ty),*) -> $answer:ty = $call:ident;)* } $($rest:item)*) => {
        impl<H: Hook> $trait for HookedStore<H> {
            $(
                fn $method(&self $(, $argument: $type)*) -> StoreFuture<'_, $answer> {
                    Box::pin(async move {
                        self.hook.before(StoreCall::$call).await?;
                        self.store.$method($($argument),*).await
                    })
                }
            )*
            $($rest)*
        }
    };
}

hooked!(InboxStore {
    accept(event: NewEvent) -> Accepted = Accept;
    claim(claim: Claim) -> Claimed = Claim;
    renew(leases: Vec<Lease>, lease_until: Timestamp) -> () = Renew;
    settle(lease: Lease, settlement: Settlement) -> Settled = Settle;
    events(filter: EventFilter) -> Vec<EventRow> = Events;
    event(id: EventId) -> Option<EventDetail> = Event;
    replay(which: Replay, by: Actor, now: Timestamp) -> u64 = Replay;
});

hooked!(IdentityStore {
    change(request: ChangeRequest) -> Changed = Change;
    subject(subject: Subject) -> SubjectState = Subject;
    refused_link(subject: Subject) -> Option<RefusedLink> = RefusedLink;
    identity(id: IdentityId) -> Option<Identity> = Identity;
    subjects(id: IdentityId) -> Vec<Subject> = Subjects;
    verified_as(verification: ObjectId) -> Option<IdentityId> = VerifiedAs;
    fields(id: IdentityId, now: Timestamp) -> Vec<RetainedField> = Fields;
});

hooked!(JobStore {
    claim_jobs(claim: JobClaim) -> ClaimedJobs = ClaimJobs;
    renew_jobs(leases: Vec<JobLease>, lease_until: Timestamp) -> () = RenewJobs;
    settle_job(lease: JobLease, settlement: JobSettlement) -> bool = SettleJob;
    jobs(filter: JobFilter) -> Vec<JobRow> = Jobs;
    replay_jobs(which: ReplayJobs, by: Actor, now: Timestamp) -> u64 = ReplayJobs;
});

hooked!(AuditStore {
    audits(limit: u32, before: Option<AuditId>) -> Vec<Audit> = Audits;
});

hooked!(LifeCycle {
    counts() -> Counts = Counts;
    prune(prune: Prune) -> u64 = Prune;
    check_secret(name: &'static str, check_value: [u8; 16]) -> SecretCheck = CheckSecret;
    replace_secret(name: &'static str, kept: [u8; 16], by: [u8; 16]) -> bool = ReplaceSecret;
    close() -> () = Close;
}
    fn time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(async move {
            self.hook.before(StoreCall::Time).await?;
            Ok(self.hook.time(self.store.time().await?))
        })
    }

    fn feed(&self) -> Option<StoreFeed> {
        self.hook.feed(&*self.store as &dyn Store)
    }
);
