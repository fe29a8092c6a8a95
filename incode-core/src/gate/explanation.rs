//! Why a person stands as they do, for those whom the person asks.

use serde::Serialize;

use crate::identity::transition::Refusal;
use crate::identity::{FoundPerson, Identity, Link, LinkProof, RefusedLink, SubjectState};
use crate::model::IdentityStatus;
use crate::store::{Store, StoreError};
use crate::{IdentityId, ObjectId, Subject, Timestamp};

use super::Standing;

/// Why a subject stands as it does: what is known, since when, by which event or callback, what was refused and why, and
/// what to do next. Made by [`Incode::explain`](crate::Incode::explain).
///
/// Ids, times and statuses alone: no secret, no token, no personal field. As JSON the names are those below in camel
/// case, and what is not known is `null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Explanation {
    /// Whose. `None` where an identity was asked for.
    pub subject: Option<Subject>,
    /// Every subject that is linked to the identity.
    pub subjects: Vec<Subject>,
    /// How the gate stands for the subject.
    pub standing: Standing,
    /// Why, in one sentence.
    pub why: &'static str,
    /// Since when. Of a status that is not ACTIVE: when the vendor was asked last, so it is so since then or before. Of a
    /// subject that is not linked: when a link was refused.
    pub since: Option<Timestamp>,
    /// What to do next.
    pub next: &'static str,
    /// When the subject was linked.
    pub linked_at: Option<Timestamp>,
    /// By what: the callback of the hosted flow, an event, or the application.
    pub link_proof: Option<LinkProof>,
    /// When link and ACTIVE were first true together.
    pub active_since: Option<Timestamp>,
    /// The same with a verification as the third condition.
    pub verified_since: Option<Timestamp>,
    /// The identity that a callback named whose check is not known yet.
    pub pending_identity: Option<IdentityId>,
    /// When that flow began.
    pub pending_since: Option<Timestamp>,
    /// When it ends unconfirmed.
    pub pending_until: Option<Timestamp>,
    /// Why the newest link of the subject was refused.
    pub refused: Option<Refusal>,
    /// The same in one sentence.
    pub refused_because: Option<&'static str>,
    /// When it was refused.
    pub refused_at: Option<Timestamp>,
    /// The number of the event that was to make the link. `None` with `refused`: a callback was.
    pub refused_event: Option<i64>,
    /// When a face was confirmed last through the application.
    pub face_confirmed_at: Option<Timestamp>,
    /// The identity.
    pub identity_id: Option<IdentityId>,
    /// Its status, by the vendor's own word.
    pub status: Option<IdentityStatus>,
    /// When the vendor was asked for it.
    pub checked_at: Option<Timestamp>,
    /// The newest verification with status VERIFIED: the object of the event that brought it.
    pub verification_id: Option<ObjectId>,
    /// When that was made.
    pub verified_at: Option<Timestamp>,
    /// The newest face authentication that passed, wherever the vendor saw it.
    pub face_authenticated_at: Option<Timestamp>,
    /// When the newest check was made that did not pass.
    pub last_check_failed_at: Option<Timestamp>,
}

impl Explanation {
    /// Reads it from a store, past every cache, for a program that has no [`Incode`](crate::Incode). `None`: nothing is
    /// known of the identity. Of a subject there is always one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn read(store: &dyn Store, person: &FoundPerson, now: Timestamp) -> Result<Option<Self>, StoreError> {
        match person {
            FoundPerson::Subject(subject) => {
                let state = store.subject(subject.clone()).await?;
                Self::of_subject(store, subject, &state, now).await.map(Some)
            }
            FoundPerson::Identity(id) => {
                let Some(identity) = store.identity(id.clone()).await? else { return Ok(None) };
                Ok(Some(Self::of_identity(&identity, store.subjects(id.clone()).await?)))
            }
        }
    }

    pub(crate) async fn of_subject(
        store: &dyn Store,
        subject: &Subject,
        state: &SubjectState,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let refused = store.refused_link(subject.clone()).await?;
        let subjects = match &state.linked {
            Some(linked) => store.subjects(linked.identity.identity_id.clone()).await?,
            None => Vec::new(),
        };
        let standing = Standing::of(state, now);
        let link = state.linked.as_ref().map(|linked| &linked.link);
        let identity = state.linked.as_ref().map(|linked| &linked.identity);
        let pending = state.pending.as_ref().filter(|pending| now < pending.expires_at);
        Ok(Self {
            subject: Some(subject.clone()),
            since: since(standing, link, identity, refused.as_ref()).or(pending.map(|pending| pending.window.began_at)),
            next: next(standing, refused.as_ref().map(|refused| refused.refusal)),
            linked_at: link.map(|link| link.linked_at),
            link_proof: link.map(|link| link.proof),
            active_since: link.and_then(|link| link.active_since),
            verified_since: link.and_then(|link| link.verified_since),
            pending_identity: pending.map(|pending| pending.identity_id.clone()),
            pending_since: pending.map(|pending| pending.window.began_at),
            pending_until: pending.map(|pending| pending.expires_at),
            refused: refused.as_ref().map(|refused| refused.refusal),
            refused_because: refused.as_ref().map(|refused| because(refused.refusal)),
            refused_at: refused.as_ref().map(|refused| refused.refused_at),
            refused_event: refused.as_ref().and_then(|refused| refused.event).map(|event| event.0),
            face_confirmed_at: state.confirmations.first().map(|newest| newest.passed_at),
            ..Self::about(standing, identity, subjects)
        })
    }

    fn of_identity(identity: &Identity, subjects: Vec<Subject>) -> Self {
        let standing = if subjects.is_empty() { Standing::NotLinked } else { Standing::from(&identity.status) };
        Self { since: since(standing, None, Some(identity), None), ..Self::about(standing, Some(identity), subjects) }
    }

    fn about(standing: Standing, identity: Option<&Identity>, mut subjects: Vec<Subject>) -> Self {
        subjects.sort();
        // An imported identity was never asked about: its row has no such instant.
        let asked = identity.filter(|identity| identity.status != IdentityStatus::NotYetAsked);
        Self {
            subject: None,
            subjects,
            standing,
            why: why(standing),
            since: None,
            next: next(standing, None),
            linked_at: None,
            link_proof: None,
            active_since: None,
            verified_since: None,
            pending_identity: None,
            pending_since: None,
            pending_until: None,
            refused: None,
            refused_because: None,
            refused_at: None,
            refused_event: None,
            face_confirmed_at: None,
            identity_id: identity.map(|identity| identity.identity_id.clone()),
            status: identity.map(|identity| identity.status.clone()),
            checked_at: asked.map(|identity| identity.checked_at),
            verification_id: identity.and_then(|identity| identity.verification_id.clone()),
            verified_at: identity.and_then(|identity| identity.verified_at),
            face_authenticated_at: identity.and_then(|identity| identity.face_authenticated_at),
            last_check_failed_at: identity.and_then(|identity| identity.checks.failed_at.newest()),
        }
    }
}

