use std::time::{Duration, SystemTime};

use super::{Error, ErrorKind};
use crate::time::jitter;

/// When a GET is worth repeating at once. The caller decides about longer waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryPolicy {
    pub(super) retries: u32,
    pub(super) first_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { retries: 2, first_wait: Duration::from_millis(100) }
    }
}

impl RetryPolicy {
    /// How long to wait before the next attempt, after `done` retries; `None` to give up.
    pub(super) fn wait(&self, done: u32, error: &Error) -> Option<Duration> {
        let worth_it = matches!(error.kind(), ErrorKind::Transport | ErrorKind::Server);
        if !worth_it || done >= self.retries {
            return None;
        }
        let wait = self.first_wait.saturating_mul(3_u32.saturating_pow(done));
        // A vendor that names a time isn't asked again before it.
        match error.retry_after() {
            Some(asked) if asked > wait => None,
            // A half to one and a half, so that callers that failed together do not come back together.
            _ => Some(Duration::try_from_secs_f64(wait.as_secs_f64() * (0.5 + jitter())).unwrap_or(Duration::MAX)),
        }
    }
}

/// `Retry-After` in either form, relative to `now`, at most [`LONGEST`]. `None` when it is neither.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST))
}

/// A vendor that says "tomorrow" is asked again within the hour all the same.
pub(super) const LONGEST: Duration = Duration::from_secs(60 * 60);
