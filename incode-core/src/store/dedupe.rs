use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::{EventState, InboxCounts, NewEvent};

/// What an inbox keeps in memory about its rows: how many there are of each state, and which deliveries are known.
/// Lets `accept` decide without a read, and without a random unique index that would scatter writes over the file.
#[derive(Debug, Default)]
pub(super) struct DedupeIndex {
    counts: InboxCounts,
    pending: Known,
    /// Pending rows by object, whatever their tokens.
    waiting: Known,
    done: Known,
    ignored: Known,
}

/// The two names of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// Of (kind, object id): what is suppressed once it is done.
    pub(super) object: Key,
    /// Of (kind, object id, token hash, whether the sender is the vendor): what is suppressed while it is pending.
    pub(super) delivery: Key,
}

/// A truncated SHA-256: wide enough that nobody finds two deliveries with one key, half the memory of the whole.
pub(super) type Key = [u8; 16];

/// A row that came, went, or changed its state.
#[derive(Clone, Copy, Debug)]
pub(super) struct StateChange {
    pub(super) keys: Keys,
    pub(super) from: Option<EventState>,
    pub(super) to: Option<EventState>,
}

impl DedupeIndex {
    pub(super) fn record(&mut self, StateChange { keys, from, to }: StateChange) {
        if let Some(state) = from {
            *self.count(state) = self.count(state).saturating_sub(1);
            if let Some((known, key)) = self.known(state, keys) {
                known.remove(key);
            }
            if state == EventState::Pending {
                self.waiting.remove(keys.object);
            }
        }
        if let Some(state) = to {
            *self.count(state) += 1;
            if let Some((known, key)) = self.known(state, keys) {
                known.insert(key);
            }
            if state == EventState::Pending {
                self.waiting.insert(keys.object);
            }
        }
    }

    /// Takes [`DedupeIndex::record`] back.
    #[cfg_attr(
        not(any(test, feature = "sqlite")),
        expect(dead_code, reason = "only transactions that can fail take moves back")
    )]
    pub(super) fn revert(&mut self, StateChange { keys, from, to }: StateChange) {
        self.record(StateChange { keys, from: to, to: from });
    }

    pub(super) fn knows(&self, keys: Keys, state: EventState) -> bool {
        self.is_done(keys.object)
            || match state {
                EventState::Pending => self.pending.contains(keys.delivery),
                EventState::Ignored => self.ignored.contains(keys.object),
                EventState::Done | EventState::Dead => false,
            }
    }

    /// Whether one more pending event of the object is too many: then the sender is told to come again, and a flood of
    /// forged tokens for one object ends here.
    pub(super) fn is_crowded(&self, object: Key) -> bool {
        self.counts.pending >= PENDING_KEPT || self.waiting.rows(object) >= WAITING_PER_OBJECT
    }

    /// How many of the oldest dead rows are too many.
    pub(super) fn surplus_dead(&self) -> u64 {
        self.counts.dead.saturating_sub(DEAD_KEPT)
    }

    pub(super) fn is_done(&self, object: Key) -> bool {
        self.done.contains(object)
    }

    /// Rows by state; the oldest pending one is for the rows to tell.
    pub(super) fn counts(&self) -> InboxCounts {
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

    fn known(&mut self, state: EventState, keys: Keys) -> Option<(&mut Known, Key)> {
        match state {
            EventState::Pending => Some((&mut self.pending, keys.delivery)),
            EventState::Done => Some((&mut self.done, keys.object)),
            EventState::Ignored => Some((&mut self.ignored, keys.object)),
            EventState::Dead => None,
        }
    }
}

impl Keys {
    pub(super) fn of(event: &NewEvent) -> Self {
        let mut digest = Sha256::new();
        // Lengths first: no two events may spell the same bytes.
        let kind = event.kind.as_str();
        digest.update((kind.len() as u64).to_be_bytes());
        digest.update(kind);
        if let Some(object) = &event.object_id {
            digest.update((object.as_str().len() as u64).to_be_bytes());
            digest.update(object.as_str());
        }
        let object = digest.clone();
        digest.update(event.token_hash.0);
        // What anybody could have sent never stands for what the vendor sent.
        if !event.authenticated {
            digest.update(b"stranger");
        }
        Self { object: truncated(object), delivery: truncated(digest) }
    }
}

/// Keys with how many rows hold each: a replayed event can be the second pending row of its key.
#[derive(Debug, Default)]
struct Known(HashMap<Key, u32>);

impl Known {
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

fn truncated(digest: Sha256) -> Key {
    let mut key = Key::default();
    for (to, from) in key.iter_mut().zip(digest.finalize()) {
        *to = from;
    }
    key
}

/// How many ignored rows are kept.
pub(super) const IGNORED_KEPT: u64 = 10_000;

/// How many dead rows are kept: enough to look through, too few to fill a disk.
pub(super) const DEAD_KEPT: u64 = 100_000;

/// How many pending rows are kept in all: some hundred MiB of file.
pub(super) const PENDING_KEPT: u64 = 1_000_000;

/// How many pending rows of one object are kept. The vendor sends one, and a few more if every retry had a new token.
pub(super) const WAITING_PER_OBJECT: u32 = 64;

#[cfg(test)]
mod tests;
