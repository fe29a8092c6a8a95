//! A store with a row of every kind, everything that its contract gives away of it, and the program itself.

#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Output, Stdio};
use std::sync::Arc;

use incode_core::identity::transition::{Command, Refusal, Rules, VerifiedHandler};
use incode_core::identity::{ActionHash, Confirmation, Field, Observation, RetainedField, SessionHash};
use incode_core::model::{EventKind, IdentityStatus};
use incode_core::store::{
    Claim, ClaimedEvent, DeadFilter, EventFilter, EventId, JobClaim, JobFailure, JobFilter, JobSettlement, NewEvent,
    Reason, Replay, ReplayJobs, Settlement, Store,
};
use incode_core::testing::store_suite::{
    apply, applying, callback, forget, ignored, link, observe, pending, request, seen, unlink,
};
use incode_core::{Actor, IdentityId, ObjectId, Subject, Timestamp};
use incode_sqlite::SqliteOptions;

pub(crate) const SECRET: [u8; 16] = [0, 1, 2, 255, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

pub(crate) async fn open_file(path: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteOptions::new(path).open().await.unwrap())
}

/// The program with these arguments, and nothing of this process's settings.
pub(crate) fn program(arguments: &[&str]) -> Process {
    let mut program = Process::new(env!("CARGO_BIN_EXE_incode-id"));
    program.args(arguments).env_remove("INCODE_STORE").env_remove("INCODE_STORE_FILE");
    program
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

pub(crate) fn copy(file: &Path, url: &str) -> Output {
    run(&["store", "copy", "--from", &format!("sqlite:{}", file.display()), "--to", url])
}

/// A copy that goes on beside the test, a few rows at a time.
pub(crate) fn copying(file: &Path, url: &str, batch: &str) -> Child {
    let from = format!("sqlite:{}", file.display());
    let mut program = program(&["store", "copy", "--from", &from, "--to", url, "--batch", batch]);
    program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The exit code, with what was said on stderr.
pub(crate) fn ending(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

pub(crate) fn text(output: &Output) -> String {
    assert!(output.status.success(), "{:?}", ending(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn file_in(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("incode.db")
}

/// Writes a row of every kind, in every state. Some texts are such that a careless copy would change them.
pub(crate) async fn fill(store: &dyn Store) {
    store.check_secret("flow", SECRET).await.unwrap();
    // Events: dead, done, ignored, replayed, retried, under a lease, new; and one that was pruned.
    for (object, at) in [("dead-1", 1), ("dead-2", 2), ("replayed", 3)] {
        store.accept(pending(object, object, at)).await.unwrap();
        let event = claimed(store, 10).await;
        let reason = if at == 1 { Reason::NotFound } else { Reason::Exhausted };
        let dead = Settlement::Dead { reason, wipe_token: at == 1, at: ms(20 + at) };
        store.settle(event.lease, dead).await.unwrap();
    }
    let rules = rules();
    for (object, identity) in [("done-1", "person-1"), ("done-2", "person-2")] {
        store.accept(pending(object, "done", 30)).await.unwrap();
        let event = claimed(store, 40).await;
        store.settle(event.lease, apply(applying(&event, seen(identity, 41)), &rules, 42)).await.unwrap();
    }
    let odd = NewEvent { kind: EventKind::from("odd \0 \\u0000 \"kind\" \u{1f600}"), ..ignored("odd", 50) };
    store.accept(odd).await.unwrap();
    store.replay(Replay::One(EventId(3)), actor(), ms(55)).await.unwrap();
    let replayed = claimed(store, 56).await;
    let retry = Settlement::Retry { due_at: ms(100_000), reason: Reason::RateLimited };
    store.settle(replayed.lease, retry).await.unwrap();
    let sealed = NewEvent { token: (0..=255).collect(), vendor_time: None, ..pending("leased", "leased", 57) };
    store.accept(sealed).await.unwrap();
    claimed(store, 58).await;
    store.accept(NewEvent { authenticated: false, implausible: true, ..pending("new", "new", 59) }).await.unwrap();
    let none = DeadFilter {
        reason: Some(Reason::TokenDead),
        kind: Some(EventKind::Verification),
        accepted_before: Some(ms(9)),
    };
    store.replay(Replay::Dead(none), actor(), ms(60)).await.unwrap();
    // People: linked, pending, confirmed, unlinked, erased, revoked, of an unknown status.
    let mut observed = seen("person-3", 61);
    observed.fields = vec![
        RetainedField { field: Field::Email, sealed: (0..=255).collect(), expires_at: ms(1_000_000) },
        RetainedField { field: Field::FullName, sealed: Vec::new(), expires_at: ms(2_000_000) },
    ];
    store.change(observe(observed)).await.unwrap();
    for (n, name) in SUBJECTS.iter().enumerate() {
        let at = 70 + i64::try_from(n).unwrap();
        let mut linking = link(name, &format!("person-{}", n + 3), at);
        let mut trusting = rules.clone();
        trusting.trust_userinfo_alone = true;
        linking.rules = Arc::new(trusting);
        store.change(linking).await.unwrap();
    }
    store.change(request(Command::Return(callback("waiting", "person-20", 80)), 80)).await.unwrap();
    let refuse = Command::Refuse { subject: subject("refused"), refusal: Refusal::TokenRefused };
    store.change(request(refuse, 81)).await.unwrap();
    for (action, at) in [(None, 90), (Some([7; 32]), 91)] {
        let confirmation = Confirmation {
            subject: subject(SUBJECTS[0]),
            identity_id: identity("person-3"),
            session: SessionHash([200; 32]),
            action: action.map(ActionHash),
            passed_at: ms(at),
        };
        store.change(request(Command::Confirm { confirmation, seen: seen("person-3", at) }, at)).await.unwrap();
    }
    store.change(unlink(SUBJECTS[3], 95)).await.unwrap();
    store.change(forget("person-5", 96)).await.unwrap();
    let mut revoked = observe(Observation { status: IdentityStatus::Revoked, ..seen("person-4", 97) });
    revoked.rules = Arc::new(rules);
    store.change(revoked).await.unwrap();
    let status = IdentityStatus::from("WEIRD \\ 'status'");
    store.change(observe(Observation { status, ..seen("person-2", 98) })).await.unwrap();
    // Jobs: done, dead, replayed, under a lease, new.
    let claim = JobClaim { handler: "audit".into(), now: ms(100), lease_until: ms(200_000), limit: 10 };
    let jobs = store.claim_jobs(claim).await.unwrap().jobs;
    assert!(jobs.len() >= 2, "{jobs:?}");
    store.settle_job(jobs[0].lease, JobSettlement::Done { at: ms(101) }).await.unwrap();
    let dead = JobSettlement::Dead { failure: JobFailure::TimedOut, at: ms(102) };
    store.settle_job(jobs[1].lease, dead).await.unwrap();
    store.replay_jobs(ReplayJobs::Dead(Some("none".into())), actor(), ms(103)).await.unwrap();
}

/// Everything that the contract gives away without a change, as lines to compare.
pub(crate) async fn snapshot(store: &dyn Store) -> Vec<String> {
    let mut lines = vec![format!("{:?}", store.counts().await.unwrap())];
    for event in store.events(EventFilter { limit: 10_000, ..EventFilter::default() }).await.unwrap() {
        // `Debug` shortens ids, here and below.
        let object = event.object_id.as_ref().map(ObjectId::as_str);
        lines.push(format!("{object:?} {:?}", store.event(event.id).await.unwrap()));
    }
    let jobs = JobFilter { state: None, handler: None, before: None, limit: 10_000 };
    lines.extend(store.jobs(jobs).await.unwrap().iter().map(|job| format!("{job:?}")));
    lines.extend(store.audits(10_000, None).await.unwrap().iter().map(|entry| format!("{entry:?}")));
    for name in SUBJECTS.iter().chain(&["waiting", "refused", "unknown"]) {
        lines.push(format!("{:?}", store.refused_link(subject(name)).await.unwrap()));
        let state = store.subject(subject(name)).await.unwrap();
        let linked = state.linked.as_ref().map(|linked| linked.link.identity_id.as_str());
        let pending = state.pending.as_ref().map(|pending| pending.identity_id.as_str());
        let face = |face: &Confirmation| (face.session.0, face.action.as_ref().map(|action| action.0));
        let faces: Vec<_> = state.confirmations.iter().map(face).collect();
        lines.push(format!("{name}: {linked:?} {pending:?} {faces:?} {state:?}"));
    }
    for n in 0..25 {
        let id = identity(&format!("person-{n}"));
        let known = store.identity(id.clone()).await.unwrap();
        let hidden = known.as_ref().map(|known| (known.face_origin.source_id.clone(), known.verification_id.clone()));
        let hidden = hidden.map(|(source, verification)| (source, verification.map(|id| id.as_str().to_owned())));
        lines.push(format!("{n}: {known:?} {hidden:?}"));
        let mut subjects = store.subjects(id.clone()).await.unwrap();
        subjects.sort();
        lines.push(format!("{n}: {:?}", subjects.iter().map(Subject::as_str).collect::<Vec<_>>()));
        let mut fields = store.fields(id, ms(0)).await.unwrap();
        fields.sort_by_key(|field| field.field.as_str());
        let fields: Vec<_> = fields.iter().map(|field| (field.field, &field.sealed, field.expires_at)).collect();
        lines.push(format!("{n}: {fields:?}"));
    }
    for at in [41, 61, 70, 97] {
        let verification = ObjectId::new(format!("verification-{at}")).unwrap();
        lines.push(format!("{at}: {:?}", store.verified_as(verification).await.unwrap()));
    }
    lines
}

/// Compares line by line: all of them at once can't be read.
pub(crate) fn assert_same(found: &[String], expected: &[String]) {
    for (found, expected) in found.iter().zip(expected) {
        // PostgreSQL holds no character of code zero.
        assert_eq!(found, &expected.replace("\\0", "\u{fffd}"));
    }
    assert_eq!(found.len(), expected.len());
}

/// What only a change shows: tokens, leases, what was used, what is known, where ids go on. The same for every store that
/// holds the same.
pub(crate) async fn behaviour(store: &dyn Store) -> Vec<String> {
    let mut lines = vec![format!("{:?}", store.check_secret("flow", SECRET).await.unwrap())];
    lines.push(format!("{:?}", store.check_secret("other", SECRET).await.unwrap()));
    for (object, token) in [("done-1", "another"), ("new", "new"), ("replayed", "replayed")] {
        let authenticated = object != "new";
        let event = NewEvent { authenticated, ..pending(object, token, 300_000) };
        lines.push(format!("{object}: {:?}", store.accept(event).await.unwrap()));
    }
    lines.push(format!("{:?}", store.accept(pending("next", "next", 300_001)).await.unwrap()));
    // A callback with a correlation id and a token that were used, for the same subject and for another one.
    let back = callback(SUBJECTS[0], "person-3", 70);
    lines.push(format!("{:?}", store.change(request(Command::Return(back.clone()), 71)).await.unwrap()));
    let mut other = callback("another", "person-3", 72);
    other.token = back.token;
    lines.push(format!("{:?}", store.change(request(Command::Return(other), 73)).await.unwrap()));
    // Older than the erasure.
    lines.push(format!("{:?}", store.change(observe(seen("person-5", 90))).await.unwrap()));
    // Each pending event, with its token.
    let claim = Claim { now: ms(400_000), lease_until: ms(500_000), limit: 100, newest_first: false };
    let mut events = store.claim(claim).await.unwrap().events;
    events.sort_by_key(|event| event.lease.event);
    lines.extend(events.iter().map(|event| format!("{event:?} {:?} {:?}", event.token, event.correlation_id)));
    for handler in ["audit", "open"] {
        let claim = JobClaim { handler: handler.into(), now: ms(400_000), lease_until: ms(500_000), limit: 100 };
        let mut jobs = store.claim_jobs(claim).await.unwrap().jobs;
        jobs.sort_by_key(|job| job.lease.job);
        lines.extend(jobs.iter().map(|job| format!("{job:?}")));
    }
    // The next ids of jobs and of the audit trail.
    let mut linking = link("newcomer", "person-20", 400_001);
    let mut trusting = rules();
    trusting.trust_userinfo_alone = true;
    linking.rules = Arc::new(trusting);
    lines.push(format!("{:?}", store.change(linking).await.unwrap()));
    store.replay(Replay::One(EventId(1)), actor(), ms(400_002)).await.unwrap();
    let jobs = JobFilter { state: None, handler: None, before: None, limit: 3 };
    lines.extend(store.jobs(jobs).await.unwrap().iter().map(|job| format!("{job:?}")));
    lines.extend(store.audits(2, None).await.unwrap().iter().map(|entry| format!("{entry:?}")));
    lines
}

pub(crate) async fn claimed(store: &dyn Store, now: i64) -> ClaimedEvent {
    let claim = Claim { now: ms(now), lease_until: ms(200_000), limit: 1, newest_first: true };
    store.claim(claim).await.unwrap().events.pop().unwrap()
}

pub(crate) fn rules() -> Rules {
    let mut rules = Rules::default();
    rules.handlers.on_event = vec!["audit".into()];
    rules.handlers.on_verified = vec![VerifiedHandler { name: "open".into(), needs_verification: false }];
    rules.handlers.on_revoked = vec!["shut".into()];
    rules
}

pub(crate) fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn actor() -> Actor {
    Actor::new("anna \u{1f600}").unwrap()
}

pub(crate) fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

pub(crate) fn identity(id: &str) -> IdentityId {
    IdentityId::new(id).unwrap()
}

/// The last one is unlinked, the third one's identity erased.
pub(crate) const SUBJECTS: [&str; 4] = ["alice \\u0000 \"quoted\"", "b\u{f6}b\u{1f600}", "carol", "dave"];
