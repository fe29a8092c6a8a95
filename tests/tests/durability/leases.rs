use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use incode_core::client::Client;
use incode_core::store::{Accepted, Claim, EventFilter, InboxStore, LifeCycle, Settled, Settlement, Store};
use incode_core::testing::ManualClock;
use incode_core::webhook::Authenticity;
use incode_core::{
    Builder, Clock, HandlerError, IdentityId, Incode, RevokedSubject, Secret, Subject, SystemClock, Timestamp,
};
use incode_sandbox::{Effect, Fault, NewPerson, Sandbox, Verified};
use incode_tests::{Adapter, FLOW_SECRET, Plan, World, eventually};
use serde_json::json;
use tempfile::TempDir;

use crate::shared::{self, SharedStore, put};

#[tokio::test]
async fn a_row_without_a_wakeup_is_found() {
    let directory = TempDir::new().unwrap();
    let (store, _) = shared::open(&directory.path().join("store.db")).await;
    let world = world_on(&store).await;
    // An event through the front door first, so that the worker is known to be up and idle.
    let first = person(&world.sandbox, "first");
    world.deliver(&event(&first)).await;
    world.settles(1, 0, 0).await;

    let second = person(&world.sandbox, "second");
    assert!(matches!(put(&store, &second).await, Accepted::New(_)));
    world.settles(2, 0, 0).await;
    assert!(world.identity(&second.identity_id).await.unwrap().verified_at.is_some());
}

/// The lease is compared by a clock that the test moves: however slow the machine is, nothing is taken before its end.
#[tokio::test]
async fn what_a_dead_worker_had_in_hand_is_applied_once_by_another() {
    let directory = TempDir::new().unwrap();
    let (store, _) = shared::open(&directory.path().join("store.db")).await;
    let sandbox = Sandbox::builder().start().await.unwrap();
    let clock = ahead();
    let event = person(&sandbox, "held");
    put(&store, &event).await;
    let now = clock.now();
    let claim = Claim { now, lease_until: now.after(LEASE), limit: 10, newest_first: false };
    let held = store.claim(claim).await.unwrap().events;
    assert_eq!(held.len(), 1);

    let incode = builder_of(&sandbox, &store).clock(clock.clone()).build().await.unwrap();
    clock.advance(LEASE - Duration::from_millis(1));
    // An event that comes later shows that the worker looks for work.
    put(&store, &person(&sandbox, "later")).await;
    eventually("the later one is applied", async || incode.inbox_counts().await.unwrap().done == 1).await;
    assert_eq!(times_asked(&sandbox, &event), 0, "the lease still runs");
    clock.advance(Duration::from_millis(1));
    eventually("applied by the other", async || incode.inbox_counts().await.unwrap().done == 2).await;
    assert_eq!(times_asked(&sandbox, &event), 1);
    // The first one was only slow: what it brings now is not taken.
    let late = Settlement::Done { apply: None, at: clock.now() };
    assert_eq!(store.settle(held[0].lease, late).await.unwrap(), Settled::LeaseLost);
    incode.shutdown().await;
}

/// A replica dies with all of its places taken. Leases end ten seconds after they were last renewed, and the others look
/// for work every two: within fifteen seconds the events are applied. Thirteen of these pass on the test's own clock, the
/// rest is the machine's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_replica_had_in_hand_is_applied_by_another_within_fifteen_seconds() {
    let directory = TempDir::new().unwrap();
    let (store, _) = shared::open(&directory.path().join("store.db")).await;
    let sandbox = Sandbox::builder().start().await.unwrap();
    let clock = ahead();
    let in_hand: Vec<_> = (0..PLACES).map(|n| person(&sandbox, &format!("in-hand-{n}"))).collect();
    for event in &in_hand {
        put(&store, event).await;
    }
    sandbox.add_fault(Fault::new(Effect::Stall).times(u32::MAX));
    // On a runtime of its own, which ends with everything on it: nothing is given back.
    let doomed = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let builder = builder_of(&sandbox, &store).clock(clock.clone());
    let first = doomed.spawn(async move { builder.build().await.unwrap() }).await.unwrap();
    eventually("all are in hand", async || {
        let rows = store.events(EventFilter::default()).await.unwrap();
        rows.iter().filter(|row| row.attempts == 1).count() == in_hand.len()
    })
    .await;
    tokio::task::spawn_blocking(move || doomed.shutdown_timeout(Duration::from_secs(60))).await.unwrap();
    drop(first);
    sandbox.clear_faults();
    let killed_at = clock.now();

    let other = builder_of(&sandbox, &store).clock(clock.clone()).build().await.unwrap();
    clock.advance(LEASE - Duration::from_millis(1));
    put(&store, &person(&sandbox, "later")).await;
    eventually("the later one is applied", async || store.counts().await.unwrap().inbox.done == 1).await;
    assert_eq!(store.counts().await.unwrap().inbox.pending, PLACES, "the leases still run");
    clock.advance(Duration::from_secs(13) - clock.now().since(killed_at));
    eventually("all are applied by the other", async || store.counts().await.unwrap().inbox.pending == 0).await;
    let counts = store.counts().await.unwrap().inbox;
    assert_eq!((counts.done, counts.dead), (PLACES + 1, 0));
    other.shutdown().await;
}

