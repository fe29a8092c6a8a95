//! What the vendor says of an object, and whether its pieces belong together.

use crate::client::{self, ErrorKind};
use crate::identity::Observation;
use crate::identity::belonging::{self, Fit};
use crate::model::{EventKind, UserInfo};
use crate::{ObjectId, Token};

use super::Applier;
use super::apply::ApplyError;

/// Answers of the vendor between which there is no contradiction.
pub(super) struct Fetched {
    pub(super) person: UserInfo,
    pub(super) seen: Observation,
    /// The answers themselves show that object and token are one person's. False: nothing in them does, so whoever
    /// paired the two is to be believed, or not.
    ///
    /// A stranger who has a token of his own and the id of somebody else's verification could otherwise claim it: all
    /// he needs is a verification that repeats nothing of the person, and a vendor that answers without comparing.
    pub(super) proven: bool,
}

impl Applier {
    /// Asks the vendor, and checks that the pieces belong together. `None` when the object is about nobody.
    pub(super) async fn fetch(
        &self,
        kind: &EventKind,
        id: &ObjectId,
        token: &Token,
    ) -> Result<Option<Fetched>, ApplyError> {
        // With the row's instant, which is that before the request was sent: what the vendor says is at least as new.
        let person = self.client.userinfo_by(&*self.clock, token);
        match kind {
            EventKind::Verification => {
                let (person, verification) = tokio::join!(person, self.client.verification(id, token));
                let (person, sent_at) = person.map_err(|error| of_one(error, &verification))?;
                let verification = verification.map_err(ApplyError::PartiallyAnswered)?;
                let fit = belonging::check_verification(id, &verification, &person)?;
                let known = self.store.verified_as(id.clone()).await?;
                belonging::check_owner(known.as_ref(), &person.identity_id)?;
                let seen = self.observer.observe(&person, sent_at).with_verification(&verification);
                Ok(Some(Fetched { person, seen, proven: fit == Fit::Agrees || known.is_some() }))
            }
            EventKind::Authentication => {
                let (person, authentication) = tokio::join!(person, self.client.authentication(id, token));
                let authentication = authentication.map_err(|error| of_one(error, &person))?;
                belonging::check_authentication(id, &authentication)?;
                let (person, sent_at) = match person {
                    // A face that was recognised as nobody's: the event is genuine, and there is nothing to apply.
                    Err(error) if error.kind() == ErrorKind::NotFound && !authentication.passed() => return Ok(None),
                    person => person.map_err(ApplyError::PartiallyAnswered)?,
                };
                if let Some(enrolled_by) = &authentication.verification_id {
                    let known = self.store.verified_as(enrolled_by.clone()).await?;
                    belonging::check_owner(known.as_ref(), &person.identity_id)?;
                }
                let seen = self.observer.observe(&person, sent_at).with_authentication(&authentication);
                // An authentication repeats nothing of a person, and may come before the verification it refers to, or
                // refer to an old one: more than the absence of a contradiction can't be asked of it.
                Ok(Some(Fetched { person, seen, proven: true }))
            }
            // Never pending: accepted as ignored.
            EventKind::Other(_) => Err(ApplyError::Mismatch),
        }
    }
}

/// What one of two questions came to. Where the other was answered the vendor is there.
fn of_one<T>(error: client::Error, other: &Result<T, client::Error>) -> ApplyError {
    let is_answered = match other {
        Ok(_) => true,
        Err(other) => other.status().is_some_and(|status| status < 500),
    };
    if is_answered { ApplyError::PartiallyAnswered(error) } else { ApplyError::Vendor(error) }
}
