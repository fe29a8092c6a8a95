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

/// The last moment at which the vendor probably still takes the token: shortly before its `exp` where it shows one, else
/// by the vendor's usual life of a token.
pub(super) fn last_useful_at(token: &Token, received_at: Timestamp) -> Timestamp {
    let ends = expiry_hint(token).unwrap_or_else(|| received_at.after(USUAL_LIFE));
    ends.before(LAST_TRY).min(received_at.after(LONGEST))
}

/// Whether a token that anyone could have sent looks like one of the vendor's: a JWT that was issued lately, has not
/// expired, and came with an event of now. A forger can make one, at the price of making one for each event.
pub(crate) fn is_plausible(token: &Token, vendor_time: Option<Timestamp>, now: Timestamp) -> bool {
    let near = |at: Timestamp| at > now.before(PATIENCE) && at < now.after(SKEW);
    let times = token_times(token);
    times.expires_at.is_some_and(|at| at > now.before(SKEW)) && vendor_time.is_none_or(near)
}

/// `exp` of a token that looks like a JWT; see [`token_times`].
pub(crate) fn expiry_hint(token: &Token) -> Option<Timestamp> {
    token_times(token).expires_at
}

/// When a token says that it was issued and expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenTimes {
    /// `iat`.
    pub(crate) issued_at: Option<Timestamp>,
    /// `exp`.
    pub(crate) expires_at: Option<Timestamp>,
}

/// `iat` and `exp` of a token that looks like a JWT. A hint: only the vendor can verify the token. An invented `exp` ends
/// the attempts for its own event, an invented `iat` spoils its own flow.
pub(crate) fn token_times(token: &Token) -> TokenTimes {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Claims {
        iat: Option<serde_json::Value>,
        exp: Option<serde_json::Value>,
    }
    let claims: Claims = claims(token).unwrap_or_default();
    let time = |value: Option<serde_json::Value>| {
        let seconds = value?.as_i64().filter(|seconds| *seconds > 0)?;
        Some(Timestamp::from_secs(seconds))
    };
    TokenTimes { issued_at: time(claims.iat), expires_at: time(claims.exp) }
}

/// The payload of a token that looks like a JWT.
pub(crate) fn claims<T: serde::de::DeserializeOwned>(token: &Token) -> Option<T> {
    let payload = token.expose().split('.').nth(1)?;
    let payload = BASE64URL_NOPAD.decode(payload.trim_end_matches('=').as_bytes()).ok()?;
    serde_json::from_slice(&payload).ok()
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
/// The vendor's sample tokens live for 15 minutes.
const USUAL_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long before its end a token is tried a last time.
const LAST_TRY: Duration = Duration::from_secs(20);
const SKEW: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(40 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
