use std::time::{Duration, SystemTime};

use incode_core::testing::ManualClock;
use incode_core::{Secret, Timestamp};
use incode_sandbox::Fault;
use incode_tests::{Adapter, Auth, Plan, World, canary::Traced, event, eventually};
use tracing::instrument::WithSubscriber;

use super::beside;
use crate::engine::Engine;

on_both_engines!(processes_with_different_store_keys_lose_nothing, a_rotation_of_the_store_key_is_followed);

fn plan(engine: &Engine, clock: &ManualClock, keys: &'static [&'static str]) -> Plan {
    let (choose, clock) = (engine.choose(), clock.clone());
    Plan::new(Adapter::Axum).auth(Auth::Header).incode(move |builder| {
        keys.iter().fold(choose(builder).clock(clock), |builder, key| builder.store_key(Secret::from(*key)))
    })
}

/// Starts it, and says whether it complained about its store key.
async fn start(plan: Plan) -> (World, bool) {
    let traced = Traced::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(traced.clone()).finish();
    let world = plan.start().with_subscriber(subscriber).await;
    let complained = traced.text().lines().any(|line| line.contains("ERROR") && line.contains("store key"));
    (world, complained)
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from(SystemTime::now()))
}

/// Both have the same flow secret, and each a store key that the other lacks. The wrong one says so, and what it can't
/// open waits for the other.
async fn processes_with_different_store_keys_lose_nothing(engine: Engine) {
    let clock = clock();
    let (right, complained) = start(plan(&engine, &clock, &[A])).await;
    assert!(!complained);
    let (wrong, complained) = start(beside(&right, plan(&engine, &clock, &[B]))).await;
    assert!(complained, "the flow secret they share says nothing of the store key");
    right.fault(Fault::status(500).times(u32::MAX));
    for number in 0..EVENTS {
        let verified = right.sandbox.verify(&right.person(&format!("Ana {number}")).identity_id).unwrap();
        right.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    }
    eventually("one could not be opened", async || {
        clock.advance(Duration::from_millis(200));
        let events = right.events().await;
        events.iter().any(|row| row.reason.is_some_and(|reason| reason.as_str() == "token_sealed"))
    })
    .await;
    assert_eq!((right.counts().await.pending, wrong.counts().await.dead), (EVENTS, 0));
    right.sandbox.clear_faults();
    eventually("the right one applies them", async || {
        clock.advance(Duration::from_millis(200));
        right.counts().await.pending == 0
    })
    .await;
    assert_eq!((right.counts().await.done, right.counts().await.dead), (EVENTS, 0));
    right.incode.shutdown().await;
    wrong.incode.shutdown().await;
}

/// [A], then [B, A], then [B]: right at each step. A process that is left on [A] complains.
async fn a_rotation_of_the_store_key_is_followed(engine: Engine) {
    let clock = clock();
    for (keys, is_wrong) in
        [(&[A] as &[&str], false), (&[B, A], false), (&[B, A], false), (&[B], false), (&[A], true), (&[B], false)]
    {
        let (world, complained) = start(plan(&engine, &clock, keys)).await;
        assert_eq!(complained, is_wrong, "{keys:?}");
        world.incode.shutdown().await;
    }
}

const A: &str = "the store key of last year, 32 bytes or more";
const B: &str = "the store key of this year, 32 bytes or more";
const EVENTS: u64 = 8;
