//! Birthdays, day by day, in places that change their clocks.

use crate::Timestamp;
use crate::gate::TimeZone;
use crate::gate::policy_fields::BirthDate;

/// Milliseconds of this local time.
fn millis(zone: &str, at: &str) -> i64 {
    let at: jiff::civil::DateTime = at.parse().unwrap();
    at.in_tz(zone).unwrap().timestamp().as_millisecond()
}

fn is_of_age(zone: &str, born: &BirthDate, years: u16, now: &str) -> bool {
    TimeZone::new(zone).unwrap().is_of_age(born, years, Timestamp::from_millis(millis(zone, now)))
}

#[test]
fn a_birthday_begins_at_local_midnight() {
    for zone in ["America/Mexico_City", "Europe/Berlin", "Asia/Tokyo", "Pacific/Kiritimati", "UTC"] {
        for born in [BirthDate::At(millis(zone, "2000-07-15T00:00")), BirthDate::On("2000-07-15".parse().unwrap())] {
            assert!(!is_of_age(zone, &born, 18, "2018-07-14T23:59:59.999"), "{zone}");
            assert!(is_of_age(zone, &born, 18, "2018-07-15T00:00"), "{zone}");
            assert!(!is_of_age(zone, &born, 19, "2019-01-01T00:00"), "{zone}");
            assert!(is_of_age(zone, &born, 0, "2000-07-15T00:00") && !is_of_age(zone, &born, 0, "2000-07-14T23:00"));
        }
    }
}

#[test]
fn who_was_born_on_a_leap_day_waits_for_march() {
    let born = BirthDate::On("2004-02-29".parse().unwrap());
    assert!(!is_of_age("UTC", &born, 18, "2022-02-28T23:59:59"));
    assert!(is_of_age("UTC", &born, 18, "2022-03-01T00:00"));
    assert!(is_of_age("UTC", &born, 20, "2024-02-29T00:00"));
}

#[test]
fn an_instant_that_is_not_midnight_there_is_no_birth_date() {
    let zone = "America/Mexico_City";
    // The spec's sample, and the same date of a year with another offset in summer.
    assert!(is_of_age(zone, &BirthDate::At(587_455_200_000), 18, "2006-08-13T00:00"));
    assert!(is_of_age(zone, &BirthDate::At(millis(zone, "1998-08-13T00:00")), 18, "2016-08-13T00:00"));
    for wrong in [
        587_455_200,                 // seconds
        587_455_200_001,             // a moment later
        587_455_200_000 + 3_600_000, // another zone
        19_880_813,                  // a date in digits
        0,
        i64::MAX,
        i64::MIN,
    ] {
        assert!(!is_of_age(zone, &BirthDate::At(wrong), 18, "2026-01-01T00:00"), "{wrong}");
    }
}

#[test]
fn a_day_without_midnight_begins_when_it_begins() {
    // Clocks went from 23:59:59 to 01:00 that night.
    let zone = "America/Sao_Paulo";
    let born = BirthDate::At(millis(zone, "2002-11-03T01:00"));
    assert!(is_of_age(zone, &born, 18, "2020-11-03T00:00") && !is_of_age(zone, &born, 18, "2020-11-02T23:59"));
}
