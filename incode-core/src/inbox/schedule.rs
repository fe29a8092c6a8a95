use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use crate::{Timestamp, Token};

/// When to try again. Front-loaded, because the vendor's token lives about 15 minutes: 1, 2, 5, 10, 20, 40 s after the
/// attempt before, then each minute; each wait shortened at random by up to a quarter, so that events that failed
/// together do not return together.
pub(super) fn wait_after(attempts: u32, jitter: f64) -> Duration {
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = WAITS.get(index).copied().unwrap_or(LAST_WAIT);
    shortened(wait, jitter)
}

/// When to call a handler again after so many calls; `None` when it was called often enough.
pub(super) fn next_wait(waits: &[Duration], attempts: u32, jitter: f64) -> Option<Duration> {
    let index = usize::try_from(attempts.saturating_sub(1)).ok()?;
    waits.get(index).map(|wait| shortened(*wait, jitter))
}

/// After a handler's call fails: 1 s, 5 s, 30 s, 2 min, 10 min, then each hour for a day.
pub(super) fn handler_waits() -> Vec<Duration> {
    let seconds = [1, 5, 30, 2 * 60, 10 * 60];
    let hourly = std::iter::repeat_n(60 * 60, 24);
    seconds.into_iter().chain(hourly).map(Duration::from_secs).collect()
}

fn shortened(wait: Duration, jitter: f64) -> Duration {
    wait.mul_f64(1.0 - 0.25 * jitter.clamp(0.0, 1.0))
}

/// When no further attempt makes sense: at the token's own `exp` when it shows one, with room for clocks that
/// disagree, but within a day, for anybody can write an `exp` of the year 9999; otherwise well after the vendor's
/// longest token life and its last own retry.
pub(super) fn gives_up_at(token: &Token, received_at: Timestamp) -> Timestamp {
    match expiry_hint(token) {
        Some(expiry) => expiry.after(SKEW).min(received_at.after(LONGEST)),
        None => received_at.after(PATIENCE),
    }
}

/// `exp` of a token that looks like a JWT. A hint and no more: nobody but the vendor can verify it, so the worst that
/// an invented one does is to end the attempts for the event it came with.
pub(crate) fn expiry_hint(token: &Token) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let claims = token.expose().split('.').nth(1)?;
    let claims = BASE64URL_NOPAD.decode(claims.trim_end_matches('=').as_bytes()).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    (claims.exp > 0).then(|| Timestamp::from_secs(claims.exp))
}

/// A random number in 0..1. Without randomness nothing is jittered, which is harmless.
pub(super) fn jitter() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.0,
    }
}

const WAITS: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
];
const LAST_WAIT: Duration = Duration::from_secs(60);
const SKEW: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(40 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
