//! Limits wrong secrets at the token endpoint.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The caller that a failure is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// No address source is set: all callers share one counter.
    Unknown,
    /// This address.
    At(IpAddr),
    /// The address source found no address: all such callers share one counter.
    Hidden,
}

/// Counts failures for each caller: each may fail [`BURST`] times at once, and then once each [`INTERVAL`].
///
/// A counter is the instant at which all failures of the caller are forgiven. A counter in the past means "no failures",
/// so it can be dropped.
#[derive(Debug, Default)]
pub(super) struct Failures(
    /// Held for a look-up or an insert, never across I/O. A poisoned lock is used all the same: each entry is valid alone.
    Mutex<HashMap<Caller, Duration>>,
);

impl Caller {
    /// An IPv6 client usually owns a whole /64, so its addresses share one counter.
    pub(super) fn at(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::At(address),
            IpAddr::V6(v6) => Self::At(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()),
        }
    }

    /// True when this caller, after too many failures, is refused before its secret is looked at. Only an address can be:
    /// where other callers and the genuine client share a counter, the others could lock the client out, and its
    /// deliveries would be lost.
    pub(super) fn can_be_shut_out(self) -> bool {
        matches!(self, Self::At(_))
    }
}

impl Failures {
    /// How long this caller has to wait before it may fail again; `None` when it may now.
    pub(super) fn wait(&self, caller: Caller, now: Duration) -> Option<Duration> {
        let forgiven = self.counters().get(&caller).copied()?;
        forgiven.checked_sub(now + INTERVAL * (BURST - 1)).filter(|wait| !wait.is_zero())
    }

    /// Counts one failure.
    pub(super) fn count(&self, caller: Caller, now: Duration) {
        let mut counters = self.counters();
        if counters.len() >= MAX_CALLERS && !counters.contains_key(&caller) {
            counters.retain(|_, forgiven| *forgiven > now);
        }
        if counters.len() >= MAX_CALLERS && !counters.contains_key(&caller) {
            // Drops the caller with the fewest failures: the ones that fail most stay counted.
            let least = counters.iter().min_by_key(|(_, forgiven)| **forgiven).map(|(caller, _)| *caller);
            if let Some(least) = least {
                counters.remove(&least);
            }
        }
        // Capped at one failure over the burst, so that no caller has to wait longer than one interval.
        let forgiven = counters.entry(caller).or_insert(now);
        *forgiven = (*forgiven).max(now).min(now + INTERVAL * (BURST - 1)) + INTERVAL;
    }

    fn counters(&self) -> MutexGuard<'_, HashMap<Caller, Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn callers(&self) -> usize {
        self.counters().len()
    }
}

/// Failures in a row before a caller has to wait: enough for a person who tries secrets of a rotation by hand.
pub(super) const BURST: u32 = 10;
/// How long it takes for one failure to be forgiven: 8,640 guesses a day for one address, of secrets with 24 bytes.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);
/// How many callers are counted at the same time. Bounds the memory that a flood from many addresses takes.
pub(super) const MAX_CALLERS: usize = 4096;
