//! Which deliveries are known already. The rules are here; an engine looks keys up and counts rows.
//!
//! An event has three keys. Rows are found by them:
//! - *object*: (kind, object id, whether the sender is the vendor). Bounds the pending rows of one object.
//! - *delivery*: the object with the token. The same delivery is kept once while it is pending.
//! - *done*: the events that a done row covers. For the vendor's own events that is the object: the vendor sends it
//!   again with another token. For events of an unauthenticated sender it is the delivery alone. Otherwise an
//!   attacker's event would count as the vendor's own about another person.
//!
//! A fourth key, [`applied_key`], is known once the vendor was asked: the object with the identity it was applied to.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::model::EventKind;
use crate::{IdentityId, ObjectId};

use super::{EventState, InboxCounts, NewEvent};

/// A truncated SHA-256: wide enough that two deliveries never share one, half the memory of the whole.
pub type Key = [u8; 16];

/// The keys of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKeys {
    /// Of (kind, object id, whether the sender is the vendor).
    pub object: Key,
    /// Of the object and the token.
    pub delivery: Key,
    /// The key of the events that this one covers once it is done.
    pub done: Key,
}

/// How a new event is admitted: the rule as data, so that an engine can apply it to a whole batch in one statement.
///
/// In this order: the event is a duplicate when a row holds one of the keys named here; it is refused as
/// [`Busy`](super::StoreErrorKind::Busy) when too many rows are pending; otherwise it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// A duplicate when a done row has this done key.
    pub unless_done: Key,
    /// A duplicate when a pending row has this delivery key.
    pub unless_pending: Option<Key>,
    /// A duplicate when an ignored row has this object key.
    pub unless_ignored: Option<Key>,
    /// Refused when the pending rows of this object key reach [`PENDING_PER_OBJECT`], or all pending rows reach
    /// [`PENDING_KEPT`].
    pub bounded_by: Option<Key>,
}

impl Admission {
    /// The rule for an event.
    pub fn of(event: &NewEvent) -> Self {
        let keys = EventKeys::of(event);
        let is = |state| event.state == state;
        Self {
            unless_done: keys.done,
            unless_pending: is(EventState::Pending).then_some(keys.delivery),
            unless_ignored: is(EventState::Ignored).then_some(keys.object),
            bounded_by: is(EventState::Pending).then_some(keys.object),
        }
    }
}

impl EventKeys {
    /// The keys of an event.
    pub fn of(event: &NewEvent) -> Self {
        let digest = delivery_digest(&event.kind, event.object_id.as_ref(), event.authenticated);
        let object = truncated(digest.clone());
        let delivery = truncated(digest.chain_update(event.token_hash.0));
        Self { object, delivery, done: if event.authenticated { object } else { delivery } }
    }
}

/// The object key of an event: [`EventKeys::object`].
pub fn object_key(kind: &EventKind, object_id: Option<&ObjectId>, authenticated: bool) -> Key {
    truncated(delivery_digest(kind, object_id, authenticated))
}

/// An event of an unauthenticated sender never covers one of the vendor's.
fn delivery_digest(kind: &EventKind, object_id: Option<&ObjectId>, authenticated: bool) -> Sha256 {
    object_digest(kind, object_id).chain_update([u8::from(authenticated)])
}

/// The key of an object that was applied to an identity: its handlers are called once, however many events named it.
pub fn applied_key(kind: &EventKind, object_id: &ObjectId, identity: &IdentityId) -> Key {
    let mut digest = object_digest(kind, Some(object_id));
    digest.update((identity.as_str().len() as u64).to_be_bytes());
    digest.update(identity.as_str());
    truncated(digest)
}

/// Lengths come before texts: no two objects may spell the same bytes.
fn object_digest(kind: &EventKind, object_id: Option<&ObjectId>) -> Sha256 {
    let mut digest = Sha256::new();
    digest.update((kind.as_str().len() as u64).to_be_bytes());
    digest.update(kind.as_str());
    if let Some(object) = object_id {
        digest.update((object.as_str().len() as u64).to_be_bytes());
        digest.update(object.as_str());
    }
    digest
}

fn truncated(digest: Sha256) -> Key {
    let mut key = Key::default();
    for (to, from) in key.iter_mut().zip(digest.finalize()) {
        *to = from;
    }
    key
}

/// An inbox's keys in memory, with the number of rows in each state. For engines that keep the whole inbox in one
/// process: `accept` decides without a read, and without a random unique index that would scatter writes over the file.
#[derive(Debug, Default)]
pub struct DedupeIndex {
    counts: InboxCounts,
    /// Delivery keys of pending rows.
    pending: KeyCounts,
    /// Object keys of pending rows.
    pending_objects: KeyCounts,
    /// Done keys of done rows.
    done: KeyCounts,
    /// Applied keys of done rows.
    applied: KeyCounts,
    /// Object keys of ignored rows.
    ignored: KeyCounts,
}

