//! Pieces that do not belong together, and the same piece many times over.

use std::time::Duration;

use futures_util::future::join_all;
use incode_sandbox::{Fault, Route};
use incode_sqlite::SqliteOptions;
use incode_tests::{ACKNOWLEDGED, Adapter, Auth, Plan, World, event, eventually};
use serde_json::json;

on_every_adapter! {
    the_id_of_one_with_the_token_of_another,
    a_verification_that_answers_under_another_id,
    a_verification_that_names_another_person,
    the_kind_of_one_with_the_object_of_the_other,
    a_junk_token_first_does_not_shadow_the_genuine_one,
    a_replay_changes_nothing,
    a_thousand_replays_and_one_after_a_restart_change_nothing,
    two_hundred_at_once_are_one_event,
    an_event_put_together_for_another_subject_is_quarantined,
    a_forged_event_changes_no_standing,
    a_flood_for_one_object_asks_one_at_a_time,
}

async fn the_id_of_one_with_the_token_of_another(adapter: Adapter) {
    let world = World::start(adapter).await;
    let (ana, ben) = (world.person("Ana Flores"), world.person("Ben Ochoa"));
    world.link("ben", &ben.identity_id).await;
    let of_ana = world.sandbox.verify(&ana.identity_id).unwrap();
    let token_of_ben = world.sandbox.issue_token(&ben.identity_id);
    // The vendor keeps to its document: it does not give Ben what is Ana's.
    world.deliver(&event("verification.completed", &of_ana.verification_id, &token_of_ben)).await;
    assert_eq!(world.died_of().await, "not_found");
    // A vendor that is less careful.
    let body = json!({"id": "loose", "createdAt": 1_688_059_847, "status": "VERIFIED", "data": {"email": ana.email}});
    world.sandbox.seed_verification("loose", None, body);
    world.deliver(&event("verification.completed", "loose", &token_of_ben)).await;
    world.settles(0, 2, 0).await;
    assert_eq!(world.events().await[0].reason.unwrap().as_str(), "binding_mismatch");
    assert_eq!(world.get("ben", "/verified").await.code(), "verification_required");
    assert_eq!(world.identity(&ana.identity_id).await, None);
}

async fn a_verification_that_answers_under_another_id(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    let body = json!({"id": "another", "createdAt": 1_688_059_847, "status": "VERIFIED", "data": {"email": ana.email}});
    world.sandbox.seed_verification("asked-for", Some(&ana.identity_id), body);
    let token = world.sandbox.issue_token(&ana.identity_id);
    world.deliver(&event("verification.completed", "asked-for", &token)).await;
    assert_eq!(world.died_of().await, "binding_mismatch");
    assert_eq!(world.identity(&ana.identity_id).await, None);
}

async fn a_verification_that_names_another_person(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    let rows = [
        (json!({"email": "somebody@else.test"}), false),
        (json!({"phone": "+529999999999"}), false),
        (json!({"dateOfBirth": "0"}), false),
        (json!({"email": ana.email.to_uppercase(), "phone": "+52 12 3456-7890"}), true),
        (json!({}), true),
        (json!({"email": null, "phone": ""}), true),
    ];
    let (mut done, mut dead) = (0, 0);
    for (index, (data, fits)) in rows.into_iter().enumerate() {
        let id = format!("verification-{index}");
        let body = json!({"id": id, "createdAt": 1_688_059_847, "status": "VERIFIED", "data": data});
        world.sandbox.seed_verification(&id, Some(&ana.identity_id), body);
        let token = world.sandbox.issue_token(&ana.identity_id);
        world.deliver(&event("verification.completed", &id, &token)).await;
        if fits {
            done += 1;
        } else {
            dead += 1;
        }
        world.settles(done, dead, 0).await;
        if !fits {
            assert_eq!(world.events().await[0].reason.unwrap().as_str(), "binding_mismatch", "{data}");
        }
    }
}

async fn the_kind_of_one_with_the_object_of_the_other(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    let mut mixed = event("verification.completed", &verified.verification_id, &verified.token);
    mixed["object"] = "authentication".into();
    world.deliver(&mixed).await;
    assert_eq!(world.died_of().await, "binding_mismatch");
    assert_eq!(world.sandbox.calls().len(), 0, "quarantined before a call is made");
    // The id of a verification under the kind of the other: the vendor knows no such authentication.
    world.deliver(&event("authentication.completed", &verified.verification_id, &verified.token)).await;
    world.settles(0, 2, 0).await;
    assert_eq!(world.identity(&ana.identity_id).await, None);
    // And the genuine one still applies.
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    world.settles(1, 2, 0).await;
}

async fn a_junk_token_first_does_not_shadow_the_genuine_one(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).start().await;
    let ana = world.person("Ana Flores");
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    let id = &verified.verification_id;
    world.deliver(&event("verification.completed", id, "junk")).await;
    world.deliver(&event("verification.completed", id, &verified.token)).await;
    world.settles(1, 1, 0).await;
    assert!(world.identity(&ana.identity_id).await.unwrap().verified_at.is_some());
    // More junk, now that the object is done: a stranger's event stands for itself alone, so the vendor refuses it too.
    let before = world.identity(&ana.identity_id).await;
    world.deliver(&event("verification.completed", id, "more-junk")).await;
    world.settles(1, 2, 0).await;
    assert_eq!(world.identity(&ana.identity_id).await, before);
    // The genuine one again is known, and the vendor is not asked.
    world.sandbox.clear_calls();
    world.deliver(&event("verification.completed", id, &verified.token)).await;
    world.settles(1, 2, 0).await;
    assert_eq!(world.sandbox.calls().len(), 0);
}

