use std::time::Duration;

use incode_core::store::{Accepted, Claim, Settled, Settlement, Store};
use incode_core::{Clock, SystemClock};
use incode_sandbox::{Sandbox, Verified};
use incode_tests::{Adapter, Plan, World, eventually};
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
    let held = store.claim(Claim { now, lease_until, limit: 10 }).await.unwrap();
    assert_eq!(held.len(), 1);

    let incode = incode_of(&sandbox, &store).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(sandbox.calls().is_empty(), "the lease still runs");
    eventually("applied by the other", async || incode.inbox_counts().await.unwrap().done == 1).await;
    assert!(SystemClock.now() >= lease_until);
    asked_once(&sandbox, &event);
    // The first one was only slow: what it brings now is not taken.
    let late = Settlement::Done { seen: None, link: None, at: SystemClock.now() };
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

pub(crate) async fn world_on(store: &SharedStore) -> World {
    let store = store.clone();
    Plan::new(Adapter::Axum).incode(move |builder| builder.store(store)).start().await
}

pub(crate) fn person(sandbox: &Sandbox, identity_id: &str) -> Verified {
    sandbox.add_person(incode_sandbox::NewPerson::named("Ana Flores").identity_id(identity_id));
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