/// A row that was inserted, removed, or moved to another state.
#[derive(Clone, Copy, Debug)]
pub struct StateChange {
    /// Its keys.
    pub keys: EventKeys,
    /// Its applied key, of a done row.
    pub applied: Option<Key>,
    /// The state it leaves; `None` for a new row.
    pub from: Option<EventState>,
    /// The state it enters; `None` for a removed row.
    pub to: Option<EventState>,
}

impl DedupeIndex {
    /// Follows a change of a row.
    pub fn record(&mut self, StateChange { keys, applied, from, to }: StateChange) {
        if let Some(state) = from {
            *self.count(state) = self.count(state).saturating_sub(1);
            self.each(state, keys, applied, KeyCounts::remove);
        }
        if let Some(state) = to {
            *self.count(state) += 1;
            self.each(state, keys, applied, KeyCounts::insert);
        }
    }

    /// Takes [`DedupeIndex::record`] back: the transaction failed.
    pub fn revert(&mut self, StateChange { keys, applied, from, to }: StateChange) {
        self.record(StateChange { keys, applied, from: to, to: from });
    }

    /// Whether the event is a duplicate.
    pub fn is_known(&self, admission: &Admission) -> bool {
        self.is_done(admission.unless_done)
            || admission.unless_pending.is_some_and(|key| self.pending.contains(key))
            || admission.unless_ignored.is_some_and(|key| self.ignored.contains(key))
    }

    /// Whether too many rows are pending for one more: a flood of forged tokens for one object ends here.
    pub fn is_crowded(&self, admission: &Admission) -> bool {
        admission.bounded_by.is_some_and(|object| {
            self.counts.pending >= PENDING_KEPT || self.pending_objects.rows(object) >= PENDING_PER_OBJECT
        })
    }

    /// Whether a done row has this done key.
    pub fn is_done(&self, done: Key) -> bool {
        self.done.contains(done)
    }

    /// Whether a done row has this applied key.
    pub fn is_applied(&self, applied: Key) -> bool {
        self.applied.contains(applied)
    }

    /// How many of the oldest dead rows are too many.
    pub fn surplus_dead(&self) -> u64 {
        self.counts.dead.saturating_sub(DEAD_KEPT)
    }

    /// Rows by state; the oldest pending one is not known here.
    pub fn counts(&self) -> InboxCounts {
        self.counts
    }

    fn count(&mut self, state: EventState) -> &mut u64 {
        match state {
            EventState::Pending => &mut self.counts.pending,
            EventState::Done => &mut self.counts.done,
            EventState::Dead => &mut self.counts.dead,
            EventState::Ignored => &mut self.counts.ignored,
        }
    }

    fn each(&mut self, state: EventState, keys: EventKeys, applied: Option<Key>, act: fn(&mut KeyCounts, Key)) {
        match state {
            EventState::Pending => {
                act(&mut self.pending, keys.delivery);
                act(&mut self.pending_objects, keys.object);
            }
            EventState::Done => {
                act(&mut self.done, keys.done);
                if let Some(applied) = applied {
                    act(&mut self.applied, applied);
                }
            }
            EventState::Ignored => act(&mut self.ignored, keys.object),
            EventState::Dead => {}
        }
    }
}

/// Keys with how many rows hold each: a replayed event can be the second pending row of its key.
#[derive(Debug, Default)]
struct KeyCounts(HashMap<Key, u32>);

impl KeyCounts {
    fn contains(&self, key: Key) -> bool {
        self.0.contains_key(&key)
    }

    fn rows(&self, key: Key) -> u32 {
        self.0.get(&key).copied().unwrap_or(0)
    }

    fn insert(&mut self, key: Key) {
        *self.0.entry(key).or_default() += 1;
    }

    fn remove(&mut self, key: Key) {
        if let Some(rows) = self.0.get_mut(&key) {
            *rows -= 1;
            if *rows == 0 {
                self.0.remove(&key);
                // Gives memory back after a prune, without doing so at every removal.
                if self.0.capacity() > 1024 && self.0.len() < self.0.capacity() / 4 {
                    self.0.shrink_to(self.0.len() * 2);
                }
            }
        }
    }
}

/// How many ignored rows are kept: a sender of unknown kinds can't fill the store.
pub const IGNORED_KEPT: u64 = 10_000;

/// How many dead rows are kept: enough to look through, too few to fill a disk.
pub const DEAD_KEPT: u64 = 100_000;

/// How many pending rows are kept in all: some hundred MiB of file.
pub const PENDING_KEPT: u64 = 1_000_000;

/// How many pending rows of one object are kept. The vendor sends one, and a few more if every retry had a new token.
pub const PENDING_PER_OBJECT: u32 = 64;

#[cfg(test)]
mod tests;
