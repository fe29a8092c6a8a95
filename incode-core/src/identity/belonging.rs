//! Do the pieces of one event belong together? Each came from the vendor, but which ones were asked for was a
//! stranger's choice: a forged event can pair the id of one person with the token of another.

use crate::model::{Authentication, UserInfo, Verification};
use crate::{IdentityId, ObjectId};

/// The pieces belong to different people or objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindingMismatch;

/// How well a verification goes with a person, when nothing speaks against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It repeats something of the person that only few share, and repeats it rightly.
    Agrees,
    /// It repeats nothing that could be compared: it may be anybody's.
    Silent,
}

/// The verification is the one the event named, and what it repeats of the person agrees with userinfo. Names are not
/// compared: two people may share one, and one person may be written in two ways.
pub(crate) fn check_verification(
    id: &ObjectId,
    verification: &Verification,
    person: &UserInfo,
) -> Result<Fit, BindingMismatch> {
    require(verification.id == *id)?;
    let data = verification.data.as_ref();
    let dates = (data.and_then(|data| data.date_of_birth.as_ref()), person.date_of_birth.as_ref());
    let date = match dates {
        (Some(one), Some(other)) => {
            Some(one == other || (one.epoch_millis().is_some() && one.epoch_millis() == other.epoch_millis()))
        }
        _ => None,
    };
    let compared = [
        agree(data.and_then(|data| data.email.as_deref()), person.email.as_deref(), email),
        agree(data.and_then(|data| data.phone.as_deref()), person.phone.as_deref(), digits),
        date,
    ];
    require(!compared.contains(&Some(false)))?;
    Ok(if compared.contains(&Some(true)) { Fit::Agrees } else { Fit::Silent })
}

/// The authentication is the one the event named.
pub(crate) fn check_authentication(id: &ObjectId, authentication: &Authentication) -> Result<(), BindingMismatch> {
    require(authentication.id == *id)
}

/// A verification, or the one that enrolled a face, belongs to this person as far as we know: `known` is whose it is in
/// the store.
pub(crate) fn check_owner(known: Option<&IdentityId>, person: &IdentityId) -> Result<(), BindingMismatch> {
    require(known.is_none_or(|known| known == person))
}

/// What is missing on either side says nothing.
fn agree(one: Option<&str>, other: Option<&str>, canonical: fn(&str) -> String) -> Option<bool> {
    let (one, other) = (canonical(one?), canonical(other?));
    (!one.is_empty() && !other.is_empty()).then(|| one == other)
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

#[cfg(test)]
mod tests;
