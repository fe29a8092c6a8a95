//! The vendor's times. The document says "Long, UTC" for all, and means seconds in some samples, milliseconds in others.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::Timestamp;

/// A number or its digits in a string. Negative, fractional, past the year 9999, or anything else: absent.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(timestamp_of(&Value::deserialize(deserializer)?))
}

pub(super) fn timestamp_of(value: &Value) -> Option<Timestamp> {
    let number = match value {
        Value::Number(number) => number.as_i64()?,
        Value::String(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    match number {
        0..FIRST_MILLIS => Some(Timestamp::from_secs(number)),
        FIRST_MILLIS..=LAST_MILLIS => Some(Timestamp::from_millis(number)),
        _ => None,
    }
}

/// From here on a number is milliseconds: as seconds it would be the year 5138, as milliseconds it is March 1973.
const FIRST_MILLIS: i64 = 100_000_000_000;

/// The end of the year 9999. What is beyond is not milliseconds, and an instant so far off would look fresh for ever.
const LAST_MILLIS: i64 = 253_402_300_799_999;
