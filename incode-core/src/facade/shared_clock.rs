//! One time for all processes on a store.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use crate::store::{Store, StoreFuture};
use crate::{Clock, Timestamp};

/// The store's time, carried on by this machine's steady clock between two looks at it.
///
/// Replicas compare instants through the rows: whose lease has ended, which of two answers was asked for later. Machines
/// whose wall clocks disagree would take each other's leases, and a word that trusts from a fast one would outrank a
/// later REVOKED from a slow one. So all of them go by the clock of the store they share; how their own is set, and
/// whether somebody sets it back, no longer matters.
pub(super) struct SharedClock {
    machine: Arc<dyn Clock>,
    /// The store's time at which [`Clock::elapsed`] was zero, in milliseconds; `UNKNOWN` until it was asked.
    origin: AtomicI64,
}

impl SharedClock {
    pub(super) fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, origin: AtomicI64::new(UNKNOWN) }
    }

    /// Asks the store a few times, and goes by the answer that came quickest: when it was given is known to half the time it
    /// took, and what two replicas are apart by, an ACTIVE of one can outrank a REVOKED of the other. The first answer
    /// alone may have waited for a connection. False when the store has no time of its own.
    pub(super) async fn look<'a>(&self, ask: impl Fn() -> StoreFuture<'a, Option<Timestamp>>) -> bool {
        let mut quickest: Option<(Duration, Timestamp)> = None;
        for _ in 0..LOOKS {
            let asked = self.elapsed();
            let answer = ask().await;
            let took = self.elapsed().saturating_sub(asked);
            match answer {
                Ok(None) => return false,
                Ok(Some(now)) => {
                    if quickest.is_none_or(|(least, _)| took < least) {
                        quickest = Some((took, now.before(asked + took / 2)));
                    }
                    if took <= QUICK {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(error.kind = ?error.kind(), "store time not known");
                    break;
                }
            }
        }
        // An answer that took long says little of when it was given; the last good one is better.
        if let Some((took, origin)) = quickest
            && (took <= LONGEST_LOOK || self.origin.load(Ordering::Relaxed) == UNKNOWN)
        {
            self.origin.store(origin.as_millis(), Ordering::Relaxed);
        }
        true
    }

    /// Looks again now and then, until the process stops: clocks drift.
    pub(super) async fn follow(self: Arc<Self>, store: Weak<dyn Store>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let Some(store) = store.upgrade() else { return };
            if !self.look(|| store.time()).await {
                return;
            }
        }
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        match self.origin.load(Ordering::Relaxed) {
            UNKNOWN => self.machine.now(),
            origin => Timestamp::from_millis(origin).after(self.elapsed()),
        }
    }

    fn elapsed(&self) -> Duration {
        self.machine.elapsed()
    }
}

const UNKNOWN: i64 = i64::MIN;
/// As often as it takes to be lucky once.
const LOOKS: u32 = 6;
/// No better is to be had: times are in milliseconds.
const QUICK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
