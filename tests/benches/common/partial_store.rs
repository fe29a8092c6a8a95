//! Stores that do one thing of many, for what is measured against them.

use std::future::pending;

use incode_core::identity::transition::ChangeRequest;
use incode_core::identity::{Identity, RefusedLink, RetainedField, SubjectState};
use incode_core::store::{
    Accepted, Audit, AuditId, AuditStore, Changed, Claim, Claimed, ClaimedJobs, Counts, EventDetail, EventFilter,
    EventId, EventRow, IdentityStore, InboxStore, JobClaim, JobFilter, JobLease, JobRow, JobSettlement, JobStore,
    Lease, LifeCycle, NewEvent, Prune, Replay, ReplayJobs, SecretCheck, Settled, Settlement, StoreError,
    StoreErrorKind, StoreFuture,
};
use incode_core::{Actor, IdentityId, ObjectId, Subject, Timestamp};

/// What a benchmark needs of a store.
pub(crate) trait Part: Send + Sync + 'static {
    fn accept(&self, _: NewEvent) -> StoreFuture<'_, Accepted> {
        unavailable()
    }

    fn subject(&self, _: Subject) -> StoreFuture<'_, SubjectState> {
        unavailable()
    }
}

/// A [`Part`] as a store. It never has work to give: a claim waits for ever, and with it the worker, so that nothing runs
/// beside what is measured.
pub(crate) struct PartialStore<P>(pub(crate) P);

/// Methods that no benchmark calls.
macro_rules! unavailable {
    ($($method:ident($($argument:ty),*) -> $answer:ty;)*) => { $(
        fn $method(&self $(, _: $argument)*) -> StoreFuture<'_, $answer> {
            unavailable()
        }
    )* };
}

impl<P: Part> InboxStore for PartialStore<P> {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        self.0.accept(event)
    }

    fn claim(&self, _: Claim) -> StoreFuture<'_, Claimed> {
        Box::pin(pending())
    }

    unavailable! {
        renew(Vec<Lease>, Timestamp) -> ();
        settle(Lease, Settlement) -> Settled;
        events(EventFilter) -> Vec<EventRow>;
        event(EventId) -> Option<EventDetail>;
        replay(Replay, Actor, Timestamp) -> u64;
    }
}

impl<P: Part> IdentityStore for PartialStore<P> {
    fn subject(&self, subject: Subject) -> StoreFuture<'_, SubjectState> {
        self.0.subject(subject)
    }

    unavailable! {
        change(ChangeRequest) -> Changed;
        refused_link(Subject) -> Option<RefusedLink>;
        identity(IdentityId) -> Option<Identity>;
        subjects(IdentityId) -> Vec<Subject>;
        verified_as(ObjectId) -> Option<IdentityId>;
        fields(IdentityId, Timestamp) -> Vec<RetainedField>;
    }
}

impl<P: Part> JobStore for PartialStore<P> {
    unavailable! {
        claim_jobs(JobClaim) -> ClaimedJobs;
        renew_jobs(Vec<JobLease>, Timestamp) -> ();
        settle_job(JobLease, JobSettlement) -> bool;
        jobs(JobFilter) -> Vec<JobRow>;
        replay_jobs(ReplayJobs, Actor, Timestamp) -> u64;
    }
}

impl<P: Part> AuditStore for PartialStore<P> {
    unavailable! { audits(u32, Option<AuditId>) -> Vec<Audit>; }
}

impl<P: Part> LifeCycle for PartialStore<P> {
    fn prune(&self, _: Prune) -> StoreFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }

    fn time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(async { Ok(None) })
    }

    fn replace_secret(&self, _: &'static str, _: [u8; 16], _: [u8; 16]) -> StoreFuture<'_, bool> {
        Box::pin(async { Ok(true) })
    }

    fn check_secret(&self, _: &'static str, _: [u8; 16]) -> StoreFuture<'_, SecretCheck> {
        Box::pin(async { Ok(SecretCheck::New) })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    unavailable! { counts() -> Counts; }
}

fn unavailable<'a, T: Send + 'a>() -> StoreFuture<'a, T> {
    Box::pin(async { Err(StoreError::new(StoreErrorKind::Unavailable)) })
}
