//! Do the pieces of one event belong together? Each came from the vendor, but which ones were asked for was a
//! stranger's choice: a forged event can pair the id of one person with the token of another.

use crate::ObjectId;
use crate::model::{Authentication, UserInfo, Verification};

/// The pieces belong to different people or objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindingMismatch;

/// The verification is the one the event named, and what it repeats of the person agrees with userinfo.
pub(crate) fn check_verification(
    id: &ObjectId,
    verification: &Verification,
    person: &UserInfo,
) -> Result<(), BindingMismatch> {
    let data = verification.data.as_ref();
    let same_email = agree(data.and_then(|data| data.email.as_deref()), person.email.as_deref(), email);
    let same_phone = agree(data.and_then(|data| data.phone.as_deref()), person.phone.as_deref(), digits);
    let dates = (data.and_then(|data| data.date_of_birth.as_ref()), person.date_of_birth.as_ref());
    let same_date = match dates {
        (Some(one), Some(other)) => {
            one == other || (one.epoch_millis().is_some() && one.epoch_millis() == other.epoch_millis())
        }
        _ => true,
    };
    require(verification.id == *id && same_email && same_phone && same_date)
}

/// The authentication is the one the event named.
pub(crate) fn check_authentication(id: &ObjectId, authentication: &Authentication) -> Result<(), BindingMismatch> {
    require(authentication.id == *id)
}

/// What is missing on either side says nothing.
fn agree(one: Option<&str>, other: Option<&str>, canonical: fn(&str) -> String) -> bool {
    match (one.map(canonical), other.map(canonical)) {
        (Some(one), Some(other)) => one.is_empty() || other.is_empty() || one == other,
        _ => true,
    }
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