fn since(
    standing: Standing,
    link: Option<&Link>,
    identity: Option<&Identity>,
    refused: Option<&RefusedLink>,
) -> Option<Timestamp> {
    match standing {
        Standing::Active => link.map(|link| link.active_since.unwrap_or(link.linked_at)),
        Standing::Revoked | Standing::Other => identity.map(|identity| identity.checked_at),
        Standing::NotYetAsked => link.map(|link| link.linked_at),
        Standing::NotLinked => refused.map(|refused| refused.refused_at),
        Standing::NoSubject | Standing::VerificationPending | Standing::Unavailable => None,
    }
}

fn why(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "the vendor's last answer about the identity was ACTIVE",
        Standing::Revoked => "the vendor's last answer about the identity was REVOKED",
        Standing::Other => "the vendor's last answer about the identity was neither ACTIVE nor REVOKED",
        Standing::NotYetAsked => "the link was imported, and the vendor has not answered about the identity yet",
        Standing::VerificationPending => {
            "the subject came back from the hosted flow, and the vendor has not said how the check ended"
        }
        Standing::NotLinked => "no subject and identity are linked",
        Standing::NoSubject => "the request has no subject",
        Standing::Unavailable => "the store does not answer",
    }
}

fn because(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::TokenRefused => "the vendor did not accept the token that the browser brought back",
        Refusal::NonceUsed => "the callback was used before",
        Refusal::TokenUsed => "the token of the callback had linked another subject",
        Refusal::TokenOlder => "the token of the callback was issued before the flow began",
        Refusal::IdentityTaken => "another subject is linked to the identity",
        Refusal::SubjectTaken => "the subject is linked to another identity",
        Refusal::CheckFailed => "the check did not pass",
        Refusal::Ambiguous => "several subjects came back as one identity, and nothing tells which of them passed",
        Refusal::Forgotten => "the identity was erased since",
        Refusal::UnknownIdentity => "nothing is known of the identity",
        Refusal::NotLinked => "the subject is not linked to the identity",
        Refusal::NotConfirmed => "there is no such confirmation, or it was used",
        Refusal::ConfirmationExpired => "the confirmation is too old",
    }
}

/// What helps a person who is still refused.
fn next(standing: Standing, refusal: Option<Refusal>) -> &'static str {
    match (standing, refusal) {
        (Standing::Active, _) => {
            "the person passes; where a requirement refuses, it asks for a newer verification, a face or a field"
        }
        (Standing::VerificationPending, _) => {
            "wait for the vendor's event that the check passed; if none arrives, look for it among the events"
        }
        (Standing::Revoked, _) => {
            "the vendor revoked the identity, and another check does not undo that: ask the vendor"
        }
        (Standing::Other, _) => "the vendor's status is not ACTIVE: ask the vendor what it means, or verify again",
        (Standing::NotYetAsked, _) => "send the subject through the hosted flow: the vendor's first answer counts",
        (_, Some(Refusal::IdentityTaken)) => {
            "look for the account that the identity is linked to: the person uses that one, or you end its link"
        }
        (_, Some(Refusal::TokenRefused)) => {
            "look for the vendor's event among the events; if there is none, send the subject through the hosted flow again"
        }
        (_, Some(_)) => "send the subject through the hosted flow again",
        (_, None) => "send the subject through the hosted flow",
    }
}

#[cfg(test)]
mod tests;
