//! The vendor on its bad days: events survive them, and none of its errors opens a gate.

use std::time::Duration;

use incode_core::Clock;
use incode_sandbox::{Effect, Fault, NewPerson, Outcome, Route};
use incode_tests::{Adapter, Plan, World, event, eventually};
use serde_json::json;

on_every_adapter! {
    trouble_that_passes,
    too_many_requests_wait_as_long_as_the_vendor_says,
    a_dead_token_is_a_dead_letter_at_once,
    a_refused_key_pauses_and_keeps_everything,
    what_is_not_found_is_dead,
    answers_that_are_none_grant_nothing,
    a_poisoned_event_does_not_hold_up_its_neighbours,
    unknown_statuses_are_never_active,
    a_clock_set_back_holds_up_no_event,
}

async fn verified(world: &World, name: &str) -> (String, serde_json::Value) {
    let person = world.person(name);
    let verified = world.sandbox.verify(&person.identity_id).unwrap();
    (person.identity_id, event("verification.completed", &verified.verification_id, &verified.token))
}

async fn waits_for(world: &World, reason: &str) {
    assert_eq!(world.fails_once().await.reason.unwrap().as_str(), reason);
}

async fn trouble_that_passes(adapter: Adapter) {
    let effects = [
        (Effect::Status { status: 500, retry_after: None }, "vendor_unavailable"),
        (Effect::Status { status: 503, retry_after: Some("1".into()) }, "vendor_unavailable"),
        (Effect::Reset, "vendor_unavailable"),
        (Effect::Html, "malformed"),
    ];
    let all = effects.map(|(effect, reason)| async move {
        let world = Plan::new(adapter).stopped_clock().start().await;
        let (identity, event) = verified(&world, "Ana Flores").await;
        world.fault(Fault::new(effect).on(Route::Verification));
        world.deliver(&event).await;
        waits_for(&world, reason).await;
        assert_eq!(world.identity(&identity).await, None);
        world.settles(1, 0, 0).await;
        assert_eq!(world.events().await[0].attempts, 2);
        world.link("ana", &identity).await;
        assert_eq!(world.status("ana", "/verified").await, 200);
    });
    futures_util::future::join_all(all).await;
}

async fn too_many_requests_wait_as_long_as_the_vendor_says(adapter: Adapter) {
    let world = Plan::new(adapter).stopped_clock().start().await;
    let (identity, event) = verified(&world, "Ana Flores").await;
    let effect = Effect::Status { status: 429, retry_after: Some("3".to_owned()) };
    world.fault(Fault::new(effect).on(Route::Verification));
    world.deliver(&event).await;
    waits_for(&world, "rate_limited").await;
    let row = world.events().await.remove(0);
    let wait = row.due_at.unwrap().since(row.received_at);
    assert!(wait >= Duration::from_secs(3), "asked again after {wait:?}");
    world.settles(1, 0, 0).await;
    assert_eq!(world.events().await[0].attempts, 2);
    assert!(world.identity(&identity).await.unwrap().verified_at.is_some());
}

async fn a_dead_token_is_a_dead_letter_at_once(adapter: Adapter) {
    let world = World::start(adapter).await;
    let (identity, event) = verified(&world, "Ana Flores").await;
    world.sandbox.expire_tokens();
    world.deliver(&event).await;
    assert_eq!(world.died_of().await, "token_dead");
    assert_eq!(world.events().await[0].attempts, 1);
    assert_eq!(world.identity(&identity).await, None);
    // The vendor sends it again with a token that lives: a dead event shadows nothing.
    let id = event["id"].as_str().unwrap();
    let token = world.sandbox.issue_token(&identity);
    world.deliver(&incode_tests::event("verification.completed", id, &token)).await;
    world.settles(1, 1, 0).await;
    assert!(world.identity(&identity).await.unwrap().verified_at.is_some());
}

async fn a_refused_key_pauses_and_keeps_everything(adapter: Adapter) {
    let world = Plan::new(adapter).stopped_clock().start().await;
    let mut events = Vec::new();
    for index in 0..4 {
        events.push(verified(&world, &format!("Person {index}")).await);
    }
    // Each call is refused: a vendor that takes the key for one of them refuses something else.
    world.fault(Fault::status(403).times(u32::MAX));
    world.deliver(&events[0].1).await;
    waits_for(&world, "key_refused").await;
    let asked = world.sandbox.calls().len();
    for (_, event) in &events[1..] {
        world.deliver(event).await;
    }
    // Paused: what comes meanwhile is kept, and the vendor is left alone.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let counts = world.counts().await;
    assert_eq!((counts.pending, counts.dead), (4, 0));
    assert_eq!(world.sandbox.calls().len(), asked);
    world.sandbox.clear_faults();
    world.pass(Duration::from_secs(5));
    world.settles(4, 0, 0).await;
    for (identity, _) in &events {
        assert!(world.identity(identity).await.unwrap().verified_at.is_some());
    }
}

async fn what_is_not_found_is_dead(adapter: Adapter) {
    let world = World::start(adapter).await;
    let person = world.person("Ana Flores");
    let token = world.sandbox.issue_token(&person.identity_id);
    world.deliver(&event("verification.completed", "no-such-verification", &token)).await;
    assert_eq!(world.died_of().await, "not_found");
    assert_eq!(world.identity(&person.identity_id).await, None);
}

