use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::lenient;

/// `dateOfBirth` as the vendor wrote it: text, or the text of a number. Equal when the texts are.
///
/// There is no calendar date here on purpose. The spec's sample `587455200000` is 1988-08-13T06:00Z, midnight in Mexico
/// City: read in UTC it happens to give the right day, but the midnight of a zone east of Greenwich gives the day
/// before. A caller that needs the day must choose the zone.
#[derive(Clone, PartialEq, Eq)]
pub struct RawDate(String);

impl RawDate {
    /// The vendor's text, verbatim.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// Milliseconds since the epoch (negative before 1970) when the text is a whole number, which is how the spec's
    /// sample reads. `None` for any other form.
    ///
    /// The seconds-or-milliseconds rule of the other times does not apply: as milliseconds, births before March 1973
    /// are small numbers too.
    pub fn epoch_millis(&self) -> Option<i64> {
        let digits = self.0.strip_prefix('-').unwrap_or(&self.0);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { self.0.parse().ok() } else { None }
    }
}

/// A day in the form of ISO 8601; `None` for any other form.
pub(crate) fn calendar_date(text: &str) -> Option<Date> {
    // The parser takes a time behind the date as well, which would be another instant than midnight.
    if text.len() == "1988-08-13".len() { text.parse().ok() } else { None }
}

impl fmt::Debug for RawDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawDate(..)")
    }
}

pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RawDate>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(_) => None,
        value => lenient::text_of(value).map(RawDate),
    })
}
