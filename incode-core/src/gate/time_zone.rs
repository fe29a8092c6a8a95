use std::fmt;

use jiff::civil::Date;

use crate::Timestamp;
use crate::secret::InvalidValue;

use super::policy_fields::BirthDate;

/// Where a birth date's midnight was, and where today is: a zone of the IANA database, such as `America/Mexico_City`.
/// The machine's copy of the database is asked first, then the one that is compiled in.
///
/// There is no default. The vendor's document does not name its zone; its one sample is midnight in Mexico City.
#[derive(Clone)]
pub struct TimeZone(jiff::tz::TimeZone);

impl TimeZone {
    /// Looks a zone up by its name.
    ///
    /// # Errors
    /// [`InvalidValue`] when there is no such zone.
    pub fn new(name: &str) -> Result<Self, InvalidValue> {
        jiff::tz::TimeZone::get(name).map(Self).map_err(|_| InvalidValue("time zone"))
    }

    /// Whether a person born then has had this birthday, day by day in this zone. What can't be read as a day is no.
    pub(super) fn is_of_age(&self, born: &BirthDate, years: u16, now: Timestamp) -> bool {
        let (Some(born), Some(today)) = (self.day_of(born), self.date(now.as_millis())) else { return false };
        let had_birthday = (today.month(), today.day()) >= (born.month(), born.day());
        let age = i32::from(today.year()) - i32::from(born.year()) - i32::from(!had_birthday);
        age >= i32::from(years)
    }

    /// An instant that is not midnight here is a mistake: another zone, or a number that is not in milliseconds. Rounding
    /// would give the wrong day, or read seconds as a birth in 1970 and make a child an adult.
    fn day_of(&self, born: &BirthDate) -> Option<Date> {
        let at = match born {
            BirthDate::On(date) => return Some(*date),
            BirthDate::At(millis) => jiff::Timestamp::from_millisecond(*millis).ok()?.to_zoned_datetime(self.0.clone()),
        };
        if at.start_of_day().is_ok_and(|midnight| midnight == at) {
            return Some(at.date());
        }
        tracing::warn!(zone = ?self, "a birth date is not midnight in the zone of the requirement, and counts as unknown");
        None
    }

    fn date(&self, millis: i64) -> Option<Date> {
        Some(jiff::Timestamp::from_millisecond(millis).ok()?.to_zoned_datetime(self.0.clone()).date())
    }
}

impl fmt::Debug for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TimeZone").field(&self.0.iana_name().unwrap_or("unknown")).finish()
    }
}
