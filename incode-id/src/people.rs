//! `who`, `unlink` and `forget`: one person.

use std::sync::Arc;

use incode_core::gate::Standing;
use incode_core::identity::transition::{ChangeRequest, Command, Outcome, Rules};
use incode_core::identity::{Identity, LinkedIdentity, SubjectState};
use incode_core::store::Store;
use incode_core::{Actor, IdentityId, ObjectId, Subject, Timestamp};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::settings;

/// A subject first: that is the id that an application knows.
pub(crate) async fn who(store: &dyn Store, name: &str, output: &Output) -> Result<(), Failure> {
    let now = settings::now(store).await?;
    if let Ok(subject) = Subject::new(name) {
        let state = store.subject(subject.clone()).await?;
        if state.linked.is_some() || state.pending.is_some() {
            return output.object(&of_subject(&subject, &state, now));
        }
    }
    match identity(store, name).await? {
        Some(identity) => {
            let subjects = store.subjects(identity.identity_id.clone()).await?;
            output.object(&of_identity(&identity, &subjects))
        }
        None => Err(Failure::not_found(
            "no subject is linked under this name, and no identity or verification has this id: if it is a subject, send \
             it through the hosted flow",
        )),
    }
}

/// By its own id, or that of its verification.
async fn identity(store: &dyn Store, name: &str) -> Result<Option<Identity>, Failure> {
    if let Ok(id) = IdentityId::new(name)
        && let Some(identity) = store.identity(id).await?
    {
        return Ok(Some(identity));
    }
    let Ok(verification) = ObjectId::new(name) else { return Ok(None) };
    match store.verified_as(verification).await? {
        Some(id) => Ok(store.identity(id).await?),
        None => Ok(None),
    }
}

fn of_subject(subject: &Subject, state: &SubjectState, now: Timestamp) -> Value {
    let linked = state.linked.as_ref();
    let pending = state.pending.as_ref().filter(|pending| pending.expires_at > now);
    let standing = match (linked, pending) {
        (Some(linked), _) => Standing::from(&linked.identity.status),
        (None, Some(_)) => Standing::VerificationPending,
        (None, None) => Standing::NotLinked,
    };
    let link = linked.map(|LinkedIdentity { link, .. }| link);
    let mut shown = json!({
        "subject": subject.as_str(),
        "standing": standing,
        "linkedAt": link.map(|link| link.linked_at),
        "linkProof": link.map(|link| link.proof.as_str()),
        "activeSince": link.and_then(|link| link.active_since),
        "verifiedSince": link.and_then(|link| link.verified_since),
        "pendingIdentity": pending.map(|pending| pending.identity_id.as_str()),
        "pendingSince": pending.map(|pending| pending.window.began_at),
        "pendingUntil": pending.map(|pending| pending.expires_at),
        "faceConfirmedAt": state.confirmations.first().map(|newest| newest.passed_at),
    });
    add_identity(&mut shown, linked.map(|linked| &linked.identity));
    add_next(&mut shown, standing);
    shown
}

fn of_identity(identity: &Identity, subjects: &[Subject]) -> Value {
    let standing = if subjects.is_empty() { Standing::NotLinked } else { Standing::from(&identity.status) };
    let subjects: Vec<_> = subjects.iter().map(Subject::as_str).collect();
    let mut shown = json!({"subjects": subjects, "standing": standing});
    add_identity(&mut shown, Some(identity));
    add_next(&mut shown, standing);
    shown
}

fn add_identity(shown: &mut Value, identity: Option<&Identity>) {
    let (Some(shown), Some(identity)) = (shown.as_object_mut(), identity) else { return };
    shown.insert("identityId".into(), json!(identity.identity_id.as_str()));
    shown.insert("status".into(), json!(identity.status.as_str()));
    shown.insert("checkedAt".into(), json!(identity.checked_at));
    shown.insert("verificationId".into(), json!(identity.verification_id.as_ref().map(ObjectId::as_str)));
    shown.insert("verifiedAt".into(), json!(identity.verified_at));
    shown.insert("faceAuthenticatedAt".into(), json!(identity.face_authenticated_at));
    shown.insert("lastCheckFailedAt".into(), json!(identity.checks.failed_at));
}

fn add_next(shown: &mut Value, standing: Standing) {
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("next".into(), json!(next(standing)));
    }
}

/// What helps a person who is still refused.
fn next(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => {
            "the person passes; where a requirement refuses, it asks for a newer verification, a face or a field"
        }
        Standing::VerificationPending => {
            "wait for the vendor's event that the check passed; if none arrives, look for it: incode-id events list"
        }
        Standing::Revoked => "the vendor revoked the identity: the person has to verify again",
        Standing::Other => "the vendor's status is not ACTIVE: ask the vendor what it means, or verify again",
        _ => "send the subject through the hosted flow",
    }
}

pub(crate) async fn unlink(store: &dyn Store, subject: Subject, by: Actor, output: &Output) -> Result<(), Failure> {
    match change(store, Command::Unlink { subject, by: Some(by) }).await? {
        Outcome::Unlinked(true) => output.object(&json!({"unlinked": true})),
        _ => Err(Failure::not_found("the subject is not linked")),
    }
}

/// What is not known is remembered as erased all the same: the vendor may still speak of it.
pub(crate) async fn forget(store: &dyn Store, identity: IdentityId, by: Actor, output: &Output) -> Result<(), Failure> {
    let outcome = change(store, Command::Forget { identity, by }).await?;
    output.object(&json!({"forgotten": true, "wasKnown": outcome == Outcome::Forgotten(true)}))
}

/// Neither command makes a handler's job, so the application's handlers need not be known.
async fn change(store: &dyn Store, command: Command) -> Result<Outcome, Failure> {
    let now = settings::now(store).await?;
    Ok(store.change(ChangeRequest { command, rules: Arc::new(Rules::default()), now }).await?.outcome)
}
