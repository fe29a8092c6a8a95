use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Clock;

/// Ages by [`Clock::elapsed`], and by the time during which the machine was suspended, as far as
/// [`MonotonicAge::compare_clocks`] saw it. What is old by either clock is old; a wall clock that is set back makes nothing
/// younger.
pub(crate) struct MonotonicAge {
    clock: Arc<dyn Clock>,
    /// Milliseconds by which the wall clock leapt ahead since the start.
    leapt: AtomicU64,
    /// Its lead over [`Clock::elapsed`] in milliseconds, when it last leapt or was set back.
    lead: Mutex<i64>,
}

impl MonotonicAge {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), leapt: AtomicU64::new(0), lead: Mutex::new(lead(&**clock)) }
    }

    /// Since some fixed instant, in nanoseconds.
    pub(crate) fn nanos(&self) -> u64 {
        // Every gated request asks, so it is one `u64`: enough for 584 years, and saturated after that.
        let (leapt, elapsed) = (self.leapt.load(Ordering::Relaxed), self.clock.elapsed());
        let whole = elapsed.as_secs().saturating_mul(1_000_000_000).saturating_add(elapsed.subsec_nanos().into());
        whole.saturating_add(leapt.saturating_mul(1_000_000))
    }

    /// Looks whether the machine was suspended since the last look: then the wall clock alone went on.
    pub(super) fn compare_clocks(&self) {
        let now = lead(&*self.clock);
        let mut before = self.lead.lock().unwrap_or_else(PoisonError::into_inner);
        let leap = now.saturating_sub(*before);
        if leap > SLACK_MILLIS {
            self.leapt.fetch_add(leap.unsigned_abs(), Ordering::Relaxed);
        } else if leap >= 0 {
            return;
        }
        *before = now;
    }
}

fn lead(clock: &dyn Clock) -> i64 {
    let elapsed = i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX);
    clock.now().as_millis().saturating_sub(elapsed)
}

/// The two clocks are never read at the same instant, and a wall clock is put right in small steps.
const SLACK_MILLIS: i64 = 1000;