async fn answers_that_are_none_grant_nothing(adapter: Adapter) {
    let answer = |body: &str| Effect::Answer {
        status: 200,
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body: body.to_owned(),
        base64: false,
    };
    let active = r#"{"status":"ACTIVE","identityId":"somebody"}"#;
    let effects = vec![
        Effect::Html,
        Effect::Empty,
        Effect::Truncated,
        Effect::Redirect { location: "http://127.0.0.1:9/omni/incode-id/userinfo".to_owned() },
        Effect::Huge { bytes: 32 << 20 },
        answer("{}"),
        answer("[]"),
        answer("null"),
        answer(r#"{"status":"ACTIVE"}"#),
        answer(r#"{"identityId":"somebody"}"#),
        answer(r#"{"status":null,"identityId":"somebody"}"#),
        answer(r#"{"status":["ACTIVE"],"identityId":"somebody"}"#),
        answer(r#"{"status":"ACTIVE","identityId":""}"#),
        answer(&format!("{active}{active}")),
        answer(r#"{"timestamp":1,"status":500,"error":"Internal Server Error","message":"m","path":"p"}"#),
        Effect::Answer { status: 204, headers: Default::default(), body: String::new(), base64: false },
        Effect::Answer { status: 404, headers: Default::default(), body: active.to_owned(), base64: false },
        Effect::Answer { status: 302, headers: Default::default(), body: active.to_owned(), base64: false },
    ];
    let all = effects.into_iter().map(|effect| async move {
        let shown = format!("{effect:?}");
        let world = Plan::new(adapter).stopped_clock().start().await;
        let (identity, event) = verified(&world, "Ana Flores").await;
        world.fault(Fault::new(effect).on(Route::Userinfo));
        world.deliver(&event).await;
        world.fails_once().await;
        let counts = world.counts().await;
        assert_eq!(counts.done, 0, "{shown}");
        assert_eq!(world.identity(&identity).await, None, "{shown}");
        assert_eq!(world.identity("somebody").await, None, "{shown}");
    });
    futures_util::future::join_all(all).await;
}

async fn a_poisoned_event_does_not_hold_up_its_neighbours(adapter: Adapter) {
    let world = Plan::new(adapter).stopped_clock().start().await;
    let (_, poisoned) = verified(&world, "Poison").await;
    world.fault(Fault::new(Effect::Empty).on(Route::Verification).times(1));
    world.deliver(&poisoned).await;
    waits_for(&world, "malformed").await;
    for index in 0..5 {
        let (identity, event) = verified(&world, &format!("Person {index}")).await;
        world.deliver(&event).await;
        eventually("applied", async || world.identity(&identity).await.is_some()).await;
    }
}

async fn unknown_statuses_are_never_active(adapter: Adapter) {
    let world = World::start(adapter).await;
    for (index, status) in ["PENDING", "SUSPENDED", "active!", "INACTIVE", "ACTIVE,REVOKED", "true", "1", "активен"]
        .into_iter()
        .enumerate()
    {
        let person = world.sandbox.add_person(NewPerson::named(format!("Person {index}")).status(status));
        let user = format!("user-{index}");
        world.link(&user, &person.identity_id).await;
        assert_eq!(world.standing(&user).await, "other", "{status}");
        assert_eq!(world.status(&user, "/vault").await, 403, "{status}");
        assert_eq!(world.identity(&person.identity_id).await.unwrap().status.as_str(), status);
    }
    // A verification whose status is new to us is none either.
    for status in ["APPROVED", "COMPLETED", "REJECTED", "VERIFIED?", ""] {
        let person = world.person(&format!("Verified {status}"));
        let failed = world.sandbox.verify_as(&person.identity_id, Outcome::Fail).unwrap();
        let id = format!("v-{}", person.identity_id);
        let data = json!({"email": person.email});
        let body = json!({"id": id, "createdAt": 1_688_059_847, "status": status, "data": data});
        world.sandbox.seed_verification(&id, Some(&person.identity_id), body);
        world.deliver(&event("verification.completed", &id, &failed.token)).await;
        eventually("applied", async || world.identity(&person.identity_id).await.is_some()).await;
        assert_eq!(world.identity(&person.identity_id).await.unwrap().verified_at, None, "{status}");
    }
}

async fn a_clock_set_back_holds_up_no_event(adapter: Adapter) {
    let world = Plan::new(adapter).stopped_clock().start().await;
    let (identity, event) = verified(&world, "Ana Flores").await;
    world.fault(Fault::status(500).on(Route::Verification));
    world.deliver(&event).await;
    waits_for(&world, "vendor_unavailable").await;
    let clock = world.clock();
    clock.set(clock.now().before(Duration::from_secs(3600)));
    // By the clock that was set back the wait is an hour and a second. It ends after the second that goes by.
    clock.advance(Duration::from_secs(2));
    eventually("applied", async || world.counts().await.done == 1).await;
    assert!(world.identity(&identity).await.unwrap().verified_at.is_some());
}
