use super::Rows;
use crate::Timestamp;
use crate::store::dedupe::{IGNORED_KEPT, Keys, StateChange};
use crate::store::{
    Accepted, Claim, ClaimedEvent, DeadFilter, EventDetail, EventFilter, EventId, EventRow, EventState, InboxCounts,
    Lease, NewEvent, Prune, Replay, Settled, Settlement, StoreError, StoreErrorKind,
};

pub(super) struct Row {
    event: NewEvent,
    keys: Keys,
    lease: i64,
    attempts: u32,
    due_at: Timestamp,
    settled_at: Option<Timestamp>,
}

impl Rows {
    pub(super) fn accept(&mut self, event: NewEvent, capacity: usize) -> Result<Accepted, StoreError> {
        if event.state == EventState::Pending && event.object_id.is_none() {
            return Err(StoreError::with_source(StoreErrorKind::Failed, "a pending event needs an object id"));
        }
        let keys = Keys::of(&event);
        if self.ledger.knows(keys, event.state) {
            return Ok(Accepted::Duplicate);
        }
        if event.state == EventState::Pending && self.ledger.is_crowded(keys.object) {
            return Err(StoreError::new(StoreErrorKind::Busy));
        }
        if event.state == EventState::Ignored && self.ledger.counts().ignored >= IGNORED_KEPT {
            let oldest = self.events.iter().find(|(_, row)| row.event.state == EventState::Ignored).map(|(id, _)| *id);
            if let Some(id) = oldest {
                self.remove(id);
            }
        }
        if self.events.len() >= capacity {
            return Err(StoreError::new(StoreErrorKind::Full));
        }
        self.last_id += 1;
        let id = EventId(self.last_id);
        let (state, due_at) = (event.state, event.received_at);
        let settled_at = (state != EventState::Pending).then_some(due_at);
        if state == EventState::Pending {
            self.due.insert((due_at, id));
        }
        self.ledger.record(StateChange { keys, from: None, to: Some(state) });
        self.events.insert(id, Row { event, keys, lease: 0, attempts: 0, due_at, settled_at });
        Ok(Accepted::New(id))
    }

