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
    next: AtomicU64,
}

struct Flight<V> {
    number: u64,
    landed: watch::Receiver<Option<V>>,
}

/// How somebody comes to what a flight brings.
pub(crate) enum Join<K, V> {
    /// One has just landed.
    Ready(V),
    /// Somebody else flies.
    Waiting(Waiter<V>),
    /// The caller has to fly.
    Leader(Waiter<V>, LeaderGuard<K, V>),
}

/// The right to land a flight. Dropped without landing, the flight comes to nothing and everybody waiting is told.
pub(crate) struct LeaderGuard<K, V> {
    pub(crate) key: K,
    number: u64,
    land: watch::Sender<Option<V>>,
}

/// A flight to wait for.
pub(crate) struct Waiter<V>(watch::Receiver<Option<V>>);

impl<K: Clone + Eq + Hash, V: Clone> SingleFlight<K, V> {
    /// Joins the flight under way for `key`, or starts one.
    ///
    /// `known` is asked before one is started: a flight may have landed since the caller looked.
    pub(crate) fn join(&self, key: K, known: impl FnOnce() -> Option<V>) -> Join<K, V> {
        let mut under_way = self.lock();
        match under_way.get(&key) {
            // A sender that is gone means that the flight's runtime was: nobody would ever land.
            Some(flight) if flight.landed.has_changed().is_ok() => Join::Waiting(Waiter(flight.landed.clone())),
            _ => match known() {
                Some(value) => Join::Ready(value),
                None => self.take_off(&mut under_way, key),
            },
        }
    }

    /// Starts a flight in any case: the one under way, if there is one, may have read too early.
    pub(crate) fn start(&self, key: K) -> Join<K, V> {
        self.take_off(&mut self.lock(), key)
    }

    fn take_off(&self, under_way: &mut HashMap<K, Flight<V>>, key: K) -> Join<K, V> {
        let (land, landed) = watch::channel(None);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        under_way.insert(key.clone(), Flight { number, landed: landed.clone() });
        Join::Leader(Waiter(landed), LeaderGuard { key, number, land })
    }

    /// Gives everybody who waits what `outcome` makes. It is told whether the flight is still the key's own: if not, it
    /// was forgotten meanwhile, and what it brings is not to be kept. No flight is forgotten while `outcome` runs.
    pub(crate) fn land(&self, ticket: LeaderGuard<K, V>, outcome: impl FnOnce(bool) -> V) {
        let mut under_way = self.lock();
        let is_own = under_way.get(&ticket.key).is_some_and(|flight| flight.number == ticket.number);
        if is_own {
            under_way.remove(&ticket.key);
        }
        let outcome = outcome(is_own);
        drop(under_way);
        ticket.land.send_replace(Some(outcome));
    }

    /// Principal comes later starts anew. `also` runs before anybody can.
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
        // Whoever panicked under the lock left a map that is still whole: every change to it is one call.
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
            // Changes exactly once; an error means that nobody will land.
            let _ = self.0.changed().await;
        }
        self.0.borrow().clone()
    }
}
