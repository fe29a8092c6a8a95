//! Token buckets for [`RateLimit`]. No clock of its own: time is an argument.

use std::collections::HashMap;

use crate::behaviour::RateLimit;
use crate::faults::Route;

/// The buckets in use. Full buckets need no entry.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    buckets: HashMap<BucketKey, Bucket>,
}

/// The place of the limit in [`Behaviour::rate_limits`](crate::Behaviour), and the token where each has its own bucket.
type BucketKey = (usize, Option<String>);

/// One token bucket. It is filled when it is read, so no task has to fill it.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Calls that it holds. A fraction is a call that is not full yet.
    level: f64,
    /// When `level` was true, in milliseconds.
    filled_at: i64,
}

/// A call over a limit; seconds until it fits, where it ever does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverLimit {
    pub(crate) retry_after: Option<u64>,
}

impl RateLimiter {
    /// Counts a call at `now` (milliseconds). A call over one limit is counted by none.
    pub(crate) fn admit(
        &mut self,
        limits: &[RateLimit],
        route: Option<Route>,
        token: Option<&str>,
        now: i64,
    ) -> Result<(), OverLimit> {
        if self.buckets.len() >= BUCKETS_BEFORE_SWEEP {
            self.buckets.clear();
        }
        let mut after = Vec::new();
        let mut over: Option<OverLimit> = None;
        for (place, limit) in limits.iter().enumerate() {
            if limit.route != Route::Any && Some(limit.route) != route {
                continue;
            }
            let key = (place, token.filter(|_| limit.per_token).map(str::to_owned));
            let level = self.level(&key, limit, now);
            if level >= 1.0 {
                after.push((key, Bucket { level: level - 1.0, filled_at: now }));
            } else {
                let wait = wait_seconds(level, limit.per_second);
                // The longest wait counts; a limit that never fits again wins over all.
                over = Some(match over {
                    None => OverLimit { retry_after: wait },
                    Some(known) => OverLimit { retry_after: known.retry_after.zip(wait).map(|(a, b)| a.max(b)) },
                });
            }
        }
        match over {
            Some(over) => Err(over),
            None => {
                self.buckets.extend(after);
                Ok(())
            }
        }
    }

    /// Forgets what was counted, as the limits changed.
    pub(crate) fn reset(&mut self) {
        self.buckets.clear();
    }

    /// How many calls the bucket holds at `now`. A bucket without an entry is full.
    fn level(&self, key: &BucketKey, limit: &RateLimit, now: i64) -> f64 {
        let burst = f64::from(limit.burst.max(1));
        let Some(bucket) = self.buckets.get(key) else { return burst };
        // A clock that was set back adds nothing. Seven weeks of milliseconds fill every bucket that fills at all.
        let millis = u32::try_from(now.saturating_sub(bucket.filled_at).max(0)).unwrap_or(u32::MAX);
        (bucket.level + f64::from(millis) / 1000.0 * limit.per_second.max(0.0)).min(burst)
    }
}

/// Whole seconds until the bucket holds one call, at least one.
fn wait_seconds(level: f64, per_second: f64) -> Option<u64> {
    let seconds = ((1.0 - level) / per_second).ceil().max(1.0);
    (per_second > 0.0 && seconds.is_finite()).then(|| seconds.min(LONGEST_WAIT) as u64)
}

// Bounds the memory of limits that count each token by itself. A sweep forgives every token once.
const BUCKETS_BEFORE_SWEEP: usize = 10_000;
// A year, in seconds: longer than any test, and far inside the range that a float holds exactly.
const LONGEST_WAIT: f64 = 31_536_000.0;

#[cfg(test)]
mod tests;
