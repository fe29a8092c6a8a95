//! One time for all processes on a store.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
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
    /// How well that is known.
    known: Mutex<Option<Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    origin: Timestamp,
    /// The true origin is no further off, either way, when it was asked for.
    within: Duration,
    /// By [`Clock::elapsed`].
    asked: Duration,
}

impl Known {
    /// Of a question and its answer: it was given somewhere in between.
    fn of(asked: Duration, took: Duration, answer: Timestamp) -> Self {
        Self { origin: answer.before(asked + took / 2), within: took / 2 + ROUNDING, asked }
    }

    /// The same when so much more time has gone by: the two clocks drift apart.
    fn later(self, elapsed: Duration) -> Self {
        let drift = elapsed.saturating_sub(self.asked) / DRIFT;
        Self { within: self.within + drift, asked: elapsed, ..self }
    }

    /// Whether `new` says more than this. Either it is known better, or the two contradict each other: then the store's
    /// clock is another, after a failover say.
    fn yields_to(self, new: Self) -> bool {
        let apart = (self.origin.as_millis() - new.origin.as_millis()).unsigned_abs();
        new.within <= self.within || Duration::from_millis(apart) > self.within + new.within
    }
}

/// What is remembered from one second to the next.
struct Round {
    /// As [`SharedClock::lead`] was.
    lead: i64,
    /// Since the last look.
    seconds: u32,
}

impl SharedClock {
    pub(super) fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, origin: AtomicI64::new(UNKNOWN), known: Mutex::new(None) }
    }

    /// Asks the store a few times, and goes by the answer that came quickest: when it was given is known to half the time it
    /// took, and what two replicas are apart by, an ACTIVE of one can outrank a REVOKED of the other. The first answer
    /// alone may have waited for a connection; and when all are slow, what was known before says more, and stays. False
    /// when the store has no time of its own.
    pub(super) async fn look<'a>(&self, ask: impl Fn() -> StoreFuture<'a, Option<Timestamp>>) -> bool {
        let mut quickest: Option<Known> = None;
        for _ in 0..LOOKS {
            let asked = self.elapsed();
            let answer = ask().await;
            let took = self.elapsed().saturating_sub(asked);
            match answer {
                Ok(None) => return false,
                Ok(Some(now)) => {
                    let answer = Known::of(asked, took, now);
                    if quickest.is_none_or(|least| answer.within < least.within) {
                        quickest = Some(answer);
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
        if let Some(answer) = quickest {
            self.take(answer);
        }
        true
    }

    /// Looks again now and then, until the process stops: clocks drift. And at once when the machine was suspended: its
    /// steady clock stood still, and what it says is too early.
    pub(super) async fn follow(self: Arc<Self>, store: Weak<dyn Store>, mut stop: watch::Receiver<bool>) {
        let mut round = Round { lead: self.lead(), seconds: 0 };
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            if !self.is_due(&mut round) {
                continue;
            }
            let Some(store) = store.upgrade() else { return };
            if !self.look(|| store.time()).await {
                return;
            }
        }
    }

    /// To be asked every second.
    fn is_due(&self, round: &mut Round) -> bool {
        let lead = self.lead();
        let has_leapt = lead.saturating_sub(round.lead).unsigned_abs() > LEAP_MILLIS;
        if has_leapt {
            // Any answer is better than what is known.
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        *round = Round { lead, seconds: round.seconds + 1 };
        let is_due = has_leapt || round.seconds >= LOOK_EVERY;
        if is_due {
            round.seconds = 0;
        }
        is_due
    }

    fn take(&self, answer: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|known| known.later(answer.asked).yields_to(answer)) {
            *known = Some(answer);
            self.origin.store(answer.origin.as_millis(), Ordering::Relaxed);
        }
    }

    /// How far the wall clock is ahead of the steady one, in milliseconds.
    fn lead(&self) -> i64 {
        let elapsed = i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.machine.now().as_millis().saturating_sub(elapsed)
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
const ROUNDING: Duration = Duration::from_millis(1);
/// A steady clock gains or loses less than one part in so many.
const DRIFT: u32 = 5_000;
/// Further than a wall clock that is put right in small steps goes within a second.
const LEAP_MILLIS: u64 = 250;
/// In seconds.
const LOOK_EVERY: u32 = 30;

#[cfg(test)]
mod tests;