/// The same for a handler's job: a replica dies while it calls "end the sessions" for a revoked user, however long the call
/// may take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_a_killed_replica_is_made_by_another_within_fifteen_seconds() {
    let directory = TempDir::new().unwrap();
    let (store, _) = shared::open(&directory.path().join("store.db")).await;
    let sandbox = Sandbox::builder().start().await.unwrap();
    let clock = ahead();
    let revoked = person(&sandbox, "revoked");
    // On a runtime of its own, which ends with everything on it: nothing is given back.
    let doomed = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (called, mut calls) = tokio::sync::mpsc::unbounded_channel();
    let first_called = called.clone();
    let builder = builder_of(&sandbox, &store).clock(clock.clone()).on_revoked("sessions", move |_: RevokedSubject| {
        let called = first_called.clone();
        async move {
            called.send("first").unwrap();
            std::future::pending::<Result<(), HandlerError>>().await
        }
    });
    let first = doomed.spawn(async move { builder.build().await.unwrap() }).await.unwrap();
    let id = IdentityId::new(revoked.identity_id.as_str()).unwrap();
    put(&store, &revoked).await;
    eventually("known", async || store.counts().await.unwrap().inbox.done == 1).await;
    first.link(&Subject::new("alice").unwrap(), &id, &incode_core::Actor::unknown()).await.unwrap();
    sandbox.revoke("revoked").unwrap();
    put(&store, &sandbox.verify("revoked").unwrap()).await;
    assert_eq!(calls.recv().await, Some("first"));
    tokio::task::spawn_blocking(move || doomed.shutdown_timeout(Duration::from_secs(60))).await.unwrap();
    drop(first);
    let killed_at = clock.now();

    let builder = builder_of(&sandbox, &store).clock(clock.clone()).on_revoked("sessions", move |_: RevokedSubject| {
        called.send("other").unwrap();
        std::future::ready(Ok::<(), HandlerError>(()))
    });
    let other = builder.build().await.unwrap();
    clock.advance(LEASE - Duration::from_millis(1));
    put(&store, &person(&sandbox, "later")).await;
    eventually("the later one is applied", async || store.counts().await.unwrap().inbox.pending == 0).await;
    assert!(calls.try_recv().is_err(), "the lease still runs");
    clock.advance(Duration::from_secs(13) - clock.now().since(killed_at));
    assert_eq!(tokio::time::timeout(Duration::from_secs(180), calls.recv()).await.unwrap(), Some("other"));
    eventually("done", async || store.counts().await.unwrap().jobs.pending == 0).await;
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_apply_each_event_once() {
    let directory = TempDir::new().unwrap();
    let (store, _) = shared::open(&directory.path().join("store.db")).await;
    let sandbox = Sandbox::builder().start().await.unwrap();
    let events: Vec<_> = (0..100).map(|n| person(&sandbox, &format!("raced-{n}"))).collect();
    for event in &events {
        put(&store, event).await;
    }
    let (one, other) = (incode_of(&sandbox, &store).await, incode_of(&sandbox, &store).await);
    eventually("all applied", async || store.counts().await.unwrap().inbox.done == 100).await;
    for event in &events {
        asked_once(&sandbox, event);
    }
    tokio::join!(one.shutdown(), other.shutdown());
}

