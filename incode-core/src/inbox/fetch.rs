//! What the vendor says of an object, and whether its pieces belong together.

use crate::client::{self, ErrorKind};
use crate::identity::belonging::{self, Fit};
use crate::identity::{CLOCK_TOLERANCE, Cause, Check, FlowWindow, Observation};
use crate::model::{Authentication, EventKind, UserInfo, Verification, VerificationStatus};
use crate::store::ClaimedEvent;
use crate::{ObjectId, Subject, Timestamp, Token};

use super::Applier;
use super::apply::ApplyError;

/// Answers of the vendor that do not contradict each other.
pub(super) struct Fetched {
    pub(super) person: UserInfo,
    pub(super) seen: Observation,
    /// How the verification or authentication ended.
    pub(super) check: Check,
    /// When the vendor was asked, by the vendor's clock.
    pub(super) vendor_now: Timestamp,
    /// The answers themselves show that object and token are one person's. False: only the sender says so.
    ///
    /// Otherwise an attacker with a token of their own and the id of another person's verification could claim it. They
    /// would need a verification that repeats no field of the person, and a vendor that answers without comparing.
    pub(super) proven: bool,
}

/// An answer of userinfo.
struct Asked {
    person: UserInfo,
    seen: Observation,
    /// The vendor's clock.
    vendor_now: Timestamp,
}

impl Fetched {
    /// Whether the check belongs to the flow that began at this time and has not ended.
    pub(super) fn is_pass_since(&self, began_at: Timestamp, subject: &Subject) -> bool {
        let took = self.seen.sent_at.since(began_at);
        let window =
            FlowWindow { began_at, vendor_began_at: self.vendor_now.before(took), vendor_returned_at: self.vendor_now };
        window.is_passed_by(&self.check, subject)
    }
}

impl Applier {
    /// Asks the vendor, and checks that the pieces belong together. `None` when the object is about no identity.
    pub(super) async fn fetch(&self, event: &ClaimedEvent, token: &Token) -> Result<Option<Fetched>, ApplyError> {
        match event.kind {
            EventKind::Verification => self.fetch_verification(event, token).await.map(Some),
            EventKind::Authentication => self.fetch_authentication(event, token).await,
            // Never pending: accepted as ignored.
            EventKind::Other(_) => Err(ApplyError::Mismatch),
        }
    }

    async fn fetch_verification(&self, event: &ClaimedEvent, token: &Token) -> Result<Fetched, ApplyError> {
        let id = &event.object_id;
        let (asked, verification) = tokio::join!(self.userinfo(token), self.client.verification(id, token));
        let Asked { person, seen, vendor_now } = asked.map_err(|error| of_one(error, &verification))?;
        let verification = verification.map_err(ApplyError::PartiallyAnswered)?;
        // A person who fails under another name shows their own document, so the pieces of a failure may contradict each
        // other. It brings nothing but the failure, and that must count.
        let fit = if verification.status == VerificationStatus::Verified {
            belonging::check_verification(id, &verification, &person)?
        } else {
            belonging::check_failure(id, &verification)?
        };
        let known = self.directory.store().verified_as(id.clone()).await?;
        belonging::check_owner(known.as_ref(), &person.identity_id)?;
        let check = self.check_of_verification(event, &verification, vendor_now);
        let seen = seen.with_verification(&verification, reported_at(event)).with_check(&check);
        let proven = fit == Fit::Agrees || known.is_some();
        Ok(Fetched { person, seen, check, vendor_now, proven })
    }

    async fn fetch_authentication(&self, event: &ClaimedEvent, token: &Token) -> Result<Option<Fetched>, ApplyError> {
        let id = &event.object_id;
        let (asked, authentication) = tokio::join!(self.userinfo(token), self.client.authentication(id, token));
        let authentication = authentication.map_err(|error| of_one(error, &asked))?;
        belonging::check_authentication(id, &authentication)?;
        let Asked { person, seen, vendor_now } = match asked {
            // A face that was recognised as no one's: the event is genuine, and there is nothing to apply.
            Err(error) if error.kind() == ErrorKind::NotFound && !authentication.passed() => return Ok(None),
            asked => asked.map_err(ApplyError::PartiallyAnswered)?,
        };
        if let Some(enrolled_by) = &authentication.verification_id {
            self.check_enrolment(enrolled_by, &person).await?;
        }
        let check = self.check_of_authentication(event, &authentication, vendor_now);
        // An authentication repeats nothing of the person. Where the sender is unknown, object and token may have been
        // put together: then it refreshes the status, which the token alone decides, and nothing else.
        let seen = if event.authenticated {
            seen.with_authentication(&authentication, reported_at(event)).with_check(&check)
        } else {
            seen
        };
        // Nor does its pass decide about a flow, one way or the other: without a time and a sender it belongs to none.
        let made_at = check.made_at.filter(|_| event.authenticated || !check.passed);
        let check = Check { made_at, ..check };
        Ok(Some(Fetched { person, seen, check, vendor_now, proven: true }))
    }

    /// What userinfo says. It counts from its arrival: the other call, and the store, may fail afterwards.
    async fn userinfo(&self, token: &Token) -> Result<Asked, client::Error> {
        let asked = self.client.userinfo_at(&self.directory, token).await?;
        let seen = self.directory.observe(&self.observer, &asked.person, asked.sent_at, Cause::Event);
        Ok(Asked { person: asked.person, seen, vendor_now: asked.vendor_now })
    }

    async fn check_enrolment(&self, verification: &ObjectId, person: &UserInfo) -> Result<(), ApplyError> {
        let known = self.directory.store().verified_as(verification.clone()).await?;
        Ok(belonging::check_owner(known.as_ref(), &person.identity_id)?)
    }

    fn check_of_verification(&self, event: &ClaimedEvent, verification: &Verification, now: Timestamp) -> Check {
        let passed = verification.status == VerificationStatus::Verified;
        self.check(event, passed, verification.created_at, now)
    }

    fn check_of_authentication(&self, event: &ClaimedEvent, authentication: &Authentication, now: Timestamp) -> Check {
        self.check(event, authentication.passed(), authentication.created_at, now)
    }

    /// `now` is the vendor's clock. A check of the future has no known time: it would be newer than all that follow.
    fn check(&self, event: &ClaimedEvent, passed: bool, made_at: Option<Timestamp>, now: Timestamp) -> Check {
        Check {
            passed,
            made_at: made_at.filter(|at| *at <= now.after(CLOCK_TOLERANCE)),
            received_at: event.received_at,
            authenticated: event.authenticated,
            flow: self.named_flow(event),
        }
    }
}

/// When the object of an event was there already: when the event was received, and when it was made where its sender
/// proved to be the vendor. Anyone else could age another person's check by a time of their choice.
fn reported_at(event: &ClaimedEvent) -> Option<Timestamp> {
    let made_at = event.vendor_time.filter(|_| event.authenticated);
    Some(made_at.map_or(event.received_at, |at| at.min(event.received_at)))
}

/// What one of two calls came to. Where the other was answered the vendor is there. A refusal of the API key is one of both
/// calls: where the vendor took the key for the other call, this one is refused for itself.
fn of_one<T>(error: client::Error, other: &Result<T, client::Error>) -> ApplyError {
    let is_answered = match other {
        Ok(_) => true,
        Err(other) if error.kind() == ErrorKind::Forbidden => other.kind() == ErrorKind::NotFound,
        Err(other) => other.status().is_some_and(|status| status < 500),
    };
    if is_answered { ApplyError::PartiallyAnswered(error) } else { ApplyError::Vendor(error) }
}
