//! Answers of the vendor that come late, in part, not at all, or with strange advice; and what waits meanwhile.

use std::time::Duration;

use incode_core::store::{DeadFilter, Replay};
use incode_core::{Actor, Timestamp};
use incode_sandbox::{Effect, Fault, Route};
use incode_tests::{Adapter, Plan, World, event, eventually};
use serde_json::{Value, json};

on_every_adapter! {
    answers_that_do_not_end_are_given_up_and_asked_for_again,
    advice_to_wait_is_taken_in_either_form_and_never_for_ever,
    a_token_that_dies_while_it_waits_is_a_dead_letter,
    a_poison_event_between_good_ones_is_tried_alone,
    a_revocation_by_webhook_outlasts_a_grant_in_flight,
}

/// What the vendor seems to be saying in the first half of its answer must not be believed.
async fn answers_that_do_not_end_are_given_up_and_asked_for_again(adapter: Adapter) {
    let late = Effect::Delay;
    let all = [
        (Fault::new(Effect::Truncated), "vendor_unavailable"),
        (Fault::new(Effect::Stall), "vendor_unavailable"),
        (Fault::new(Effect::Trickle { interval_ms: 300 }), "vendor_unavailable"),
        (Fault::new(late).after(Duration::from_secs(30)), "vendor_unavailable"),
        (Fault::new(Effect::Reset).after(Duration::from_millis(200)), "vendor_unavailable"),
    ]
    .map(|(fault, reason)| async move {
        let world = Plan::new(adapter).impatient().stopped_clock().start().await;
        let (identity, event) = verified(&world, "Ana Flores");
        let shown = format!("{:?}", fault.effect);
        world.fault(fault.on(Route::Userinfo));
        world.deliver(&event).await;
        assert_eq!(world.fails_once().await.reason.unwrap().as_str(), reason, "{shown}");
        assert_eq!(world.identity(&identity).await, None, "{shown}");
        world.settles(1, 0, 0).await;
        assert_eq!(world.events().await[0].attempts, 2, "{shown}");
        assert!(world.identity(&identity).await.unwrap().verified_at.is_some(), "{shown}");
    });
    futures_util::future::join_all(all).await;
}

async fn advice_to_wait_is_taken_in_either_form_and_never_for_ever(adapter: Adapter) {
    // Nonsense and the past: the usual schedule, whose first wait is a second.
    let nonsense = ["", "soon", "-1", "1.5", "Thu, 01 Jan 1970 00:00:00 GMT", "0", "\u{663}"];
    let short = nonsense.map(|advice| async move {
        let world = asked_to_wait(adapter, advice).await;
        let row = world.events().await.remove(0);
        let wait = row.due_at.unwrap().since(row.received_at);
        assert!(wait <= Duration::from_secs(2), "{advice}: {wait:?}");
        world.settles(1, 0, 0).await;
        assert_eq!(world.events().await[0].attempts, 2, "{advice}");
    });
    futures_util::future::join_all(short).await;

    let in_five_minutes = std::time::SystemTime::now() + Duration::from_secs(300);
    let date = http_date(in_five_minutes);
    let world = asked_to_wait(adapter, &date).await;
    let due = world.events().await[0].due_at.unwrap();
    let expected = Timestamp::from(in_five_minutes);
    assert!(due.since(expected.before(Duration::from_secs(10))) <= Duration::from_secs(20), "{due:?} for {date}");

    // Longer than the token lives: no panic, no overflow, nothing granted; it does not kill the event, which is tried while
    // its token lives.
    for advice in ["99999999999999999999999999", "4294967296", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let world = asked_to_wait(adapter, advice).await;
        let row = world.events().await.remove(0);
        assert_eq!((row.state.as_str(), row.reason.unwrap().as_str()), ("pending", "rate_limited"), "{advice}");
        let wait = row.due_at.unwrap().since(row.received_at);
        assert!(wait > Duration::from_secs(60) && wait < Duration::from_secs(15 * 60), "{advice}: {wait:?}");
        world.settles(1, 0, 0).await;
    }
}

/// A world whose one event waits because the vendor asked for it.
async fn asked_to_wait(adapter: Adapter, advice: &str) -> World {
    let world = Plan::new(adapter).stopped_clock().start().await;
    let (identity, event) = verified(&world, "Ana Flores");
    let effect = Effect::Status { status: 429, retry_after: Some(advice.to_owned()) };
    world.fault(Fault::new(effect).on(Route::Verification));
    world.deliver(&event).await;
    world.fails_once().await;
    assert_eq!(world.identity(&identity).await, None);
    world
}

