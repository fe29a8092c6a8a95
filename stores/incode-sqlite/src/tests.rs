use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use incode_core::identity::transition::{ApplyEvent, ChangeRequest, Command, EventLink, Rules, UsedNonce};
use incode_core::identity::{Check, Checks, FaceOrigin, LinkProof, NamedFlow, Observation, Verified};
use incode_core::model::{EventKind, IdentityStatus};
use incode_core::store::{
    Accepted, Claim, ClaimedEvent, EventId, EventState, InboxStore, LifeCycle, NewEvent, Reason, Settlement,
    StoreError, StoreErrorKind,
};
use incode_core::{IdentityId, ObjectId, Subject, Timestamp, Token};
use tempfile::TempDir;

use crate::{SqliteOptions, SqliteStore};

mod durability;
mod failures;
mod opening;

async fn open(path: &Path) -> SqliteStore {
    SqliteOptions::new(path).open().await.unwrap()
}

async fn accept(store: &SqliteStore, event: NewEvent) -> Accepted {
    store.accept(event).await.unwrap()
}

/// Accepts `pending("object-N", "token", 10)` for each N, 256 at a time.
async fn accept_many(store: &SqliteStore, range: std::ops::Range<usize>) {
    futures_util::stream::iter(range)
        .map(|n| store.accept(pending(&format!("object-{n}"), "token", 10)))
        .buffer_unordered(256)
        .for_each(|accepted| async move { assert!(matches!(accepted.unwrap(), Accepted::New(_))) })
        .await;
}

async fn claim(store: &SqliteStore, now: i64, limit: u32) -> Vec<ClaimedEvent> {
    let claim = Claim { now: ms(now), lease_until: ms(now + 1_000), limit, newest_first: false };
    store.claim(claim).await.unwrap().events
}

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn identity_id(id: &str) -> IdentityId {
    IdentityId::new(id).unwrap()
}

/// A delivery of the vendor.
fn pending(object: &str, token: &str, at: i64) -> NewEvent {
    NewEvent {
        kind: EventKind::from("verification.completed"),
        object_id: Some(ObjectId::new(object).unwrap()),
        token: token.as_bytes().to_vec(),
        token_hash: Token::new(token).unwrap().hash(),
        correlation_id: Some(format!("correlation of {object}")),
        vendor_time: Some(ms(5)),
        received_at: ms(at),
        authenticated: true,
        implausible: false,
        state: EventState::Pending,
        reason: None,
    }
}

fn ignored(object: &str, at: i64) -> NewEvent {
    NewEvent {
        kind: EventKind::from("something.else"),
        token: Vec::new(),
        correlation_id: None,
        state: EventState::Ignored,
        reason: Some(Reason::UnknownKind),
        ..pending(object, "token", at)
    }
}

fn done(at: i64) -> Settlement {
    Settlement::Done { apply: None, at: ms(at) }
}

fn dead(at: i64) -> Settlement {
    Settlement::Dead { reason: Reason::NotFound, wipe_token: false, at: ms(at) }
}

/// What the vendor said of an ACTIVE identity with a VERIFIED verification.
fn seen(identity: &str, sent_at: i64) -> Observation {
    Observation {
        identity_id: identity_id(identity),
        sent_at: ms(sent_at),
        status: IdentityStatus::Active,
        attestation: None,
        verified: Some(Verified { id: ObjectId::new("verification").unwrap(), at: Some(ms(sent_at)) }),
        face_authenticated_at: None,
        face_origin: FaceOrigin::default(),
        checks: Checks::default(),
        fields: Vec::new(),
    }
}

/// The event, applied to the identity, with these `on_event` handlers.
fn apply(event: &ClaimedEvent, seen: Observation, link: Option<EventLink>, handlers: &[&str]) -> ChangeRequest {
    let (made_at, now) = (Some(seen.sent_at), seen.sent_at);
    let check =
        Check { passed: true, made_at, received_at: event.received_at, authenticated: true, flow: NamedFlow::Unnamed };
    let (kind, object_id) = (event.kind.clone(), event.object_id.clone());
    let applied = ApplyEvent { event: event.lease.event, kind, object_id, seen, check, link };
    let mut rules = Rules::default();
    rules.handlers.on_event = handlers.iter().map(|handler| (*handler).into()).collect();
    ChangeRequest { command: Command::ApplyEvent(applied), rules: Arc::new(rules), now }
}

fn link(name: &str, nonce: Option<u8>) -> EventLink {
    let nonce = nonce.map(|byte| UsedNonce { nonce: [byte; 24], expires_at: ms(90_000) });
    EventLink { subject: subject(name), proof: LinkProof::Webhook, nonce }
}

fn done_with(apply: ChangeRequest, at: i64) -> Settlement {
    Settlement::Done { apply: Some(Box::new(apply)), at: ms(at) }
}

/// Keeps the writer busy until the sender is dropped or used, so that what is queued next shares one batch.
async fn hold_writer(store: &SqliteStore) -> std::sync::mpsc::Sender<()> {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let work = move |_: &mut crate::batch::Transaction<'_>| {
        let _ = begun.send(());
        let _ = held.recv();
        Ok(())
    };
    let answer = store.writer.push(|reply| crate::writer::job(reply, true, work)).await.unwrap();
    drop(answer);
    begins.await.unwrap();
    release
}

fn kind_of<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreErrorKind {
    result.unwrap_err().kind()
}

fn cause_of<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    std::error::Error::source(&result.unwrap_err()).unwrap().to_string()
}