async fn a_replay_changes_nothing(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    let event = event("verification.completed", &verified.verification_id, &verified.token);
    world.deliver(&event).await;
    world.settles(1, 0, 0).await;
    let asked = world.sandbox.calls().len();
    let identity = world.identity(&ana.identity_id).await;
    for _ in 0..3 {
        world.deliver(&event).await;
    }
    let fresh = world.sandbox.issue_token(&ana.identity_id);
    world.deliver(&incode_tests::event("verification.completed", &verified.verification_id, &fresh)).await;
    world.settles(1, 0, 0).await;
    assert_eq!(world.sandbox.calls().len(), asked);
    assert_eq!(world.identity(&ana.identity_id).await, identity);
}

async fn a_thousand_replays_and_one_after_a_restart_change_nothing(adapter: Adapter) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("incode.db");
    let on_file = || {
        let file = file.clone();
        Plan::new(adapter).incode(|builder| builder.open_store(SqliteOptions::new(file))).start()
    };
    let world = on_file().await;
    let ana = world.person("Ana Flores");
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    let event = event("verification.completed", &verified.verification_id, &verified.token);
    world.deliver(&event).await;
    world.settles(1, 0, 0).await;
    let (asked, identity) = (world.sandbox.calls().len(), world.identity(&ana.identity_id).await);
    assert!(identity.is_some());
    for _ in 0..20 {
        join_all((0..50).map(|_| world.deliver(&event))).await;
    }
    assert_eq!((world.events().await.len(), world.sandbox.calls().len()), (1, asked));
    world.incode.shutdown().await;
    drop(world);

    let world = on_file().await;
    join_all((0..50).map(|_| world.deliver(&event))).await;
    world.settles(1, 0, 0).await;
    assert_eq!((world.events().await.len(), world.sandbox.calls().len()), (1, 0));
    assert_eq!(world.identity(&ana.identity_id).await, identity);
    world.incode.shutdown().await;
}

async fn two_hundred_at_once_are_one_event(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    let body = event("verification.completed", &verified.verification_id, &verified.token).to_string();
    let all = join_all((0..200).map(|_| world.send(world.delivery(&body)))).await;
    assert!(all.iter().all(|response| response.essence() == ACKNOWLEDGED));
    world.settles(1, 0, 0).await;
    assert_eq!(world.events().await.len(), 1);
    let counts = world.sandbox.call_counts();
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

async fn an_event_put_together_for_another_subject_is_quarantined(adapter: Adapter) {
    let world = Plan::new(adapter).incode(|builder| builder.link_by_webhook()).start().await;
    let (ana, eve) = (world.person("Ana Flores"), world.person("Eve Rojas"));
    world.link("ana", &ana.identity_id).await;
    // Eve's verification under a flow that Ana started: Ana is linked to another identity already.
    let id = world.start_flow("ana").await;
    let verified = world.sandbox.verify(&eve.identity_id).unwrap();
    let mut event = event("verification.completed", &verified.verification_id, &verified.token);
    event["correlation_id"] = id.into();
    world.deliver(&event).await;
    assert_eq!(world.died_of().await, "binding_mismatch");
    assert_eq!(world.get("ana", "/open").await.json()["identity"], ana.identity_id.as_str());
    assert_eq!(world.identity(&eve.identity_id).await, None);
}

async fn a_forged_event_changes_no_standing(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).start().await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    for index in 0..20 {
        world.deliver(&event("verification.completed", &format!("made-up-{index}"), "made-up-token")).await;
    }
    world.settles(0, 20, 0).await;
    eventually("nothing changed", async || world.status("ana", "/vault").await == 200).await;
    assert_eq!(world.get("ana", "/verified").await.code(), "verification_required");
}

async fn a_flood_for_one_object_asks_one_at_a_time(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).start().await;
    let ana = world.person("Ana Flores");
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    let id = &verified.verification_id;
    // userinfo is the later one of the two, so that every call for the object itself is seen to its end.
    world.fault(Fault::late(Duration::from_millis(30)).on(Route::Verification).times(100));
    world.fault(Fault::late(Duration::from_millis(300)).on(Route::Userinfo).times(100));
    let junk: Vec<_> = (0..20).map(|index| event("verification.completed", id, &format!("junk-{index}"))).collect();
    join_all(junk.iter().map(|event| world.deliver(event))).await;
    world.deliver(&event("verification.completed", id, &verified.token)).await;
    eventually("applied", async || world.identity(&ana.identity_id).await.is_some()).await;
    eventually("the rest is settled", async || world.counts().await.pending == 0).await;
    let calls = world.sandbox.calls();
    let mut asked: Vec<_> = calls.iter().filter(|call| call.path.contains("/verification/")).collect();
    asked.sort_by_key(|call| call.number);
    assert!(asked.len() > 1);
    for pair in asked.windows(2) {
        assert!(pair[0].ended_at.is_some_and(|ended| ended <= pair[1].at), "{:?} while {:?}", pair[1], pair[0]);
    }
}
