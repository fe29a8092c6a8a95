//! Stores on their bad days, and the embedded one on a usual day.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use incode_sqlite::SqliteOptions;
use incode_tests::{ACKNOWLEDGED, Adapter, Failing, Plan, event, problem};

on_every_adapter! {
    a_standing_is_loaded_once_however_many_ask,
    a_slow_store_is_not_waited_for,
    an_event_waits_out_a_store_that_is_down,
    the_embedded_store_does_the_main_job,
}

async fn a_standing_is_loaded_once_however_many_ask(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let world = Plan::new(adapter).incode(|builder| builder.store(store)).start().await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    switch.delay(Duration::from_millis(300));
    let before = switch.lookups();
    let all = join_all((0..50).map(|_| world.get("ana", "/vault"))).await;
    assert!(all.iter().all(|response| response.status == 200));
    assert_eq!(switch.lookups() - before, 1);
    for _ in 0..8 {
        assert_eq!(world.status("ana", "/vault").await, 200);
    }
    assert_eq!(switch.lookups() - before, 1, "the workers of a server share what is known");
}

async fn a_slow_store_is_not_waited_for(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let deadline = Duration::from_millis(300);
    let plan = Plan::new(adapter).incode(move |builder| builder.store(store).accept_deadline(deadline));
    let world = plan.start().await;
    switch.delay(AGES);
    let body = event("verification.completed", "an-id", "a-token").to_string();
    let begun = Instant::now();
    let (delivery, gated) = tokio::join!(world.send(world.delivery(&body)), world.get("ana", "/vault"));
    assert!(begun.elapsed() < AGES);
    let refused = problem(
        503,
        "inbox_unavailable",
        "Try again soon",
        "The event was not stored. Send it again.",
        None,
        &[("retry-after", "5")],
    );
    assert_eq!(delivery.essence(), refused);
    assert_eq!((gated.status, gated.code().as_str()), (503, "identity_unavailable"));
}

async fn an_event_waits_out_a_store_that_is_down(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let world = Plan::new(adapter).incode(|builder| builder.store(store)).start().await;
    let ana = world.person("Ana Flores");
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    let number = {
        switch.fail();
        let number = world.sandbox.send_verification(&verified.verification_id).unwrap();
        world.sandbox.delivery_when(number, |delivery| !delivery.attempts.is_empty()).await.unwrap();
        switch.mend();
        number
    };
    // The vendor's own retries bring it.
    let delivery = world.sandbox.settled(number).await.unwrap();
    assert_eq!(delivery.attempts[0].status, Some(503));
    assert_eq!(delivery.attempts.last().unwrap().status, Some(204));
    world.settles(1, 0, 0).await;
    assert!(world.identity(&ana.identity_id).await.unwrap().verified_at.is_some());
}

async fn the_embedded_store_does_the_main_job(adapter: Adapter) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("incode.db");
    let world = Plan::new(adapter).incode(|builder| builder.open_store(SqliteOptions::new(file))).start().await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    let body = event("verification.completed", &verified.verification_id, &verified.token).to_string();
    let all = join_all((0..20).map(|_| world.send(world.delivery(&body)))).await;
    assert!(all.iter().all(|response| response.essence() == ACKNOWLEDGED));
    world.settles(1, 0, 0).await;
    incode_tests::eventually("verified", async || world.status("ana", "/verified").await == 200).await;
    world.sandbox.revoke(&ana.identity_id).unwrap();
    world.authenticate("ana", &world.face_of(&ana.identity_id)).await;
    assert_eq!(world.get("ana", "/vault").await.code(), "identity_revoked");
    world.incode.shutdown().await;
}

/// Longer than any answer takes on a busy machine.
const AGES: Duration = Duration::from_secs(600);
