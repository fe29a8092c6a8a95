//! The vendor's times. The document says "Long, UTC" for all, and means seconds in some samples, milliseconds in others.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::Timestamp;

/// A number, its digits in a string, or RFC 3339. Anything else (negative, past the year 9999, another type) is unknown.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(timestamp_of(&Value::deserialize(deserializer)?))
}

pub(crate) fn timestamp_of(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => of_whole(whole),
            None => of_fraction(number.as_f64()?),
        },
        Value::String(text) => of_text(text),
        _ => None,
    }
}

fn of_text(text: &str) -> Option<Timestamp> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return of_whole(text.parse().ok()?);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return of_fraction(text.parse().ok()?);
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(time.as_millisecond())).filter(|time| (0..=LAST_MILLIS).contains(&time.as_millis()))
}

fn of_whole(number: i64) -> Option<Timestamp> {
    match number {
        0..FIRST_MILLIS => Some(Timestamp::from_secs(number)),
        FIRST_MILLIS..=LAST_MILLIS => Some(Timestamp::from_millis(number)),
        _ => None,
    }
}

/// Seconds or milliseconds with a fraction; to the millisecond.
fn of_fraction(number: f64) -> Option<Timestamp> {
    let millis = if number < FIRST_MILLIS as f64 { number * 1000.0 } else { number };
    // Within this range every millisecond is a whole `f64`.
    (0.0..=LAST_MILLIS as f64).contains(&millis).then(|| Timestamp::from_millis(millis as i64))
}

/// From here on a number is milliseconds: as seconds it would be the year 5138, as milliseconds it is March 1973.
const FIRST_MILLIS: i64 = 100_000_000_000;

/// The end of the year 9999. A larger number is microseconds or no time at all.
const LAST_MILLIS: i64 = 253_402_300_799_999;
