use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Standing;
use crate::IdentityId;
use crate::identity::{Identity, NotActive, Observation};

/// Identities of which the vendor said that they are not ACTIVE, while the store may not know it.
///
/// Small: one entry for each such answer until it is written, and for as long after that as a read may take.
#[derive(Default)]
pub(super) struct Withheld {
    /// Whether there is any entry: a load reads this alone in the usual case.
    any: AtomicBool,
    /// Held for map operations, never across an await.
    entries: Mutex<HashMap<IdentityId, Entry>>,
}

struct Entry {
    answer: Arc<NotActive>,
    /// Set once the answer is written: the entry then counts for reads that began before that, and ends here.
    until: Option<Instant>,
    /// The standing here before, for the change that is published. It is taken once.
    before: Option<Standing>,
}

impl Withheld {
    pub(super) fn add(&self, answer: &Arc<NotActive>) {
        let mut entries = self.lock();
        entries.retain(|_, entry| entry.is_live());
        let id = &answer.seen().identity_id;
        let before = entries.get(id).and_then(|entry| entry.before);
        entries.insert(id.clone(), Entry { answer: Arc::clone(answer), until: None, before });
        self.any.store(true, Ordering::SeqCst);
    }

    /// Remembers how the identity stood before it was withheld, if this process knew it.
    pub(super) fn stood(&self, identity: &IdentityId, before: Option<Standing>) {
        if let Some(entry) = self.lock().get_mut(identity) {
            entry.before = before.or(entry.before);
        }
    }

    /// The standing before the identity was withheld, if no change was published since.
    pub(super) fn take_before(&self, identity: &IdentityId) -> Option<Standing> {
        if !self.any.load(Ordering::SeqCst) {
            return None;
        }
        self.lock().get_mut(identity)?.before.take()
    }

    /// What the vendor said is in the store. A read that began before may take `longest_read`, and finds the older row.
    pub(super) fn written(&self, seen: &Observation, longest_read: Duration) {
        if !self.any.load(Ordering::SeqCst) {
            return;
        }
        if let Some(entry) = self.lock().get_mut(&seen.identity_id)
            && entry.answer.seen().sent_at <= seen.sent_at
        {
            entry.until = entry.until.or_else(|| Instant::now().checked_add(longest_read));
        }
    }

    /// A row as this process answers by it: what the vendor said last counts, whether the row holds it yet or not.
    ///
    /// An entry does not end when the identity changes: a confirmation, or an older answer of the vendor that another
    /// process writes, is a change too.
    pub(super) fn over(&self, mut row: Identity) -> Identity {
        if !self.any.load(Ordering::SeqCst) {
            return row;
        }
        let mut entries = self.lock();
        entries.retain(|_, entry| entry.is_live());
        self.any.store(!entries.is_empty(), Ordering::SeqCst);
        if let Some(entry) = entries.get(&row.identity_id).filter(|entry| !entry.is_in(&row)) {
            row.status = entry.answer.seen().status.clone();
        }
        row
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IdentityId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_live(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }

    fn is_in(&self, row: &Identity) -> bool {
        match self.until {
            None => self.answer.is_overtaken_by(row),
            Some(_) => self.answer.is_before(row),
        }
    }
}

#[cfg(test)]
mod tests;