/// Verifications and face authentications of one person, asked about all at once by both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_lose_no_update_of_one_identity() {
    let directory = TempDir::new().unwrap();
    let (store, _) = shared::open(&directory.path().join("store.db")).await;
    let world = world_on(&store).await;
    let ana = world.sandbox.add_person(NewPerson::named("Ana Flores").identity_id("ana"));
    let other = incode_of(&world.sandbox, &store).await;
    let day = 24 * 60 * 60;
    // The newest of each kind neither first nor last.
    let mut deliveries = Vec::new();
    for n in 0..UPDATES {
        let at = FIRST + (n * 17 + 5) % UPDATES * day;
        let (verification, authentication) = (format!("verified-{n}"), format!("face-{n}"));
        let data = json!({"email": ana.email});
        let body = json!({"id": verification, "createdAt": at, "status": "VERIFIED", "data": data});
        world.sandbox.seed_verification(&verification, Some("ana"), body);
        let body = json!({"id": authentication, "createdAt": at + 60, "status": "pass"});
        world.sandbox.seed_authentication(&authentication, Some("ana"), body);
        for (kind, id) in [("verification.completed", verification), ("authentication.completed", authentication)] {
            deliveries.push(incode_tests::event(kind, &id, &world.sandbox.issue_token("ana")));
        }
    }
    join_all(deliveries.iter().map(|event| world.deliver(event))).await;
    world.settles(u64::try_from(2 * UPDATES).unwrap(), 0, 0).await;
    let identity = world.identity("ana").await.unwrap();
    let newest = FIRST + (UPDATES - 1) * day;
    assert_eq!(identity.verified_at, Some(Timestamp::from_secs(newest)));
    assert_eq!(identity.face_authenticated_at, Some(Timestamp::from_secs(newest + 60)));
    let newest = (0..UPDATES).find(|n| (n * 17 + 5) % UPDATES == UPDATES - 1).unwrap();
    assert_eq!(identity.verification_id.unwrap().as_str(), format!("verified-{newest}"));
    other.shutdown().await;
}

/// A slow vendor takes every place of the worker with events that were never tried before. A user who comes now is let
/// in between, and does not wait for the backlog to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newcomers_get_past_an_untried_backlog() {
    let directory = TempDir::new().unwrap();
    let (store, _) = shared::open(&directory.path().join("store.db")).await;
    let sandbox = Sandbox::builder().start().await.unwrap();
    sandbox.add_fault(Fault::late(Duration::from_millis(400)).times(u32::MAX));
    for n in 0..BACKLOG {
        put(&store, &person(&sandbox, &format!("waiting-{n}"))).await;
    }
    let incode = incode_of(&sandbox, &store).await;
    eventually("the worker is busy", async || sandbox.calls().len() >= 32).await;
    let newcomers: Vec<_> = (0..5).map(|n| person(&sandbox, &format!("newcomer-{n}"))).collect();
    for newcomer in &newcomers {
        put(&store, newcomer).await;
    }
    for newcomer in &newcomers {
        let id = IdentityId::new(newcomer.identity_id.as_str()).unwrap();
        eventually("let through", async || incode.identity(&id).await.unwrap().is_some()).await;
    }
    let counts = incode.inbox_counts().await.unwrap();
    assert!(counts.done > 5, "the backlog moves as well");
    assert!(counts.pending > BACKLOG / 2, "still waiting: {}", counts.pending);
    sandbox.clear_faults();
    incode.shutdown().await;
}

pub(crate) async fn world_on(store: &SharedStore) -> World {
    let store = Arc::clone(store);
    Plan::new(Adapter::Axum).incode(move |builder| builder.shared_store(store)).start().await
}

pub(crate) fn person(sandbox: &Sandbox, identity_id: &str) -> Verified {
    sandbox.add_person(NewPerson::named("Ana Flores").identity_id(identity_id));
    sandbox.verify(identity_id).unwrap()
}

pub(crate) fn event(verified: &Verified) -> serde_json::Value {
    incode_tests::event("verification.completed", &verified.verification_id, &verified.token)
}

async fn incode_of(sandbox: &Sandbox, store: &SharedStore) -> Incode {
    builder_of(sandbox, store).build().await.unwrap()
}

/// Reads the tokens that [`incode_tests::row`] sealed.
fn builder_of(sandbox: &Sandbox, store: &SharedStore) -> Builder {
    let client = Client::builder(&sandbox.url(), sandbox.api_key()).build().unwrap();
    Incode::builder()
        .client(client)
        .webhook_authenticity(Authenticity::fetch_back())
        .shared_store(Arc::clone(store) as Arc<dyn Store>)
        .store_key(Secret::from(FLOW_SECRET))
}

/// Later than the machine's clock for as long as a test runs: what is put by that one is due at once.
fn ahead() -> ManualClock {
    ManualClock::new(SystemClock.now().after(Duration::from_secs(3600)))
}

fn asked_once(sandbox: &Sandbox, event: &Verified) {
    assert_eq!(times_asked(sandbox, event), 1);
}

fn times_asked(sandbox: &Sandbox, event: &Verified) -> usize {
    let path = format!("/omni/incode-id/verification/{}", event.verification_id);
    sandbox.call_counts().get(&path).copied().unwrap_or_default()
}

/// How long a worker's claim holds.
const LEASE: Duration = Duration::from_secs(10);
/// Events that a worker has in hand at a time.
const PLACES: u64 = 16;
const FIRST: i64 = 1_688_059_847;
const UPDATES: i64 = 40;
const BACKLOG: u64 = 600;
