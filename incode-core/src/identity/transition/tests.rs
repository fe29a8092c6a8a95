//! Each rule by itself, on rows that a test writes down; and [`world::World`], which applies many in a row.

use std::sync::Arc;

use super::*;
use crate::identity::{
    ActionHash, Check, Checks, Confirmation, FaceOrigin, FlowWindow, Identity, Link, LinkProof, NamedFlow, Observation,
    PendingLink, SessionHash, Verified,
};
use crate::model::{EventKind, IdentityStatus};
use crate::store::EventId;
use crate::{Actor, IdentityId, ObjectId, Subject, Timestamp, TokenHash};

mod confirm;
mod event;
mod flow;
mod forget;
mod link;
mod observe;
mod orders;
mod world;

/// When the flow of a test began, when its check was made, and when the subject came back. In seconds.
const START: i64 = 1_000_000;
const MADE: i64 = START + 20;
const RETURN: i64 = START + 30;

fn secs(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn person() -> IdentityId {
    IdentityId::new("person").unwrap()
}

fn other_person() -> IdentityId {
    IdentityId::new("other").unwrap()
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn object(id: &str) -> ObjectId {
    ObjectId::new(id).unwrap()
}

fn actor() -> Actor {
    Actor::new("anna").unwrap()
}

/// What userinfo says of the person at `at` seconds: nothing of a verification.
fn seen(status: &str, at: i64) -> Observation {
    Observation {
        identity_id: person(),
        sent_at: secs(at),
        status: status.into(),
        attestation: None,
        verified: None,
        face_authenticated_at: None,
        face_origin: FaceOrigin::default(),
        checks: Checks::default(),
        fields: Vec::new(),
    }
}

fn verified(status: &str, at: i64) -> Observation {
    let verified = Verified { id: object(&format!("verification-{at}")), at: Some(secs(at)) };
    Observation { verified: Some(verified), ..seen(status, at) }
}

fn active() -> Identity {
    Identity::new(person(), IdentityStatus::Active, secs(START - 1_000))
}

fn linked(name: &str) -> Link {
    Link::new(subject(name), person(), LinkProof::Flow, secs(START - 500))
}

fn window() -> FlowWindow {
    FlowWindow { began_at: secs(START), vendor_began_at: secs(START), vendor_returned_at: secs(RETURN) }
}

fn pending(name: &str) -> PendingLink {
    PendingLink { subject: subject(name), identity_id: person(), window: window(), expires_at: secs(RETURN + 600) }
}

/// A check of the flow that passed and was accepted at `received_at` seconds.
fn check(received_at: i64) -> Check {
    Check {
        passed: true,
        made_at: Some(secs(MADE)),
        received_at: secs(received_at),
        authenticated: true,
        flow: NamedFlow::Unnamed,
    }
}

fn apply_event(check: Check, at: i64) -> ApplyEvent {
    let seen = if check.passed { verified("ACTIVE", at) } else { seen("ACTIVE", at) };
    ApplyEvent {
        event: EventId(1),
        kind: EventKind::Verification,
        object_id: object("object"),
        seen: Observation { checks: Checks::default().with(&check), ..seen },
        check,
        link: None,
    }
}

fn come_back(name: &str, at: i64) -> Return {
    Return {
        token_is_older: false,
        subject: subject(name),
        seen: seen("ACTIVE", at),
        window: window(),
        nonce: UsedNonce { nonce: [name.as_bytes()[0]; 24], expires_at: secs(at + 600) },
        token: UsedToken { hash: TokenHash([name.as_bytes()[0]; 32]), expires_at: secs(at + 600) },
        pending_until: secs(at + 600),
    }
}

fn request(command: Command, at: i64) -> ChangeRequest {
    ChangeRequest { command, rules: Arc::default(), now: secs(at) }
}

fn under(rules: Rules, command: Command, at: i64) -> ChangeRequest {
    ChangeRequest { command, rules: Arc::new(rules), now: secs(at) }
}

fn shared() -> Rules {
    Rules { shared_identities: true, ..Rules::default() }
}

/// Handlers "event", "open" (link and ACTIVE), "check" (VERIFIED too) and "shut".
fn handlers() -> Rules {
    let handler = |name: &str, needs_verification| VerifiedHandler { name: name.into(), needs_verification };
    let handlers = HandlerNames {
        on_event: vec!["event".into()],
        on_verified: vec![handler("open", false), handler("check", true)],
        on_revoked: vec!["shut".into()],
    };
    Rules { handlers, ..Rules::default() }
}

fn job_names(after: &After) -> Vec<&str> {
    after.jobs.iter().map(|job| &*job.handler).collect()
}

/// The subjects that are linked by what is written.
fn new_links(after: &After) -> Vec<&str> {
    let puts = after.links.iter().filter(|(_, write)| matches!(write, Write::Put(_)));
    puts.map(|(subject, _)| subject.as_str()).collect()
}

fn ended(after: &After) -> Vec<&str> {
    let deletes = after.pending_links.iter().filter(|(_, write)| *write == Write::Delete);
    deletes.map(|(subject, _)| subject.as_str()).collect()
}
