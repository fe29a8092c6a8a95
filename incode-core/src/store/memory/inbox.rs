use super::MemoryStore;
use super::rows::{Rows, StoredEvent};
use crate::store::dedupe::{Admission, EventKeys, IGNORED_KEPT, StateChange};
use crate::store::{
    Accepted, AuditAction, Claim, Claimed, ClaimedEvent, DeadFilter, EventDetail, EventFilter, EventId, EventRow,
    EventState, InboxStore, Lease, NewEvent, Replay, Settled, Settlement, StoreError, StoreErrorKind, StoreFuture,
};
use crate::{Actor, Timestamp};

impl InboxStore for MemoryStore {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        self.locked(|rows| rows.accept(event, self.capacity))
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Claimed> {
        self.locked(|rows| Ok(rows.claim(claim)))
    }

    fn renew(&self, leases: Vec<Lease>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        self.locked(|rows| {
            leases.into_iter().for_each(|lease| rows.renew(lease, lease_until));
            Ok(())
        })
    }

    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled> {
        self.locked(|rows| Ok(rows.settle(lease, settlement)))
    }

    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        self.locked(|rows| {
            let before = filter.before.unwrap_or(EventId(i64::MAX));
            let older = rows.events.range(..before).rev();
            let chosen = older
                .filter(|(_, row)| filter.state.is_none_or(|state| state == row.event.state))
                .filter(|(_, row)| filter.reason.is_none_or(|reason| Some(reason) == row.event.reason))
                .filter(|(_, row)| filter.kind.as_ref().is_none_or(|kind| *kind == row.event.kind));
            let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
            Ok(chosen.take(limit).map(|(id, row)| row.shown(*id)).collect())
        })
    }

    fn event(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        self.locked(|rows| {
            let Some(row) = rows.events.get(&id) else { return Ok(None) };
            Ok(Some(EventDetail {
                row: row.shown(id),
                vendor_time: row.event.vendor_time,
                has_token: !row.event.token.is_empty(),
                object_done: rows.index.is_done(row.keys.done),
            }))
        })
    }

    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        self.locked(|rows| {
            let replayed = rows.replay(&which, now);
            rows.audit(AuditAction::Replay(which), by, now, replayed);
            Ok(replayed)
        })
    }
}

impl Rows {
    fn accept(&mut self, event: NewEvent, capacity: usize) -> Result<Accepted, StoreError> {
        if event.state == EventState::Pending && event.object_id.is_none() {
            return Err(StoreError::with_source(StoreErrorKind::Failed, "a pending event needs an object id"));
        }
        let admission = Admission::of(&event);
        if self.index.is_known(&admission) {
            return Ok(Accepted::Duplicate);
        }
        if self.index.is_crowded(&admission) {
            return Err(StoreError::new(StoreErrorKind::Busy));
        }
        if event.state == EventState::Ignored && self.index.counts().ignored >= IGNORED_KEPT {
            let is_ignored = |row: &StoredEvent| row.event.state == EventState::Ignored;
            let oldest = self.events.iter().find(|(_, row)| is_ignored(row)).map(|(id, _)| *id);
            oldest.into_iter().for_each(|id| self.remove_event(id));
        }
        if self.events.len() >= capacity {
            return Err(StoreError::new(StoreErrorKind::Full));
        }
        self.last_event += 1;
        let id = EventId(self.last_event);
        let (state, due_at) = (event.state, event.received_at);
        let settled_at = (state != EventState::Pending).then_some(due_at);
        let keys = EventKeys::of(&event);
        let row = StoredEvent { event, keys, applied: None, lease: 0, attempts: 0, due_at, settled_at };
        if state == EventState::Pending {
            self.due.insert(row.due_key(id));
        }
        self.index.record(StateChange { keys, applied: None, from: None, to: Some(state) });
        self.events.insert(id, row);
        Ok(Accepted::New(id))
    }

    fn claim(&mut self, claim: Claim) -> Claimed {
        let limit = usize::try_from(claim.limit).unwrap_or(usize::MAX);
        let due = [false, true].into_iter().flat_map(|class| {
            let due = self.due.range((class, EARLIEST, FIRST)..=(class, claim.now, LAST)).copied();
            let due: Box<dyn Iterator<Item = _>> = if claim.newest_first { Box::new(due.rev()) } else { Box::new(due) };
            due
        });
        let due: Vec<_> = due.take(limit).collect();
        let events = due.into_iter().filter_map(|key| self.lease(key, claim.lease_until)).collect();
        Claimed { events, next_due: self.next_due() }
    }

    fn lease(&mut self, key: (bool, Timestamp, EventId), lease_until: Timestamp) -> Option<ClaimedEvent> {
        let (_, _, id) = key;
        let row = self.events.get_mut(&id)?;
        let object_id = row.event.object_id.clone()?;
        row.lease += 1;
        row.attempts = row.attempts.saturating_add(1);
        row.due_at = lease_until;
        self.due.remove(&key);
        self.due.insert(row.due_key(id));
        Some(ClaimedEvent {
            lease: Lease { event: id, number: row.lease },
            kind: row.event.kind.clone(),
            object_id,
            token: row.event.token.clone(),
            correlation_id: row.event.correlation_id.clone(),
            vendor_time: row.event.vendor_time,
            received_at: row.event.received_at,
            authenticated: row.event.authenticated,
            attempts: row.attempts,
            already_done: self.index.is_done(row.keys.done),
        })
    }

