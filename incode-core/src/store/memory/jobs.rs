use std::sync::Arc;

use super::MemoryStore;
use super::rows::{Rows, StoredJob};
use crate::identity::transition::JobCause;
use crate::store::{
    AuditAction, ClaimedJob, ClaimedJobs, JobClaim, JobFilter, JobId, JobLease, JobRow, JobSettlement, JobState,
    JobStore, ReplayJobs, StoreFuture,
};
use crate::{Actor, Timestamp};

impl JobStore for MemoryStore {
    fn claim_jobs(&self, claim: JobClaim) -> StoreFuture<'_, ClaimedJobs> {
        self.locked(|rows| {
            let limit = usize::try_from(claim.limit).unwrap_or(usize::MAX);
            let due = rows.jobs_due_of(&claim.handler).take_while(|(_, due_at, _)| *due_at <= claim.now);
            let due: Vec<_> = due.take(limit).cloned().collect();
            let jobs = due.into_iter().filter_map(|key| rows.lease_job(key, claim.lease_until)).collect();
            let next_due = rows.jobs_due_of(&claim.handler).next().map(|(_, due_at, _)| *due_at);
            Ok(ClaimedJobs { jobs, next_due })
        })
    }

    fn renew_jobs(&self, leases: Vec<JobLease>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        self.locked(|rows| {
            leases.into_iter().for_each(|lease| rows.renew_job(lease, lease_until));
            Ok(())
        })
    }

    fn settle_job(&self, lease: JobLease, settlement: JobSettlement) -> StoreFuture<'_, bool> {
        self.locked(|rows| Ok(rows.settle_job(lease, settlement)))
    }

    fn jobs(&self, filter: JobFilter) -> StoreFuture<'_, Vec<JobRow>> {
        self.locked(|rows| {
            let before = filter.before.unwrap_or(JobId(i64::MAX));
            let older = rows.jobs.range(..before).rev();
            let chosen = older
                .filter(|(_, job)| filter.state.is_none_or(|state| state == job.state))
                .filter(|(_, job)| filter.handler.as_ref().is_none_or(|handler| *handler == job.handler));
            let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
            Ok(chosen.take(limit).map(|(id, job)| job.shown(*id)).collect())
        })
    }

    fn replay_jobs(&self, which: ReplayJobs, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        self.locked(|rows| {
            let replayed = rows.replay_jobs(&which, now);
            rows.audit(AuditAction::ReplayJobs(which), by, now, replayed);
            Ok(replayed)
        })
    }
}

impl Rows {
    fn jobs_due_of(&self, handler: &Arc<str>) -> impl Iterator<Item = &(Arc<str>, Timestamp, JobId)> {
        let first = (Arc::clone(handler), Timestamp::from_millis(i64::MIN), JobId(i64::MIN));
        self.jobs_due.range(first..).take_while(move |(other, _, _)| other == handler)
    }

    fn lease_job(&mut self, key: (Arc<str>, Timestamp, JobId), lease_until: Timestamp) -> Option<ClaimedJob> {
        let id = key.2;
        let job = self.jobs.get_mut(&id)?;
        let cause = job.cause.clone()?;
        job.lease += 1;
        job.attempts = job.attempts.saturating_add(1);
        job.due_at = lease_until;
        self.jobs_due.remove(&key);
        self.jobs_due.insert(job.due_key(id));
        let subjects = job.identity_id.as_ref().and_then(|id| self.linked.get(id));
        Some(ClaimedJob {
            lease: JobLease { job: id, number: job.lease },
            cause,
            caused_at: job.caused_at,
            identity: job.identity_id.as_ref().and_then(|id| self.identities.get(id)).cloned(),
            subjects: subjects.into_iter().flatten().cloned().collect(),
            attempts: job.attempts,
        })
    }

    fn renew_job(&mut self, lease: JobLease, lease_until: Timestamp) {
        if let Some(job) = self.jobs.get_mut(&lease.job).filter(|job| job.is_held(lease)) {
            self.jobs_due.remove(&job.due_key(lease.job));
            job.due_at = lease_until;
            self.jobs_due.insert(job.due_key(lease.job));
        }
    }

    fn settle_job(&mut self, lease: JobLease, settlement: JobSettlement) -> bool {
        let Some(job) = self.jobs.get_mut(&lease.job).filter(|job| job.is_held(lease)) else { return false };
        self.jobs_due.remove(&job.due_key(lease.job));
        // A lease is good for one settlement.
        job.lease += 1;
        match settlement {
            JobSettlement::Done { at } => {
                (job.state, job.settled_at) = (JobState::Done, Some(at));
                (job.failure, job.identity_id) = (None, None);
                job.cause = job.cause.take().filter(|cause| matches!(cause, JobCause::Event { .. }));
            }
            JobSettlement::Retry { due_at, failure } => (job.due_at, job.failure) = (due_at, Some(failure)),
            JobSettlement::Release { due_at } => {
                (job.due_at, job.attempts) = (due_at, job.attempts.saturating_sub(1));
            }
            JobSettlement::Dead { failure, at } => {
                (job.state, job.settled_at) = (JobState::Dead, Some(at));
                job.failure = Some(failure);
            }
        }
        if job.state == JobState::Pending {
            self.jobs_due.insert(job.due_key(lease.job));
        }
        true
    }

    fn replay_jobs(&mut self, which: &ReplayJobs, now: Timestamp) -> u64 {
        let mut replayed = 0;
        for (id, job) in &mut self.jobs {
            let is_chosen = match which {
                ReplayJobs::One(one) => one == id,
                ReplayJobs::Dead(handler) => handler.as_ref().is_none_or(|handler| *handler == job.handler),
            };
            if is_chosen && job.state == JobState::Dead {
                job.state = JobState::Pending;
                job.lease += 1;
                job.attempts = 0;
                job.due_at = now;
                job.settled_at = None;
                self.jobs_due.insert(job.due_key(*id));
                replayed += 1;
            }
        }
        replayed
    }
}

impl StoredJob {
    fn is_held(&self, lease: JobLease) -> bool {
        self.lease == lease.number && self.state == JobState::Pending
    }

    fn due_key(&self, id: JobId) -> (Arc<str>, Timestamp, JobId) {
        (Arc::clone(&self.handler), self.due_at, id)
    }

    fn shown(&self, id: JobId) -> JobRow {
        JobRow {
            id,
            handler: Arc::clone(&self.handler),
            cause: self.cause.clone(),
            state: self.state,
            failure: self.failure,
            attempts: self.attempts,
            caused_at: self.caused_at,
            due_at: (self.state == JobState::Pending).then_some(self.due_at),
            settled_at: self.settled_at,
        }
    }
}
