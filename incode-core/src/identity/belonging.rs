//! Do the pieces of one event belong together? Each came from the vendor. Which ones were asked for was the sender's
//! choice: a forged event can pair the id of one person with the token of another.

use std::ops::RangeInclusive;

use jiff::tz::TimeZone;

use crate::model::{Authentication, Name, RawDate, UserInfo, Verification, calendar_date};
use crate::{IdentityId, ObjectId};

/// The pieces belong to different people or objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindingMismatch;

/// How well a verification goes with a person, when nothing speaks against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It repeats the e-mail address, the phone number, or birth date and name of the person.
    Agrees,
    /// It repeats no field that identifies a person, so it may belong to any person.
    Silent,
}

/// The verification is the one the event named, and what it repeats of the person agrees with userinfo.
///
/// Thousands share a birth date, so it shows something only together with the name. A name that differs is no
/// contradiction: one person may be written in two ways.
pub(crate) fn check_verification(
    id: &ObjectId,
    verification: &Verification,
    person: &UserInfo,
) -> Result<Fit, BindingMismatch> {
    require(verification.id == *id)?;
    let data = verification.data.as_ref();
    let address = agree(data.and_then(|data| data.email.as_deref()), person.email.as_deref(), email);
    let phone = same_phone(data.and_then(|data| data.phone.as_deref()), person.phone.as_deref());
    let day = same_day(data.and_then(|data| data.date_of_birth.as_ref()), person.date_of_birth.as_ref());
    let name = same_name(data.and_then(|data| data.name.as_ref()), person.name.as_ref());
    require(![address, phone, day].contains(&Some(false)))?;
    let agrees = address == Some(true) || phone == Some(true) || (day == Some(true) && name);
    Ok(if agrees { Fit::Agrees } else { Fit::Silent })
}

/// A verification that did not pass is the one the event named.
pub(crate) fn check_failure(id: &ObjectId, verification: &Verification) -> Result<Fit, BindingMismatch> {
    require(verification.id == *id).map(|()| Fit::Agrees)
}

/// The authentication is the one the event named.
pub(crate) fn check_authentication(id: &ObjectId, authentication: &Authentication) -> Result<(), BindingMismatch> {
    require(authentication.id == *id)
}

/// Checks that a verification, or the one that enrolled a face, belongs to this person. `known` is its identity in the
/// store.
pub(crate) fn check_owner(known: Option<&IdentityId>, person: &IdentityId) -> Result<(), BindingMismatch> {
    require(known.is_none_or(|known| known == person))
}

/// Whether two fields are equal. `None` if one of them is missing: then there is no evidence.
fn agree(one: Option<&str>, other: Option<&str>, canonical: fn(&str) -> String) -> Option<bool> {
    let (one, other) = (canonical(one?), canonical(other?));
    (!one.is_empty() && !other.is_empty()).then(|| one == other)
}

/// As [`agree`]. `None` also if only the last digits are equal: that is one number in two forms, or two people's
/// numbers in two countries.
fn same_phone(one: Option<&str>, other: Option<&str>) -> Option<bool> {
    let agrees = agree(one, other, digits)?;
    let (one, other) = (digits(one?), digits(other?));
    let alike = one.bytes().rev().zip(other.bytes().rev()).take_while(|(one, other)| one == other).count();
    (agrees || alike < LOCAL_DIGITS).then_some(agrees)
}

/// An instant is midnight of the day that a date names in some zone, or it is another day. What is of no known form says
/// nothing, unless both say the same.
fn same_day(one: Option<&RawDate>, other: Option<&RawDate>) -> Option<bool> {
    let (one, other) = (one?, other?);
    if one == other {
        return Some(true);
    }
    match ((one.epoch_millis(), other.epoch_millis()), (calendar_date(one.raw()), calendar_date(other.raw()))) {
        ((Some(one), Some(other)), _) => Some(one == other),
        (_, (Some(one), Some(other))) => Some(one == other),
        ((Some(millis), None), (_, Some(date))) | ((None, Some(millis)), (Some(date), _)) => {
            let midnight = date.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp().as_millisecond();
            Some(MIDNIGHTS.contains(&millis.saturating_sub(midnight)))
        }
        _ => None,
    }
}

/// The same name, whether it comes whole or in parts. Case and blanks don't count, accents do.
fn same_name(one: Option<&Name>, other: Option<&Name>) -> bool {
    let (Some(one), Some(other)) = (one.and_then(whole_name), other.and_then(whole_name)) else { return false };
    one == other
}

fn whole_name(name: &Name) -> Option<String> {
    let is_there = |part: &&str| !part.trim().is_empty();
    let whole = match name.full_name.as_deref().filter(is_there) {
        Some(full) => full.to_owned(),
        None => {
            let parts = (name.first_name.as_deref().filter(is_there)?, name.last_name.as_deref().filter(is_there)?);
            [parts.0, " ", parts.1].concat()
        }
    };
    Some(whole.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" "))
}

fn email(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A phone number without its punctuation.
fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn require(fits: bool) -> Result<(), BindingMismatch> {
    if fits { Ok(()) } else { Err(BindingMismatch) }
}

/// The last digits of a phone number that stay the same however it is written: countries and trunks come before.
const LOCAL_DIGITS: usize = 8;
/// When a day begins somewhere, in milliseconds after it began in Greenwich.
const MIDNIGHTS: RangeInclusive<i64> = -14 * HOUR..=12 * HOUR;
const HOUR: i64 = 60 * 60 * 1000;

#[cfg(test)]
mod tests;
