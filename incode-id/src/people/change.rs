//! `link`, `unlink` and `forget`.

use std::sync::Arc;

use incode_core::identity::transition::{ChangeRequest, Command, Outcome, Refusal, Rules};
use incode_core::identity::{Link, LinkProof};
use incode_core::store::Store;
use incode_core::{IdentityId, Subject};
use serde_json::json;

use crate::cli::{By, LinkArguments};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings;

/// The identity has to be known: `import` is for those that are not.
pub(crate) async fn link(store: &dyn Store, arguments: LinkArguments, output: &Output) -> Result<(), Failure> {
    let LinkArguments { subject, identity, shared_identities, by } = arguments;
    let by = Some(by.actor()?);
    let link = Link::new(subject, identity, LinkProof::Application, settings::now(store).await?);
    match change(store, Command::Link { link, by }, shared_identities).await? {
        Outcome::Refused(Refusal::UnknownIdentity) => Err(Failure::not_found("nothing is known of the identity")),
        Outcome::Refused(refusal) => Err(Failure::refused(said(refusal))),
        _ => output.object(&json!({"linked": true})),
    }
}

pub(crate) async fn unlink(store: &dyn Store, subject: Subject, by: &By, output: &Output) -> Result<(), Failure> {
    let by = Some(by.actor()?);
    match change(store, Command::Unlink { subject, by }, false).await? {
        Outcome::Unlinked(true) => output.object(&json!({"unlinked": true})),
        _ => Err(Failure::not_found("the subject is not linked")),
    }
}

/// What is not known is remembered as erased all the same: the vendor may still speak of it.
pub(crate) async fn forget(store: &dyn Store, identity: IdentityId, by: &By, output: &Output) -> Result<(), Failure> {
    let by = by.actor()?;
    let outcome = change(store, Command::Forget { identity, by }, false).await?;
    output.object(&json!({"forgotten": true, "wasKnown": outcome == Outcome::Forgotten(true)}))
}

/// Without the names of the application's handlers: a link of an ACTIVE identity calls its `on_verified` handlers when
/// the application hears of the identity next.
pub(super) async fn change(store: &dyn Store, command: Command, shared: bool) -> Result<Outcome, Failure> {
    let mut rules = Rules::default();
    rules.shared_identities = shared;
    rules.handlers_unknown = true;
    let request = ChangeRequest { command, rules: Arc::new(rules), now: settings::now(store).await? };
    Ok(store.change(request).await?.outcome)
}

pub(super) fn said(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::SubjectTaken => "the subject is linked to another identity: unlink it first",
        Refusal::IdentityTaken => {
            "another subject is linked to the identity: unlink it first, or say --shared-identities"
        }
        Refusal::Forgotten => "the identity was erased",
        other => other.as_str(),
    }
}
