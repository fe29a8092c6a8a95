use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cached_standing::Loaded;
use super::context::Context;
use super::near::KeyIsHash;

/// Identities whose cached standings are no longer served: those that were loaded until an instant.
///
/// The near cache finds a standing by its subject. An index of the subjects by identity would make it a quarter larger,
/// and a search would read all of it. So the standings stay where they are, and each hit is compared with the instant.
#[derive(Default)]
pub(super) struct Outdated {
    /// For each identity, by the hash of its id. Two ids that share a hash are both outdated: that costs a load.
    until: papaya::HashMap<u64, Loaded, KeyIsHash>,
    /// The end of the newest instant in the map; 0 while there was none. In the usual case a hit is newer, and reads nothing else.
    newest: AtomicU64,
    /// Every standing that was loaded before this is outdated, whatever its identity. It replaces the map when that is
    /// full.
    all_until: AtomicU64,
}

impl Outdated {
    /// Standings of the identity that were loaded until `at` are outdated. Call it under one lock: a later call has a
    /// later instant. `useful` is how long a standing is served at most: the mark is needed no longer.
    pub(super) fn mark(&self, identity: u64, at: Loaded, useful: Duration, context: &Context) {
        let until = self.until.pin();
        if until.len() >= MOST_IDENTITIES {
            until.retain(|_, at| at.age(context).is_none_or(|age| age <= useful));
        }
        if until.len() >= MOST_IDENTITIES {
            self.newest.store(at.end(), Ordering::SeqCst);
            // Before the map is emptied: a hit that finds no identity there looks here next.
            self.all_until.store(at.end(), Ordering::SeqCst);
            until.clear();
            return;
        }
        until.insert(identity, at);
        self.newest.store(at.end(), Ordering::SeqCst);
    }

    /// Whether a standing that was loaded at `loaded` is outdated. `identity` is asked for only when it matters.
    #[inline]
    pub(super) fn has(&self, loaded: Loaded, identity: impl FnOnce() -> Option<u64>) -> bool {
        loaded.nanos() < self.newest.load(Ordering::SeqCst) && self.is_marked(loaded, identity())
    }

    #[cold]
    fn is_marked(&self, loaded: Loaded, identity: Option<u64>) -> bool {
        let until = self.until.pin();
        identity.and_then(|identity| until.get(&identity)).is_some_and(|until| loaded <= *until)
            || loaded.nanos() < self.all_until.load(Ordering::SeqCst)
    }
}

/// Bounds the memory, at about 200 KiB. With more within the time that standings are served, all of them are loaded anew.
pub(super) const MOST_IDENTITIES: usize = 4096;
