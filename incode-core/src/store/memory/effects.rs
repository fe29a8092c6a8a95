use std::sync::Arc;

use super::Rows;
use crate::identity::Change;
use crate::model::EventKind;
use crate::store::{
    ClaimedJob, EventId, JobClaim, JobCounts, JobFailure, JobFilter, JobId, JobLease, JobRow, JobSettlement, JobState,
    ReplayJobs, Settled,
};
use crate::{IdentityId, ObjectId, Timestamp};

pub(super) struct Row {
    event: EventId,
    handler: Arc<str>,
    kind: EventKind,
    object_id: ObjectId,
    identity_id: Option<IdentityId>,
    state: JobState,
    failure: Option<JobFailure>,
    lease: i64,
    attempts: u32,
    applied_at: Timestamp,
    due_at: Timestamp,
    settled_at: Option<Timestamp>,
}

impl Rows {
    pub(super) fn owe(
        &mut self,
        event: EventId,
        (kind, object_id): &(EventKind, ObjectId),
        change: &Change,
        handlers: &[Arc<str>],
        at: Timestamp,
    ) {
        for handler in handlers {
            self.last_effect += 1;
            let id = JobId(self.last_effect);
            self.effects_due.insert((Arc::clone(handler), at, id));
            let row = Row {
                event,
                handler: Arc::clone(handler),
                kind: kind.clone(),
                object_id: object_id.clone(),
                identity_id: Some(change.identity_id.clone()),
                state: JobState::Pending,
                failure: None,
                lease: 0,
                attempts: 0,
                applied_at: at,
                due_at: at,
                settled_at: None,
            };
            self.effects.insert(id, row);
        }
    }

    pub(super) fn claim_jobs(&mut self, claim: &JobClaim) -> Vec<ClaimedJob> {
        let due: Vec<_> = self
            .effects_due_of(&claim.handler)
            .take_while(|(_, due_at, _)| *due_at <= claim.now)
            .take(usize::try_from(claim.limit).unwrap_or(usize::MAX))
            .cloned()
            .collect();
        due.into_iter()
            .filter_map(|key| {
                let row = self.effects.get_mut(&key.2)?;
                row.lease += 1;
                row.attempts = row.attempts.saturating_add(1);
                row.due_at = claim.lease_until;
                self.effects_due.remove(&key);
                self.effects_due.insert((key.0, claim.lease_until, key.2));
                let subjects = row.identity_id.as_ref().and_then(|id| self.subjects.get(id));
                Some(ClaimedJob {
                    lease: JobLease { effect: key.2, number: row.lease },
                    event: row.event,
                    kind: row.kind.clone(),
                    object_id: row.object_id.clone(),
                    identity: row.identity_id.as_ref().and_then(|id| self.identities.get(id)).cloned(),
                    subjects: subjects.into_iter().flatten().cloned().collect(),
                    attempts: row.attempts,
                })
            })
            .collect()
    }

    pub(super) fn next_job_due(&self, handler: &Arc<str>) -> Option<Timestamp> {
        self.effects_due_of(handler).next().map(|(_, due_at, _)| *due_at)
    }

    pub(super) fn settle_job(&mut self, lease: JobLease, settlement: JobSettlement) -> Settled {
        let Some(row) = self.effects.get_mut(&lease.effect) else { return Settled::LeaseLost };
        if row.lease != lease.number || row.state != JobState::Pending {
            return Settled::LeaseLost;
        }
        self.effects_due.remove(&row.due_key(lease.effect));
        // A lease is good for one settlement.
        row.lease += 1;
        match settlement {
            JobSettlement::Done { at } => {
                (row.state, row.settled_at) = (JobState::Done, Some(at));
                (row.failure, row.identity_id) = (None, None);
            }
            JobSettlement::Retry { due_at, failure } => (row.due_at, row.failure) = (due_at, Some(failure)),
            JobSettlement::Release { due_at } => {
                (row.due_at, row.attempts) = (due_at, row.attempts.saturating_sub(1));
            }
            JobSettlement::Dead { failure, at } => {
                (row.state, row.settled_at) = (JobState::Dead, Some(at));
                row.failure = Some(failure);
            }
        }
        if row.state == JobState::Pending {
            self.effects_due.insert(row.due_key(lease.effect));
        }
        Settled::Written(None)
    }

    pub(super) fn job_counts(&self) -> JobCounts {
        let count = |state| self.effects.values().filter(|row| row.state == state).count() as u64;
        let oldest = self.effects.values().find(|row| row.state == JobState::Pending);
        JobCounts {
            pending: count(JobState::Pending),
            dead: count(JobState::Dead),
            oldest_pending: oldest.map(|row| row.applied_at),
        }
    }

    pub(super) fn list_jobs(&self, filter: &JobFilter) -> Vec<JobRow> {
        let before = filter.before.unwrap_or(JobId(i64::MAX));
        self.effects
            .range(..before)
            .rev()
            .filter(|(_, row)| filter.state.is_none_or(|state| state == row.state))
            .filter(|(_, row)| filter.handler.as_ref().is_none_or(|handler| *handler == row.handler))
            .take(usize::try_from(filter.limit).unwrap_or(usize::MAX))
            .map(|(id, row)| row.shown(*id))
            .collect()
    }

    pub(super) fn replay_jobs(&mut self, which: &ReplayJobs, now: Timestamp) -> u64 {
        let mut replayed = 0;
        for (id, row) in &mut self.effects {
            let asked = match which {
                ReplayJobs::One(one) => one == id,
                ReplayJobs::Dead(handler) => handler.as_ref().is_none_or(|handler| *handler == row.handler),
            };
            if asked && row.state == JobState::Dead {
                row.state = JobState::Pending;
                row.lease += 1;
                row.attempts = 0;
                row.due_at = now;
                row.settled_at = None;
                self.effects_due.insert(row.due_key(*id));
                replayed += 1;
            }
        }
        replayed
    }

    pub(super) fn prune_effects(&mut self, settled_before: Timestamp) {
        self.effects.retain(|_, row| row.settled_at.is_none_or(|settled_at| settled_at >= settled_before));
    }

    /// The rows stay, so that handlers are called; whose they are is forgotten.
    pub(super) fn disown_effects(&mut self, id: &IdentityId) {
        for row in self.effects.values_mut().filter(|row| row.identity_id.as_ref() == Some(id)) {
            row.identity_id = None;
        }
    }

    fn effects_due_of(&self, handler: &Arc<str>) -> impl Iterator<Item = &(Arc<str>, Timestamp, JobId)> {
        let first = (Arc::clone(handler), Timestamp::from_millis(i64::MIN), JobId(i64::MIN));
        self.effects_due.range(first..).take_while(move |(other, _, _)| other == handler)
    }
}

impl Row {
    fn due_key(&self, id: JobId) -> (Arc<str>, Timestamp, JobId) {
        (Arc::clone(&self.handler), self.due_at, id)
    }

    fn shown(&self, id: JobId) -> JobRow {
        JobRow {
            id,
            event: self.event,
            handler: Arc::clone(&self.handler),
            kind: self.kind.clone(),
            object_id: self.object_id.clone(),
            state: self.state,
            failure: self.failure,
            attempts: self.attempts,
            applied_at: self.applied_at,
            due_at: (self.state == JobState::Pending).then_some(self.due_at),
            settled_at: self.settled_at,
        }
    }
}
