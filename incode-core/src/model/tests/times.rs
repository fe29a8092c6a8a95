//! `createdAt` of a verification and of an authentication, in every form that was seen, and in forms that are no time.

use serde_json::{Value, json};

use super::read;
use crate::Timestamp;
use crate::model::*;

/// Reads the value as `createdAt` of both; they must agree.
fn created_at(value: &Value) -> Option<Timestamp> {
    let verification: Verification = read(json!({ "id": "v-1", "status": "VERIFIED", "createdAt": value }));
    let authentication: Authentication = read(json!({ "id": "a-1", "status": "pass", "createdAt": value }));
    assert_eq!(verification.created_at, authentication.created_at, "{value}");
    assert_eq!((verification.id.as_str(), authentication.id.as_str()), ("v-1", "a-1"), "the ids are kept: {value}");
    verification.created_at
}

/// 2019-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_546_300_800_000;

#[test]
fn numbers_are_seconds_or_milliseconds_by_magnitude() {
    for value in [json!(1_546_300_800), json!("1546300800"), json!(NEW_YEAR), json!("1546300800000")] {
        assert_eq!(created_at(&value), Some(Timestamp::from_millis(NEW_YEAR)), "{value}");
    }
    assert_eq!(created_at(&json!(99_999_999_999_i64)), Some(Timestamp::from_secs(99_999_999_999)));
    assert_eq!(created_at(&json!(100_000_000_000_i64)), Some(Timestamp::from_millis(100_000_000_000)));
    assert_eq!(created_at(&json!(0)), Some(Timestamp::from_millis(0)));
}

#[test]
fn fractions_are_read_to_the_millisecond() {
    for value in [json!(1_546_300_800.5), json!("1546300800.5"), json!(1_546_300_800_500.0), json!("1546300800500.9")] {
        assert_eq!(created_at(&value), Some(Timestamp::from_millis(NEW_YEAR + 500)), "{value}");
    }
}

#[test]
fn rfc_3339_is_read_with_offset_and_fraction() {
    for (text, millis) in [
        ("2019-01-01T00:00:00Z", 0),
        ("2019-01-01t00:00:00z", 0),
        ("2019-01-01T01:00:00+01:00", 0),
        ("2018-12-31T18:30:00-05:30", 0),
        ("2019-01-01T01:00:00.250+01:00", 250),
        ("2019-01-01T00:00:00.250999Z", 250),
    ] {
        assert_eq!(created_at(&json!(text)), Some(Timestamp::from_millis(NEW_YEAR + millis)), "{text}");
    }
}

#[test]
fn what_is_no_time_is_unknown() {
    let values = [
        json!(null),
        json!(""),
        json!({}),
        json!([1]),
        json!(true),
        json!(-1),
        json!(-0.5),
        json!("-1"),
        json!("+1546300800"),
        json!(" 1546300800"),
        json!("1546300800 "),
        json!("1.2.3"),
        json!("."),
        json!("soon"),
        json!("NaN"),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MAX),
        json!("9223372036854775808"),
        json!("9".repeat(400)),
        json!("2019-01-01"),
        json!("2019-01-01T00:00:00"),
        json!("2019-13-01T00:00:00Z"),
        json!("1969-12-31T23:59:59Z"),
    ];
    for value in values {
        assert_eq!(created_at(&value), None, "{value}");
    }
    let absent: Verification = read(json!({ "id": "v-1", "status": "VERIFIED" }));
    assert_eq!(absent.created_at, None);
    let absent: Authentication = read(json!({ "id": "a-1", "status": "pass" }));
    assert_eq!(absent.created_at, None);
}

#[test]
fn microseconds_are_never_taken_for_a_time() {
    for value in [json!(1_546_300_800_000_000_i64), json!("1546300800000000"), json!(1_546_300_800_000_000.5)] {
        assert_eq!(created_at(&value), None, "{value}");
    }
}