    pub(super) fn claim(&mut self, claim: Claim) -> Vec<ClaimedEvent> {
        let limit = usize::try_from(claim.limit).unwrap_or(usize::MAX);
        let due = self.due.range(..=(claim.now, EventId(i64::MAX))).copied();
        let due: Vec<_> = if claim.newest_first { due.rev().take(limit).collect() } else { due.take(limit).collect() };
        due.into_iter()
            .filter_map(|(due_at, id)| {
                let row = self.events.get_mut(&id)?;
                let object_id = row.event.object_id.clone()?;
                row.lease += 1;
                row.attempts = row.attempts.saturating_add(1);
                row.due_at = claim.lease_until;
                self.due.remove(&(due_at, id));
                self.due.insert((claim.lease_until, id));
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
                    already_done: self.ledger.is_done(row.keys.object),
                })
            })
            .collect()
    }

    pub(super) fn settle(&mut self, lease: Lease, settlement: Settlement) -> Settled {
        let Some(row) = self.events.get_mut(&lease.event) else { return Settled::LeaseLost };
        if row.lease != lease.number || row.event.state != EventState::Pending {
            return Settled::LeaseLost;
        }
        self.due.remove(&(row.due_at, lease.event));
        // A lease is good for one settlement.
        row.lease += 1;
        let keys = row.keys;
        let first_of_object = !self.ledger.is_done(keys.object);
        let mut ends = |row: &mut Row, to, at| {
            row.event.state = to;
            row.settled_at = Some(at);
            self.ledger.record(StateChange { keys, from: Some(EventState::Pending), to: Some(to) });
        };
        match settlement {
            Settlement::Done { seen, link, handlers, at } => {
                ends(row, EventState::Done, at);
                row.event.reason = None;
                row.wipe();
                let object = row.event.object_id.clone().map(|id| (row.event.kind.clone(), id));
                let received_at = row.event.received_at;
                let seen = seen.and_then(|seen| self.observe(&seen, seen.dates_from(received_at)));
                if let (Some(change), Some(object), true) = (&seen, &object, first_of_object) {
                    self.owe(lease.event, object, change, &handlers, at);
                }
                let linked = link.and_then(|link| {
                    let since = link.seen.dates_from(received_at);
                    match self.link(*link, since) {
                        crate::store::Linked::Done(change) => Some(change),
                        _ => None,
                    }
                });
                return Settled::Written(linked.or(seen));
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
            Settlement::Dead { reason, wipe_token, at } => {
                ends(row, EventState::Dead, at);
                row.event.reason = Some(reason);
                if wipe_token {
                    row.wipe();
                }
                return Settled::Written(None);
            }
        }
        self.due.insert((row.due_at, lease.event));
        Settled::Written(None)
    }

    pub(super) fn counts(&self) -> InboxCounts {
        let oldest = self.events.values().find(|row| row.event.state == EventState::Pending);
        InboxCounts { oldest_pending: oldest.map(|row| row.event.received_at), ..self.ledger.counts() }
    }

    pub(super) fn list(&self, filter: &EventFilter) -> Vec<EventRow> {
        let before = filter.before.unwrap_or(EventId(i64::MAX));
        self.events
            .range(..before)
            .rev()
            .filter(|(_, row)| filter.state.is_none_or(|state| state == row.event.state))
            .filter(|(_, row)| filter.reason.is_none_or(|reason| Some(reason) == row.event.reason))
            .filter(|(_, row)| filter.kind.as_ref().is_none_or(|kind| *kind == row.event.kind))
            .take(usize::try_from(filter.limit).unwrap_or(usize::MAX))
            .map(|(id, row)| row.shown(*id))
            .collect()
    }

    pub(super) fn inspect(&self, id: EventId) -> Option<EventDetail> {
        let row = self.events.get(&id)?;
        Some(EventDetail {
            row: row.shown(id),
            vendor_time: row.event.vendor_time,
            has_token: !row.event.token.is_empty(),
            object_done: self.ledger.is_done(row.keys.object),
        })
    }

    pub(super) fn replay(&mut self, which: &Replay, now: Timestamp) -> u64 {
        let mut replayed = 0;
        for (id, row) in &mut self.events {
            let asked = match which {
                Replay::One(one) => one == id,
                Replay::Dead(filter) => row.is_taken_by(filter),
            };
            if !asked || row.event.state != EventState::Dead || row.event.object_id.is_none() {
                continue;
            }
            row.event.state = EventState::Pending;
            row.lease += 1;
            row.attempts = 0;
            row.due_at = now;
            row.settled_at = None;
            self.due.insert((now, *id));
            self.ledger.record(StateChange {
                keys: row.keys,
                from: Some(EventState::Dead),
                to: Some(EventState::Pending),
            });
            replayed += 1;
        }
        replayed
    }

    pub(super) fn prune(&mut self, prune: Prune) -> u64 {
        self.spent.retain(|_, expires_at| *expires_at >= prune.now);
        let mut gone = Vec::new();
        for (id, row) in &mut self.events {
            let Some(settled_at) = row.settled_at else { continue };
            if settled_at < prune.settled_before {
                gone.push(*id);
            } else if row.event.state == EventState::Dead && settled_at < prune.tokens_before {
                row.wipe();
            }
        }
        let surplus = usize::try_from(self.ledger.surplus_dead()).unwrap_or(usize::MAX);
        let dead = self.events.iter().filter(|(_, row)| row.event.state == EventState::Dead);
        gone.extend(dead.map(|(id, _)| *id).take(surplus));
        self.prune_effects(prune.settled_before);
        self.prune_fields(prune.now);
        let removed = gone.len() as u64;
        gone.into_iter().for_each(|id| self.remove(id));
        removed
    }

    fn remove(&mut self, id: EventId) {
        if let Some(row) = self.events.remove(&id) {
            self.due.remove(&(row.due_at, id));
            self.ledger.record(StateChange { keys: row.keys, from: Some(row.event.state), to: None });
        }
    }
}

impl Row {
    fn wipe(&mut self) {
        self.event.token = Vec::new();
        self.event.correlation_id = None;
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
