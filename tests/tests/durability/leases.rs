use std::time::Duration;

use futures_util::future::join_all;
use incode_core::store::{Accepted, Claim, Settled, Settlement, Store};
use incode_core::{Clock, IdentityId, SystemClock, Timestamp};
use incode_sandbox::{Fault, NewPerson, Sandbox, Verified};
use incode_tests::{Adapter, Plan, World, eventually};
use serde_json::json;
use tempfile::TempDir;

use crate::shared::SharedStore;

#[tokio::test]
async fn a_row_that_nobody_rang_the_bell_for_is_found() {
    let directory = TempDir::new().unwrap();
    let store = SharedStore::open(&directory.path().join("store.db")).await;
    let world = world_on(&store).await;
    // An event through the front door first, so that the worker is known to be up and idle.
    let first = person(&world.sandbox, "first");
    world.deliver(&event(&first)).await;
    world.settles(1, 0, 0).await;

    let second = person(&world.sandbox, "second");
    assert!(matches!(store.put(&second).await, Accepted::New(_)));
    world.settles(2, 0, 0).await;
    assert!(world.identity(&second.identity_id).await.unwrap().verified_at.is_some());
}

#[tokio::test]
async fn what_a_dead_worker_had_in_hand_is_applied_once_by_another() {
    let directory = TempDir::new().unwrap();
    let store = SharedStore::open(&directory.path().join("store.db")).await;
    let sandbox = Sandbox::builder().start().await.unwrap();
    let event = person(&sandbox, "held");
    store.put(&event).await;
    let now = SystemClock.now();
    let lease_until = now.after(Duration::from_millis(1_500));
    let held = store.claim(Claim { now, lease_until, limit: 10, newest_first: false }).await.unwrap();
    assert_eq!(held.len(), 1);

    let incode = incode_of(&sandbox, &store).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(sandbox.calls().is_empty(), "the lease still runs");
    eventually("applied by the other", async || incode.inbox_counts().await.unwrap().done == 1).await;
    assert!(SystemClock.now() >= lease_until);
    asked_once(&sandbox, &event);
    // The first one was only slow: what it brings now is not taken.
    let late = Settlement::Done { seen: None, link: None, handlers: Vec::new(), at: SystemClock.now() };
    assert_eq!(store.settle(held[0].lease, late).await.unwrap(), Settled::LeaseLost);
    incode.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_apply_each_event_once() {
    let directory = TempDir::new().unwrap();
    let store = SharedStore::open(&directory.path().join("store.db")).await;
    let sandbox = Sandbox::builder().start().await.unwrap();
    let events: Vec<_> = (0..100).map(|n| person(&sandbox, &format!("raced-{n}"))).collect();
    for event in &events {
        store.put(event).await;
    }
    let (one, other) = (incode_of(&sandbox, &store).await, incode_of(&sandbox, &store).await);
    eventually("all applied", async || store.counts().await.unwrap().done == 100).await;
    for event in &events {
        asked_once(&sandbox, event);
    }
    tokio::join!(one.shutdown(), other.shutdown());
}

/// Verifications and face authentications of one person, asked about all at once by both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_lose_no_update_of_one_identity() {
    let directory = TempDir::new().unwrap();
    let store = SharedStore::open(&directory.path().join("store.db")).await;
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

/// A vendor that drags holds every place of the worker with events that nobody tried before; who comes now is let in
/// between, and does not wait for the backlog to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newcomers_get_past_an_untried_backlog() {
    let directory = TempDir::new().unwrap();
    let store = SharedStore::open(&directory.path().join("store.db")).await;
    let sandbox = Sandbox::builder().start().await.unwrap();
    sandbox.add_fault(Fault::late(Duration::from_millis(400)).times(u32::MAX));
    for n in 0..BACKLOG {
        store.put(&person(&sandbox, &format!("waiting-{n}"))).await;
    }
    let incode = incode_of(&sandbox, &store).await;
    eventually("the worker is busy", async || sandbox.calls().len() >= 32).await;
    let newcomers: Vec<_> = (0..5).map(|n| person(&sandbox, &format!("newcomer-{n}"))).collect();
    for newcomer in &newcomers {
        store.put(newcomer).await;
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
    let store = store.clone();
    Plan::new(Adapter::Axum).incode(move |builder| builder.store(store)).start().await
}

pub(crate) fn person(sandbox: &Sandbox, identity_id: &str) -> Verified {
    sandbox.add_person(NewPerson::named("Ana Flores").identity_id(identity_id));
    sandbox.verify(identity_id).unwrap()
}

pub(crate) fn event(verified: &Verified) -> serde_json::Value {
    incode_tests::event("verification.completed", &verified.verification_id, &verified.token)
}

async fn incode_of(sandbox: &Sandbox, store: &SharedStore) -> incode_core::Incode {
    let client = incode_core::client::Client::builder(&sandbox.url(), sandbox.api_key()).build().unwrap();
    incode_core::Incode::builder()
        .client(client)
        .webhook_authenticity(incode_core::webhook::Authenticity::fetch_back())
        .store(store.clone())
        .build()
        .await
        .unwrap()
}

fn asked_once(sandbox: &Sandbox, event: &Verified) {
    let path = format!("/omni/incode-id/verification/{}", event.verification_id);
    assert_eq!(sandbox.call_counts().get(&path), Some(&1));
}

const FIRST: i64 = 1_688_059_847;
const UPDATES: i64 = 40;
const BACKLOG: u64 = 600;
