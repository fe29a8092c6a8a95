use std::fmt;

use jiff::civil::Date;

use crate::identity::{Field, PersonalData};
use crate::model::calendar_date;

/// What requirements read of the personal fields that the application keeps: no more than that lies open in the near
/// cache, and nothing for an application that keeps neither.
pub(crate) struct PolicyFields {
    pub(super) born: Option<BirthDate>,
    /// Folded; see [`folded`].
    pub(super) country: Option<Box<str>>,
}

/// A birth date as far as it can be read without a zone.
pub(super) enum BirthDate {
    /// Midnight of the day, somewhere, in milliseconds since 1970.
    At(i64),
    On(Date),
}

impl PolicyFields {
    /// The fields they come from.
    pub(crate) const FIELDS: [Field; 2] = [Field::BirthDate, Field::Country];

    pub(crate) fn of(personal: &PersonalData) -> Self {
        Self {
            born: personal.get(Field::BirthDate).and_then(BirthDate::read),
            country: personal.get(Field::Country).map(folded),
        }
    }
}

impl PolicyFields {
    /// More than any pair of texts that [`PolicyFields::pack`] makes.
    pub(super) const LONGEST: usize = 2 * LONGEST_FACT;

    /// As two texts, for [`PolicyFields::unpack`]. A country whose name is that long is none.
    pub(super) fn pack(&self) -> (String, Box<str>) {
        let born = match &self.born {
            Some(BirthDate::At(millis)) => millis.to_string(),
            Some(BirthDate::On(date)) => date.to_string(),
            None => String::new(),
        };
        (born, self.country.clone().filter(|country| country.len() <= LONGEST_FACT).unwrap_or_default())
    }

    pub(super) fn unpack(born: &str, country: &str) -> Self {
        Self { born: BirthDate::read(born), country: (!country.is_empty()).then(|| country.into()) }
    }
}

impl BirthDate {
    /// Milliseconds, or a date in the form of ISO 8601. Anything else is no birth date.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self::At);
        }
        calendar_date(text).map(Self::On)
    }
}

/// As countries are compared: without case and blanks around.
pub(super) fn folded(text: &str) -> Box<str> {
    text.trim().to_lowercase().into()
}

impl fmt::Debug for PolicyFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PolicyFields(..)")
    }
}

const LONGEST_FACT: usize = 128;