async fn a_token_that_dies_while_it_waits_is_a_dead_letter(adapter: Adapter) {
    let world = Plan::new(adapter).stopped_clock().start().await;
    let (identity, event) = verified(&world, "Ana Flores");
    world.fault(Fault::status(500).on(Route::Verification));
    world.deliver(&event).await;
    world.fails_once().await;
    world.sandbox.expire_tokens();
    assert_eq!(world.died_of().await, "token_dead");
    assert_eq!(world.events().await[0].attempts, 2);
    // By hand it comes to nothing: its token is gone.
    assert_eq!(world.incode.replay(Replay::Dead(DeadFilter::default()), &Actor::unknown()).await.unwrap(), 1);
    assert_eq!(world.died_of().await, "token_dead");
    assert_eq!(world.identity(&identity).await, None);
    // The vendor's own replay brings a token that lives.
    let id = event["id"].as_str().unwrap();
    let fresh = world.sandbox.issue_token(&identity);
    world.deliver(&incode_tests::event("verification.completed", id, &fresh)).await;
    world.settles(1, 1, 0).await;
    assert!(world.identity(&identity).await.unwrap().verified_at.is_some());
    // Now the dead one is replayed with success: its object is done, and no call is made.
    let asked = world.sandbox.calls().len();
    assert_eq!(world.incode.replay(Replay::Dead(DeadFilter::default()), &Actor::unknown()).await.unwrap(), 1);
    world.settles(2, 0, 0).await;
    assert_eq!(world.sandbox.calls().len(), asked);
}

async fn a_poison_event_between_good_ones_is_tried_alone(adapter: Adapter) {
    let world = World::start(adapter).await;
    let poison = world.person("Poison Ivy");
    world.sandbox.seed_verification("poison", Some(&poison.identity_id), json!(["not", "one"]));
    let bad = event("verification.completed", "poison", &world.sandbox.issue_token(&poison.identity_id));
    let before: Vec<_> = (0..5).map(|n| verified(&world, &format!("Before {n}"))).collect();
    let after: Vec<_> = (0..5).map(|n| verified(&world, &format!("After {n}"))).collect();
    for (_, event) in &before {
        world.deliver(event).await;
    }
    world.deliver(&bad).await;
    for (_, event) in &after {
        world.deliver(event).await;
    }
    eventually("the good ones are applied", async || world.counts().await.done == 10).await;
    let of_poison = async || {
        world.events().await.into_iter().find(|row| row.object_id.as_ref().is_some_and(|id| id.as_str() == "poison"))
    };
    eventually("tried again", async || of_poison().await.unwrap().attempts >= 2).await;
    let row = of_poison().await.unwrap();
    assert_eq!((row.state.as_str(), row.reason.unwrap().as_str()), ("pending", "malformed"));
    let calls = world.sandbox.calls();
    for (identity, event) in before.iter().chain(&after) {
        assert!(world.identity(identity).await.unwrap().verified_at.is_some());
        let path = format!("/verification/{}", event["id"].as_str().unwrap());
        assert_eq!(calls.iter().filter(|call| call.path.ends_with(&path)).count(), 1, "asked once, poison or not");
    }
    assert_eq!(world.identity(&poison.identity_id).await, None);
}

/// Two events of one person: the one that was asked about first is answered last, with what was true before.
async fn a_revocation_by_webhook_outlasts_a_grant_in_flight(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores").identity_id;
    let grant = world.sandbox.verify(&ana).unwrap();
    let revocation = world.sandbox.verify(&ana).unwrap();
    world.link("ana", &ana).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    let older = Effect::Answer {
        status: 200,
        headers: Default::default(),
        body: json!({"status": "ACTIVE", "identityId": ana}).to_string(),
        base64: false,
    };
    world.sandbox.clear_calls();
    world.fault(Fault::new(older).on(Route::Userinfo).held());
    world.deliver(&event("verification.completed", &grant.verification_id, &grant.token)).await;
    let in_flight =
        async || world.sandbox.calls().iter().any(|call| call.path.ends_with("/userinfo") && call.status.is_none());
    eventually("the grant is in flight", in_flight).await;
    world.sandbox.revoke(&ana).unwrap();
    world.deliver(&event("verification.completed", &revocation.verification_id, &revocation.token)).await;
    eventually("revoked", async || world.standing("ana").await == "revoked").await;
    assert!(in_flight().await, "the revocation came first");
    world.sandbox.release_held();
    world.settles(2, 0, 0).await;
    for _ in 0..8 {
        assert_eq!(world.get("ana", "/vault").await.code(), "identity_revoked");
    }
    assert_eq!(world.identity(&ana).await.unwrap().status.as_str(), "REVOKED");
}

fn verified(world: &World, name: &str) -> (String, Value) {
    let person = world.person(name);
    let verified = world.sandbox.verify(&person.identity_id).unwrap();
    (person.identity_id, event("verification.completed", &verified.verification_id, &verified.token))
}

/// In the form of RFC 9110.
fn http_date(at: std::time::SystemTime) -> String {
    httpdate::fmt_http_date(at)
}
