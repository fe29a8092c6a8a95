//! Watching a standing while a request goes on: for sockets and streams that are held open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::cached_standing::{CacheKey, CachedStanding};
use super::{NearCache, Visitor};

/// The standings that are watched, each by one task however many requests watch it. Empty, and without cost, while none is.
pub(super) struct Watched {
    /// Held for a few map operations, never across an await. `None` once watching has ended.
    watches: Mutex<Option<HashMap<CacheKey, Watch>>>,
    /// True once watching has ended: for requests without a subject, which no task watches.
    ended: watch::Sender<bool>,
}

/// One standing that is watched.
struct Watch {
    /// The task's own. Weak: it is gone with the task, so no request waits on a runtime that has ended.
    latest: Weak<watch::Sender<Option<Visitor>>>,
    /// Notified at each change: wakes the task.
    wakeup: Arc<Notify>,
}

/// What is known by now, or `None` once watching has ended.
///
/// Compares standings and not notices. So a change between the request and this call is seen at once, a notice that is lost
/// is made up for when the standing's lifetime ends, and what was taken back in between is no change.
pub(super) async fn changed(known: Arc<CachedStanding>) -> Option<Visitor> {
    let near = known.context().near()?;
    let Some(key) = known.whose() else {
        // A request without a subject stays one.
        let mut ended = near.watched().ended.subscribe();
        drop(near);
        let _ = ended.wait_for(|ended| *ended).await;
        return None;
    };
    let mut latest = near.watched().join(&near, key)?;
    // A request that is held open must not keep the cache alive.
    drop(near);
    loop {
        {
            let now = latest.borrow_and_update();
            if let Some(now) = now.as_ref().filter(|now| now.known().replaces(&known)) {
                return Some(now.clone());
            }
        }
        latest.changed().await.ok()?;
    }
}

impl Watched {
    pub(super) fn new() -> Self {
        Self { watches: Mutex::new(Some(HashMap::new())), ended: watch::Sender::new(false) }
    }

    /// These changed. Called when the cache holds nothing old of them.
    pub(super) fn notify<'a>(&self, keys: impl IntoIterator<Item = &'a CacheKey>) {
        if let Some(watches) = &*self.lock() {
            keys.into_iter().filter_map(|key| watches.get(key)).for_each(|watch| watch.wakeup.notify_one());
        }
    }

    pub(super) fn notify_all(&self) {
        if let Some(watches) = &*self.lock() {
            watches.values().for_each(|watch| watch.wakeup.notify_one());
        }
    }

    /// Ends every watch, and each that is begun later.
    pub(super) fn end(&self) {
        let watches = self.lock().take();
        self.ended.send_replace(true);
        watches.into_iter().flat_map(HashMap::into_values).for_each(|watch| watch.wakeup.notify_one());
    }

    fn join(&self, near: &Arc<NearCache>, key: CacheKey) -> Option<watch::Receiver<Option<Visitor>>> {
        let mut watches = self.lock();
        let watches = watches.as_mut()?;
        if let Some(latest) = watches.get(&key).and_then(|watch| watch.latest.upgrade()) {
            return Some(latest.subscribe());
        }
        let (latest, receiver) = watch::channel(None);
        let (latest, wakeup) = (Arc::new(latest), Arc::new(Notify::new()));
        watches.insert(key.clone(), Watch { latest: Arc::downgrade(&latest), wakeup: Arc::clone(&wakeup) });
        near.runtime().spawn(run(Arc::downgrade(near), key, latest, wakeup));
        Some(receiver)
    }

    /// True when no request watches any longer: the watch is removed, and a later request begins another.
    fn leave(&self, key: &CacheKey, latest: &watch::Sender<Option<Visitor>>) -> bool {
        let mut watches = self.lock();
        let is_alone = latest.receiver_count() == 0;
        if is_alone && let Some(watches) = watches.as_mut() {
            watches.remove(key);
        }
        is_alone
    }

    fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<CacheKey, Watch>>> {
        // Every change to the map is one call, so it is whole even if a thread panicked under the lock.
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watches end with the cache.
impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads a standing at every change, and at the end of each lifetime, for as long as a request watches it.
async fn run(near: Weak<NearCache>, key: CacheKey, latest: Arc<watch::Sender<Option<Visitor>>>, wakeup: Arc<Notify>) {
    loop {
        let look = {
            let Some(near) = near.upgrade().filter(|near| !near.watched().has_ended()) else { return };
            near.look(&key)
        };
        let now = match look {
            Ok(known) => known,
            Err(load) => load.await,
        };
        let Some(wait) = near.upgrade().map(|near| near.looks_again_after(&now)) else { return };
        latest.send_if_modified(|before| {
            let is_changed = before.as_ref().is_none_or(|before| !before.known().says_the_same(now.known()));
            *before = Some(now);
            is_changed
        });
        tokio::select! {
            () = wakeup.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = latest.closed() => {
                if near.upgrade().is_none_or(|near| near.watched().leave(&key, &latest)) {
                    return;
                }
            }
        }
    }
}

/// How often a watched standing is read while the store does not answer, or notices of changes don't arrive.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The shortest time between two reads, however short a lifetime is.
pub(super) const SHORTEST_LOOK: Duration = Duration::from_millis(100);
