//! How often somebody may be wrong at the token endpoint.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who asks, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// Nobody said how addresses are found: a stranger and the genuine client look alike.
    Anybody,
    /// This address.
    At(IpAddr),
    /// Addresses are to be found, and this one was not.
    Hidden,
}

/// Counts failures for each caller: each may fail [`BURST`] times at once, and then once each [`INTERVAL`].
///
/// A counter is the instant at which all of a caller's failures will be forgiven, so one that lies in the past is no
/// counter at all, and may go.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<Caller, Duration>>);

impl Caller {
    /// IPv6 callers have 2^64 addresses each, so they count by network.
    pub(super) fn at(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::At(address),
            IpAddr::V6(v6) => Self::At(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()),
        }
    }

    /// True when whoever failed too often may not even try. Never so for [`Caller::Anybody`]: strangers could keep the
    /// genuine client out for as long as they like, and its deliveries would be lost.
    pub(super) fn can_be_shut_out(self) -> bool {
        self != Self::Anybody
    }
}

impl Failures {
    /// How long this caller has to wait until it may fail again; `None` when it may now.
    pub(super) fn wait(&self, caller: Caller, now: Duration) -> Option<Duration> {
        let forgiven = self.counters().get(&caller).copied()?;
        forgiven.checked_sub(now + INTERVAL * (BURST - 1)).filter(|wait| !wait.is_zero())
    }

    pub(super) fn count(&self, caller: Caller, now: Duration) {
        let mut counters = self.counters();
        if counters.len() >= MAX_CALLERS && !counters.contains_key(&caller) {
            counters.retain(|_, forgiven| *forgiven > now);
        }
        if counters.len() >= MAX_CALLERS && !counters.contains_key(&caller) {
            // Whoever has failed least is forgotten first: who fails most stays known.
            let least = counters.iter().min_by_key(|(_, forgiven)| **forgiven).map(|(caller, _)| *caller);
            if let Some(least) = least {
                counters.remove(&least);
            }
        }
        // What nobody waits for need not be counted: the longest wait is that of one failure too many.
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

/// Failures in a row before a caller has to wait.
pub(super) const BURST: u32 = 10;
/// How long it takes for one failure to be forgiven.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);
/// How many callers are counted at the same time.
pub(super) const MAX_CALLERS: usize = 4096;