    fn next_due(&self) -> Option<Timestamp> {
        let first = |class| self.due.range((class, EARLIEST, FIRST)..=(class, LATEST, LAST)).next();
        [false, true].into_iter().filter_map(first).map(|(_, due_at, _)| *due_at).min()
    }

    fn renew(&mut self, lease: Lease, lease_until: Timestamp) {
        if let Some(row) = self.events.get_mut(&lease.event).filter(|row| row.is_held(lease)) {
            self.due.remove(&row.due_key(lease.event));
            row.due_at = lease_until;
            self.due.insert(row.due_key(lease.event));
        }
    }

    fn settle(&mut self, lease: Lease, settlement: Settlement) -> Settled {
        let Some(row) = self.events.get_mut(&lease.event).filter(|row| row.is_held(lease)) else {
            return Settled::LeaseLost;
        };
        self.due.remove(&row.due_key(lease.event));
        // A lease is good for one settlement.
        row.lease += 1;
        match settlement {
            Settlement::Done { apply, at } => {
                row.event.reason = None;
                row.wipe();
                let changed = apply.map(|request| self.change(&request));
                let applied = changed.as_ref().and_then(|(_, applied)| *applied);
                self.end(lease.event, EventState::Done, applied, at);
                return Settled::Written(changed.map(|(changed, _)| (changed.outcome, changed.change)));
            }
            Settlement::Dead { reason, wipe_token, at } => {
                row.event.reason = Some(reason);
                if wipe_token {
                    row.wipe();
                }
                self.end(lease.event, EventState::Dead, None, at);
                return Settled::Written(None);
            }
            Settlement::Retry { due_at, reason } => {
                row.due_at = due_at;
                row.event.reason = Some(reason);
            }
            Settlement::Release { due_at, reason } => {
                row.due_at = due_at;
                row.attempts = row.attempts.saturating_sub(1);
                row.event.reason = reason.or(row.event.reason);
            }
        }
        self.due.insert(row.due_key(lease.event));
        Settled::Written(None)
    }

    /// A pending event enters its last state.
    fn end(&mut self, id: EventId, to: EventState, applied: Option<crate::store::dedupe::Key>, at: Timestamp) {
        if let Some(row) = self.events.get_mut(&id) {
            (row.event.state, row.applied, row.settled_at) = (to, applied, Some(at));
            self.index.record(StateChange { keys: row.keys, applied, from: Some(EventState::Pending), to: Some(to) });
        }
    }

    fn replay(&mut self, which: &Replay, now: Timestamp) -> u64 {
        let mut replayed = 0;
        for (id, row) in &mut self.events {
            let is_chosen = match which {
                Replay::One(one) => one == id,
                Replay::Dead(filter) => row.is_taken_by(filter),
            };
            if !is_chosen || row.event.state != EventState::Dead || row.event.object_id.is_none() {
                continue;
            }
            row.event.state = EventState::Pending;
            row.lease += 1;
            row.attempts = 0;
            row.due_at = now;
            row.settled_at = None;
            self.due.insert(row.due_key(*id));
            let (from, to) = (Some(EventState::Dead), Some(EventState::Pending));
            self.index.record(StateChange { keys: row.keys, applied: None, from, to });
            replayed += 1;
        }
        replayed
    }

    pub(super) fn remove_event(&mut self, id: EventId) {
        if let Some(row) = self.events.remove(&id) {
            self.due.remove(&row.due_key(id));
            let from = Some(row.event.state);
            self.index.record(StateChange { keys: row.keys, applied: row.applied, from, to: None });
        }
    }
}

impl StoredEvent {
    pub(super) fn wipe(&mut self) {
        self.event.token = Vec::new();
        self.event.correlation_id = None;
    }

    fn is_held(&self, lease: Lease) -> bool {
        self.lease == lease.number && self.event.state == EventState::Pending
    }

    fn due_key(&self, id: EventId) -> (bool, Timestamp, EventId) {
        (self.event.implausible, self.due_at, id)
    }

    fn is_taken_by(&self, DeadFilter { reason, kind, accepted_before }: &DeadFilter) -> bool {
        reason.is_none_or(|reason| self.event.reason == Some(reason))
            && kind.as_ref().is_none_or(|kind| self.event.kind == *kind)
            && accepted_before.is_none_or(|before| self.event.received_at < before)
    }

    fn shown(&self, id: EventId) -> EventRow {
        EventRow {
            id,
            kind: self.event.kind.clone(),
            object_id: self.event.object_id.clone(),
            state: self.event.state,
            reason: self.event.reason,
            attempts: self.attempts,
            received_at: self.event.received_at,
            due_at: (self.event.state == EventState::Pending).then_some(self.due_at),
            settled_at: self.settled_at,
        }
    }
}

/// The bounds of a range over all due times of one class.
const EARLIEST: Timestamp = Timestamp::from_millis(i64::MIN);
const LATEST: Timestamp = Timestamp::from_millis(i64::MAX);
const FIRST: EventId = EventId(i64::MIN);
const LAST: EventId = EventId(i64::MAX);
