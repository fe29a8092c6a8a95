use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::model::instant;
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

/// When no further attempt makes sense: at the token's own `exp` when it shows one, with room for clocks that disagree,
/// but within a day, because a forged token can have an `exp` of the year 9999; otherwise well after the vendor's
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
    /// A claim occurs twice: two readers may read two tokens. The times are unknown then.
    pub(crate) is_ambiguous: bool,
}

impl TokenTimes {
    /// Whether it may have been issued at `instant` or later. A token that shows no time may have been.
    pub(crate) fn may_be_issued_since(&self, instant: Timestamp) -> bool {
        !self.is_ambiguous && self.issued_at.is_none_or(|at| at >= instant)
    }
}

/// `iat` and `exp` of a token that looks like a JWT. A hint: only the vendor can verify the token. An invented `exp` ends
/// the attempts for its own event, an invented `iat` spoils its own flow.
pub(crate) fn token_times(token: &Token) -> TokenTimes {
    let claims = match claims(token) {
        Ok(claims) => claims,
        Err(Unclaimed::Nothing) => return TokenTimes::default(),
        Err(Unclaimed::Twice) => return TokenTimes { is_ambiguous: true, ..TokenTimes::default() },
    };
    let time = |name: &str| {
        let value = claims.get(name)?;
        // Seconds (RFC 7519), even where they would be milliseconds of the last century.
        let distant = value.as_i64().filter(|number| DISTANT.contains(number)).map(Timestamp::from_secs);
        distant.or_else(|| instant::timestamp_of(value)).filter(|at| at.as_millis() > 0)
    };
    TokenTimes { issued_at: time("iat"), expires_at: time("exp"), is_ambiguous: false }
}

/// Why a token shows no claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unclaimed {
    /// It does not look like a JWT.
    Nothing,
    /// A claim occurs twice.
    Twice,
}

/// The payload of a token that looks like a JWT.
pub(crate) fn claims(token: &Token) -> Result<BTreeMap<String, Value>, Unclaimed> {
    let payload = token.expose().split('.').nth(1).ok_or(Unclaimed::Nothing)?;
    let payload = BASE64URL_NOPAD.decode(payload.trim_end_matches('=').as_bytes()).map_err(|_| Unclaimed::Nothing)?;
    let Claims(claims) = serde_json::from_slice(&payload).map_err(|_| Unclaimed::Nothing)?;
    claims.ok_or(Unclaimed::Twice)
}

/// An object whose names are all different; `None` where one occurs twice.
struct Claims(Option<BTreeMap<String, Value>>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
        let (mut claims, mut is_unique) = (BTreeMap::new(), true);
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            is_unique &= claims.insert(name, value).is_none();
        }
        Ok(Claims(is_unique.then_some(claims)))
    }
}

/// As seconds beyond the year 5138, as milliseconds before 2001: an `exp` that means "never", and no token of that time.
const DISTANT: std::ops::Range<i64> = 100_000_000_000..1_000_000_000_000;
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
