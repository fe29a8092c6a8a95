use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::{PROOF, identity};
use crate::identity::transition::ChangeRequest;
use crate::identity::{Confirmation, Identity, Link, LinkedIdentity, RefusedLink, RetainedField, SubjectState};
use crate::store::{
    Accepted, Audit, AuditId, AuditStore, Changed, Claim, Claimed, ClaimedJobs, Counts, EventDetail, EventFilter,
    EventId, EventRow, IdentityStore, InboxStore, JobClaim, JobFilter, JobLease, JobRow, JobSettlement, JobStore,
    Lease, LifeCycle, NewEvent, Prune, Replay, ReplayJobs, SecretCheck, Settled, Settlement, StoreError,
    StoreErrorKind, StoreFuture,
};
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp};

/// A store whose one interesting call, `subject`, answers when the test lets it.
pub(super) struct GatedStore {
    pub(super) loads: AtomicUsize,
    pub(super) permits: Semaphore,
    /// What the next loads read.
    status: Mutex<Result<&'static str, StoreErrorKind>>,
    /// Every reader may know of the latest status.
    pub(super) published: AtomicBool,
    /// What is kept of the subject beside its link.
    confirmations: Mutex<Vec<Confirmation>>,
}

impl GatedStore {
    pub(super) fn new(status: &'static str) -> Arc<Self> {
        Arc::new(Self {
            loads: AtomicUsize::new(0),
            permits: Semaphore::new(0),
            status: Mutex::new(Ok(status)),
            published: AtomicBool::new(false),
            confirmations: Mutex::default(),
        })
    }

    pub(super) fn answers(&self, status: Result<&'static str, StoreErrorKind>) {
        *self.status.lock().unwrap() = status;
    }

    pub(super) fn confirm(&self, confirmation: Confirmation) {
        self.confirmations.lock().unwrap().push(confirmation);
    }
}

fn no<T>() -> StoreFuture<'static, T> {
    Box::pin(async { Err(StoreError::new(StoreErrorKind::Failed)) })
}

impl IdentityStore for Arc<GatedStore> {
    fn subject(&self, subject: Subject) -> StoreFuture<'_, SubjectState> {
        Box::pin(async move {
            self.loads.fetch_add(1, Ordering::SeqCst);
            // Read first, answer later: what a slow store does.
            let status = *self.status.lock().unwrap();
            let confirmations = self.confirmations.lock().unwrap().clone();
            self.permits.acquire().await.unwrap().forget();
            let identity = identity(status.map_err(StoreError::new)?);
            let link = Link::new(subject, identity.identity_id.clone(), PROOF, Timestamp::from_millis(0));
            Ok(SubjectState { linked: Some(LinkedIdentity { link, identity }), confirmations, ..Default::default() })
        })
    }

    fn identity(&self, _: IdentityId) -> StoreFuture<'_, Option<Identity>> {
        Box::pin(async {
            let state = self.subject(Subject::new("-").unwrap()).await?;
            Ok(state.linked.map(|linked| linked.identity))
        })
    }

    fn change(&self, _: ChangeRequest) -> StoreFuture<'_, Changed> {
        no()
    }
    fn refused_link(&self, _: Subject) -> StoreFuture<'_, Option<RefusedLink>> {
        no()
    }
    fn subjects(&self, _: IdentityId) -> StoreFuture<'_, Vec<Subject>> {
        no()
    }
    fn verified_as(&self, _: ObjectId) -> StoreFuture<'_, Option<IdentityId>> {
        no()
    }
    fn fields(&self, _: IdentityId, _: Timestamp) -> StoreFuture<'_, Vec<RetainedField>> {
        no()
    }
}

impl InboxStore for Arc<GatedStore> {
    fn accept(&self, _: NewEvent) -> StoreFuture<'_, Accepted> {
        no()
    }
    fn claim(&self, _: Claim) -> StoreFuture<'_, Claimed> {
        no()
    }
    fn renew(&self, _: Vec<Lease>, _: Timestamp) -> StoreFuture<'_, ()> {
        no()
    }
    fn settle(&self, _: Lease, _: Settlement) -> StoreFuture<'_, Settled> {
        no()
    }
    fn events(&self, _: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        no()
    }
    fn event(&self, _: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        no()
    }
    fn replay(&self, _: Replay, _: Actor, _: Timestamp) -> StoreFuture<'_, u64> {
        no()
    }
}

impl JobStore for Arc<GatedStore> {
    fn claim_jobs(&self, _: JobClaim) -> StoreFuture<'_, ClaimedJobs> {
        no()
    }
    fn renew_jobs(&self, _: Vec<JobLease>, _: Timestamp) -> StoreFuture<'_, ()> {
        no()
    }

    fn settle_job(&self, _: JobLease, _: JobSettlement) -> StoreFuture<'_, bool> {
        no()
    }
    fn jobs(&self, _: JobFilter) -> StoreFuture<'_, Vec<JobRow>> {
        no()
    }
    fn replay_jobs(&self, _: ReplayJobs, _: Actor, _: Timestamp) -> StoreFuture<'_, u64> {
        no()
    }
}

impl AuditStore for Arc<GatedStore> {
    fn audits(&self, _: u32, _: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        no()
    }
}

impl LifeCycle for Arc<GatedStore> {
    fn counts(&self) -> StoreFuture<'_, Counts> {
        no()
    }
    fn prune(&self, _: Prune) -> StoreFuture<'_, u64> {
        no()
    }
    fn time(&self) -> StoreFuture<'_, Option<Timestamp>> {
        no()
    }
    fn replace_secret(&self, _: &'static str, _: [u8; 16], _: [u8; 16]) -> StoreFuture<'_, bool> {
        no()
    }

    fn check_secret(&self, _: &'static str, _: [u8; 16]) -> StoreFuture<'_, SecretCheck> {
        no()
    }
    fn close(&self) -> StoreFuture<'_, ()> {
        no()
    }
}
