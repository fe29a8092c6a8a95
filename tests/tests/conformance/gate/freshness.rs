//! How old a standing may be, and what happens when many grow old at once.

use std::time::Duration;

use incode_core::Timestamp;
use incode_core::testing::ManualClock;
use incode_tests::{Adapter, Failing, Plan, Switch, Wire, World, get};

on_every_adapter! {
    ten_thousand_that_expire_at_once_are_loaded_once_each,
    a_standing_lives_exactly_its_lifetime_whatever_the_wall_clock,
    a_store_that_is_down_is_stood_in_for_only_where_that_was_asked_for,
    what_is_served_stale_is_bounded_and_ends_with_a_change,
}

async fn start(
    adapter: Adapter,
    adjust: impl FnOnce(incode_core::Builder) -> incode_core::Builder + Send + 'static,
) -> (World, Switch, ManualClock) {
    let (store, switch) = Failing::store();
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let plan = Plan::new(adapter).incode(move |builder| adjust(builder.store(store).clock(shown)));
    (plan.start().await, switch, clock)
}

/// Each is asked for by two connections, at about the same time.
async fn every_visitor_asks(world: &World) {
    let connections = (0..CONNECTIONS).map(async |connection| {
        let mut wire = Wire::open(world.address).await;
        for subject in (0..SUBJECTS).filter(|subject| subject % (CONNECTIONS / 2) == connection % (CONNECTIONS / 2)) {
            wire.write(&get("/vault").user(&format!("user-{subject}")).bytes()).await;
            assert_eq!(wire.response(false).await.code(), "verification_required");
        }
    });
    futures_util::future::join_all(connections).await;
}

async fn ten_thousand_that_expire_at_once_are_loaded_once_each(adapter: Adapter) {
    let (world, switch, clock) = start(adapter, |builder| builder).await;
    every_visitor_asks(&world).await;
    assert_eq!(switch.lookups(), SUBJECTS, "once each");
    clock.advance(Duration::from_secs(10));
    every_visitor_asks(&world).await;
    assert_eq!(switch.lookups(), 2 * SUBJECTS, "and once more each");
}

async fn a_standing_lives_exactly_its_lifetime_whatever_the_wall_clock(adapter: Adapter) {
    let (world, switch, clock) = start(adapter, |builder| builder).await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    let loads = switch.lookups();
    clock.advance(Duration::from_millis(9_999));
    assert_eq!((world.status("ana", "/vault").await, switch.lookups()), (200, loads));
    // The wall clock is set back to long before it was loaded: what grew old stays old.
    clock.set(Timestamp::from_secs(1_000_000_000));
    clock.advance(Duration::from_millis(1));
    assert_eq!((world.status("ana", "/vault").await, switch.lookups()), (200, loads + 1));
}

async fn a_store_that_is_down_is_stood_in_for_only_where_that_was_asked_for(adapter: Adapter) {
    let (world, switch, clock) = start(adapter, |builder| builder).await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    switch.fail();
    assert_eq!(world.status("ana", "/vault").await, 200, "within its lifetime");
    clock.advance(Duration::from_secs(10));
    assert_eq!(world.get("ana", "/vault").await.code(), "identity_unavailable");
}

async fn what_is_served_stale_is_bounded_and_ends_with_a_change(adapter: Adapter) {
    let (world, switch, clock) = start(adapter, |builder| builder.serve_stale(Duration::from_secs(60))).await;
    let ana = world.person("Ana Flores").identity_id;
    world.link("ana", &ana).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    switch.fail();
    clock.advance(Duration::from_secs(60));
    assert_eq!(world.status("ana", "/vault").await, 200, "at its bound");
    assert_eq!(world.get("ben", "/vault").await.code(), "identity_unavailable", "of whom nothing was known");
    clock.set(Timestamp::from_secs(1_000_000_000));
    clock.advance(Duration::from_millis(1));
    assert_eq!(world.get("ana", "/vault").await.code(), "identity_unavailable", "beyond it");
    switch.mend();
    assert_eq!(world.status("ana", "/vault").await, 200);
    // A revocation that this process learned of is not outlived by what was known before.
    world.sandbox.verify(&ana).unwrap();
    world.sandbox.revoke(&ana).unwrap();
    world.authenticate("ana", &world.face_of(&ana)).await;
    switch.fail();
    assert_eq!(world.get("ana", "/vault").await.code(), "identity_unavailable");
}

const SUBJECTS: u64 = 10_000;
const CONNECTIONS: u64 = 16;
