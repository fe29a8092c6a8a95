use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Single flight: work under way by key, done once however many wait for it.
///
/// The lock is held for a few map operations and never across I/O.
pub(crate) struct SingleFlight<K, V> {
    under_way: Mutex<HashMap<K, Flight<V>>>,
    /// Numbers flights, so that an old one can't finish for a new one of the same key.
    next: AtomicU64,
}

struct Flight<V> {
    number: u64,
    done: watch::Receiver<Option<V>>,
}

/// How a caller gets the value of a flight.
pub(crate) enum Join<K, V> {
    /// One has just finished.
    Ready(V),
    /// Another task is loading it.
    Waiting(Waiter<V>),
    /// This caller must load it.
    Leader(Waiter<V>, LeaderGuard<K, V>),
}

/// The right to finish a flight. When it is dropped unfinished, every waiter gets `None`.
pub(crate) struct LeaderGuard<K, V> {
    pub(crate) key: K,
    number: u64,
    done: watch::Sender<Option<V>>,
}

/// Waits for a flight.
pub(crate) struct Waiter<V>(watch::Receiver<Option<V>>);

impl<K: Clone + Eq + Hash, V: Clone> SingleFlight<K, V> {
    /// Joins the flight under way for `key`, or starts one.
    ///
    /// `known` is asked before one is started: a flight may have finished since the caller looked.
    pub(crate) fn join(&self, key: K, known: impl FnOnce() -> Option<V>) -> Join<K, V> {
        let mut under_way = self.lock();
        match under_way.get(&key) {
            // A sender that is gone means that the flight's runtime has ended: it would never finish.
            Some(flight) if flight.done.has_changed().is_ok() => Join::Waiting(Waiter(flight.done.clone())),
            _ => match known() {
                Some(value) => Join::Ready(value),
                None => self.lead(&mut under_way, key),
            },
        }
    }

    /// Starts a flight in any case: the one under way, if there is one, may have read too early.
    pub(crate) fn start(&self, key: K) -> Join<K, V> {
        self.lead(&mut self.lock(), key)
    }

    fn lead(&self, under_way: &mut HashMap<K, Flight<V>>, key: K) -> Join<K, V> {
        let (sender, done) = watch::channel(None);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        under_way.insert(key.clone(), Flight { number, done: done.clone() });
        Join::Leader(Waiter(done), LeaderGuard { key, number, done: sender })
    }

    /// Gives every waiter what `outcome` makes. Its argument says whether the flight is still the key's own: if not, it was
    /// forgotten meanwhile, and its value is not to be cached. No flight is forgotten while `outcome` runs.
    pub(crate) fn finish(&self, guard: LeaderGuard<K, V>, outcome: impl FnOnce(bool) -> V) {
        let mut under_way = self.lock();
        let is_own = under_way.get(&guard.key).is_some_and(|flight| flight.number == guard.number);
        if is_own {
            under_way.remove(&guard.key);
        }
        let outcome = outcome(is_own);
        drop(under_way);
        guard.done.send_replace(Some(outcome));
    }

    /// Later callers start anew. `also` runs before any of them can.
    pub(crate) fn forget<'a>(&self, keys: impl IntoIterator<Item = &'a K>, also: impl FnOnce())
    where
        K: 'a,
    {
        let mut under_way = self.lock();
        for key in keys {
            under_way.remove(key);
        }
        also();
    }

    /// The same for all.
    pub(crate) fn forget_all(&self, also: impl FnOnce()) {
        let mut under_way = self.lock();
        under_way.clear();
        also();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Flight<V>>> {
        // Every change to the map is one call, so it is whole even if a thread panicked under the lock.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self { under_way: Mutex::default(), next: AtomicU64::new(0) }
    }
}

impl<V: Clone> Waiter<V> {
    /// `None` when the flight's runtime went away.
    pub(crate) async fn wait(mut self) -> Option<V> {
        if self.0.borrow_and_update().is_none() {
            // Changes exactly once; an error means that the flight will not finish.
            let _ = self.0.changed().await;
        }
        self.0.borrow().clone()
    }
}
