//! How often a key may do something that costs a call to the vendor.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A token bucket for each key: so many at once, then one each interval. In memory and bounded.
///
/// A bucket is the instant at which it will be full again. One whose instant lies in the past is full, and is no entry
/// at all. Instants are those of [`Clock::elapsed`](crate::Clock::elapsed): setting a wall clock gives nothing back.
pub(crate) struct Limiter<K> {
    limit: Limit,
    /// Most keys remembered. What is forgotten is full again: the bound must be far above what one attacker can name.
    capacity: usize,
    /// When each bucket is full again. Held for map operations, never across an await.
    full_at: Mutex<HashMap<K, Duration>>,
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// How many at once; at least one.
    pub(crate) burst: u32,
    /// How long it takes until one more is free. Zero: no limit.
    pub(crate) interval: Duration,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    pub(crate) fn new(limit: Limit, capacity: usize) -> Self {
        Self { limit, capacity: capacity.max(1), full_at: Mutex::default() }
    }

    /// Takes one of the key's tokens.
    ///
    /// # Errors
    /// How long to wait until there is one. Asking too early takes no token, so it makes no wait longer.
    pub(crate) fn take(&self, key: &K, now: Duration) -> Result<(), Duration> {
        let Limit { burst, interval } = self.limit;
        if interval.is_zero() {
            return Ok(());
        }
        let mut buckets = self.lock();
        let full_at = buckets.get(key).copied().unwrap_or(now).max(now);
        let latest = now.saturating_add(interval.saturating_mul(burst.max(1) - 1));
        if let Some(wait) = full_at.checked_sub(latest).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        self.make_room(&mut buckets, key, now);
        buckets.insert(key.clone(), full_at.saturating_add(interval));
        Ok(())
    }

    /// Gives one token back: nothing was called.
    pub(crate) fn give_back(&self, key: &K, now: Duration) {
        let mut buckets = self.lock();
        if let Some(full_at) = buckets.get_mut(key) {
            *full_at = full_at.saturating_sub(self.limit.interval);
            if *full_at <= now {
                buckets.remove(key);
            }
        }
    }

    fn make_room(&self, buckets: &mut HashMap<K, Duration>, key: &K, now: Duration) {
        if buckets.len() < self.capacity || buckets.contains_key(key) {
            return;
        }
        buckets.retain(|_, full_at| *full_at > now);
        if buckets.len() >= self.capacity {
            // The key that took least is forgotten first: a key that takes most stays known.
            let least = buckets.iter().min_by_key(|(_, full_at)| **full_at).map(|(key, _)| key.clone());
            if let Some(least) = least {
                buckets.remove(&least);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Duration>> {
        // Every change to the map is one call, so it is whole even if a thread panicked meanwhile.
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without its keys: they are subjects.
impl<K> std::fmt::Debug for Limiter<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
