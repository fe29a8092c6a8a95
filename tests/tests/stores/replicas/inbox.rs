use std::time::Duration;

use futures_util::future::join_all;
use incode_core::store::{Accepted, Claim, DeadFilter, Replay, Settled, Settlement, Store};
use incode_core::{Actor, Clock, SystemClock};
use incode_sandbox::Verified;
use incode_tests::{ACKNOWLEDGED, Auth, World, event, row};
use serde_json::{Value, json};

use super::three;
use crate::engine::Engine;

on_both_engines!(
    two_hundred_at_once_among_three_are_one_event,
    a_row_without_a_wakeup_is_found,
    what_a_dead_worker_had_in_hand_is_applied_once_by_another,
    a_replay_on_another_changes_nothing,
    a_dead_letter_is_replayed_from_any,
);

async fn two_hundred_at_once_among_three_are_one_event(engine: Engine) {
    let worlds = three(&engine, Auth::Header).await;
    let verified = verified(&worlds[0], "Ana Flores");
    let body = delivery(&verified).to_string();
    let sent = (0..200).map(|n| {
        let world = &worlds[n % 3];
        world.send(world.delivery(&body))
    });
    for answer in join_all(sent).await {
        assert_eq!(answer.essence(), ACKNOWLEDGED);
    }
    for world in &worlds {
        world.settles(1, 0, 0).await;
        assert_eq!(world.events().await.len(), 1);
    }
    assert_eq!(times_asked(&worlds[0], &verified), 1);
}

/// Kept by a replica that ended before it could notify another.
async fn a_row_without_a_wakeup_is_found(engine: Engine) {
    let worlds = three(&engine, Auth::Header).await;
    // Events through each front door first, so that the workers are known to be up and idle.
    for (n, world) in worlds.iter().enumerate() {
        world.deliver(&delivery(&verified(&worlds[0], &format!("Ana {n}")))).await;
        world.settles(n as u64 + 1, 0, 0).await;
    }
    let lost = verified(&worlds[0], "Ben Ochoa");
    put(&*engine.store().await, &lost).await;
    worlds[0].settles(4, 0, 0).await;
    assert!(worlds[2].identity(&lost.identity_id).await.unwrap().verified_at.is_some());
    assert_eq!(times_asked(&worlds[0], &lost), 1);
}

async fn what_a_dead_worker_had_in_hand_is_applied_once_by_another(engine: Engine) {
    let store = engine.store().await;
    let worlds = three(&engine, Auth::Header).await;
    let (mut held, mut kept) = (None, 0);
    while held.is_none() {
        // A sweep of the three that falls right in here was faster, and there is nothing to die with.
        assert!(kept < 10, "a sweep is always faster");
        let verified = verified(&worlds[0], &format!("Ana {kept}"));
        put(&*store, &verified).await;
        kept += 1;
        let now = SystemClock.now();
        let lease_until = now.after(Duration::from_millis(1_500));
        let claim = Claim { now, lease_until, limit: 10, newest_first: false };
        held = store.claim(claim).await.unwrap().events.first().map(|claimed| (claimed.lease, lease_until, verified));
    }
    let (lease, lease_until, verified) = held.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(times_asked(&worlds[0], &verified), 0, "the lease still runs");
    for world in &worlds {
        world.settles(kept, 0, 0).await;
    }
    assert!(SystemClock.now() >= lease_until);
    // The first one was only slow: what it brings now is not taken.
    let late = Settlement::Done { apply: None, at: SystemClock.now() };
    assert_eq!(store.settle(lease, late).await.unwrap(), Settled::LeaseLost);
    assert_eq!(times_asked(&worlds[0], &verified), 1);
}

async fn a_replay_on_another_changes_nothing(engine: Engine) {
    let worlds = three(&engine, Auth::Header).await;
    let verified = verified(&worlds[0], "Ana Flores");
    worlds[0].deliver(&delivery(&verified)).await;
    worlds[0].settles(1, 0, 0).await;
    let before = worlds[0].identity(&verified.identity_id).await.unwrap();
    for n in 0..100 {
        worlds[1 + n % 2].deliver(&delivery(&verified)).await;
    }
    for world in &worlds {
        world.settles(1, 0, 0).await;
        assert_eq!(world.events().await.len(), 1);
        assert_eq!(world.identity(&verified.identity_id).await.unwrap(), before);
    }
    assert_eq!(times_asked(&worlds[0], &verified), 1);
}

/// One replica kept it and gave up on it, another is asked to try again, and all show it done.
async fn a_dead_letter_is_replayed_from_any(engine: Engine) {
    let worlds = three(&engine, Auth::Header).await;
    for (n, world) in (0_u64..).zip(&worlds) {
        let person = worlds[0].person(&format!("Ana {n}"));
        let (object, token) = (format!("late-{n}"), worlds[0].sandbox.issue_token(&person.identity_id));
        worlds[0].deliver(&event("verification.completed", &object, &token)).await;
        world.settles(n, 1, 0).await;
        let data = json!({"email": person.email});
        let body = json!({"id": object, "createdAt": 1_688_059_847, "status": "VERIFIED", "data": data});
        worlds[0].sandbox.seed_verification(&object, Some(&person.identity_id), body);
        let all = || Replay::Dead(DeadFilter::default());
        assert_eq!(world.incode.replay(all(), &Actor::unknown()).await.unwrap(), 1);
        for world in &worlds {
            world.settles(n + 1, 0, 0).await;
            assert!(world.identity(&person.identity_id).await.unwrap().verified_at.is_some());
            assert_eq!(world.incode.replay(all(), &Actor::unknown()).await.unwrap(), 0);
        }
    }
}

fn verified(world: &World, name: &str) -> Verified {
    world.sandbox.verify(&world.person(name).identity_id).unwrap()
}

fn delivery(verified: &Verified) -> Value {
    event("verification.completed", &verified.verification_id, &verified.token)
}

/// Straight into the store, without waking a worker.
async fn put(store: &dyn Store, verified: &Verified) {
    assert!(matches!(store.accept(row(verified)).await.unwrap(), Accepted::New(_)));
}

fn times_asked(world: &World, verified: &Verified) -> usize {
    let path = format!("/omni/incode-id/verification/{}", verified.verification_id);
    world.sandbox.call_counts().get(&path).copied().unwrap_or_default()
}
