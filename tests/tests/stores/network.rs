use std::time::{Duration, Instant, SystemTime};

use incode_core::Timestamp;
use incode_core::testing::ManualClock;
use incode_tests::servers::Proxy;
use incode_tests::{Adapter, Plan, World, eventually};

use crate::engine::Engine;
use crate::verified;

on_both_engines!(
    an_end_that_fell_silent_is_a_503_in_time_and_recovers,
    connections_that_are_reset_are_made_anew,
    a_slow_network_slows_and_loses_nothing,
);

/// A world whose server is behind a network whose faults a test sets.
async fn world(engine: &Engine) -> (Proxy, World, ManualClock) {
    let proxy = Proxy::to(engine.port()).await;
    let clock = ManualClock::new(Timestamp::from(SystemTime::now()));
    let shown = clock.clone();
    let plan = Plan::new(Adapter::Axum).incode(engine.choose_at(proxy.port())).incode(|builder| builder.clock(shown));
    (proxy, plan.start().await, clock)
}

async fn delivered(world: &World, name: &str) -> u16 {
    world.send(world.delivery(verified(world, name).to_string())).await.status
}

/// What was in hand when the network went is under a lease of ten seconds, unless it could be settled.
async fn applied(world: &World, clock: &ManualClock) {
    let done = async || {
        clock.advance(Duration::from_secs(1));
        world.counts().await.pending == 0
    };
    eventually("all is applied", done).await;
}

/// What the vendor waits for is an answer: it gets one within the deadline, and may come again.
async fn an_end_that_fell_silent_is_a_503_in_time_and_recovers(engine: Engine) {
    let (proxy, world, clock) = world(&engine).await;
    world.deliver(&verified(&world, "Ana Flores")).await;
    world.settles(1, 0, 0).await;
    proxy.half_open();
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(delivered(&world, "Ben Ochoa").await, 503);
        assert!(begun.elapsed() < AGES, "{:?}", begun.elapsed());
    }
    let begun = Instant::now();
    assert_eq!(world.status("ana", "/vault").await, 503, "what can't be asked opens nothing");
    assert!(begun.elapsed() < AGES, "{:?}", begun.elapsed());
    proxy.mend();
    eventually("it recovers", async || delivered(&world, "Carla Ruiz").await == 204).await;
    eventually("the gate asks again", async || world.status("ana", "/vault").await == 403).await;
    applied(&world, &clock).await;
}

async fn connections_that_are_reset_are_made_anew(engine: Engine) {
    let (proxy, world, clock) = world(&engine).await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    proxy.cut();
    assert_eq!(delivered(&world, "Ben Ochoa").await, 503);
    assert_eq!(world.status("ana", "/vault").await, 503, "what was known is not used while no notice arrives");
    proxy.mend();
    eventually("open again", async || world.status("ana", "/vault").await == 200).await;
    for name in ["Carla Ruiz", "Dario Paz", "Elsa Vidal"] {
        proxy.reset();
        eventually("taken", async || delivered(&world, name).await == 204).await;
    }
    applied(&world, &clock).await;
}

async fn a_slow_network_slows_and_loses_nothing(engine: Engine) {
    let (proxy, world, _clock) = world(&engine).await;
    proxy.delay(Duration::from_millis(50));
    for name in ["Ana Flores", "Ben Ochoa"] {
        world.deliver(&verified(&world, name)).await;
    }
    world.settles(2, 0, 0).await;
}

/// Longer than any answer takes on a busy machine.
const AGES: Duration = Duration::from_secs(120);
