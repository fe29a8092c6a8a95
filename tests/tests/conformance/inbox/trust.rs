//! Events of strangers, keys that do not fit, clocks that are wrong.

use std::time::{Duration, SystemTime};

use incode_core::testing::ManualClock;
use incode_core::{Clock, Secret, Timestamp};
use incode_sandbox::{Fault, NewPerson, OthersObjects};
use incode_sqlite::SqliteOptions;
use incode_tests::{Adapter, Auth, Plan, event, eventually};
use serde_json::json;

on_every_adapter! {
    an_unauthenticated_event_refreshes_no_face_and_swallows_nothing,
    an_event_that_anyone_could_send_proves_no_face,
    a_token_sealed_with_another_key_waits,
    a_clock_that_is_ahead_kills_nothing,
    a_clock_that_jumps_after_many_failures_kills_nothing,
}

fn seconds_now() -> i64 {
    Timestamp::from(SystemTime::now()).as_millis() / 1000
}

/// Fetch-back: another person's object with one's own token, at a vendor that answers any live token.
async fn an_unauthenticated_event_refreshes_no_face_and_swallows_nothing(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).start().await;
    world.sandbox.change_behaviour(|behaviour| behaviour.others_objects = OthersObjects::Answered);
    let (ana, eve) = (world.person("Ana Flores").identity_id, world.person("Eve Rojas").identity_id);
    world.link("eve", &eve).await;
    let verified = world.sandbox.verify(&ana).unwrap();
    let face = json!({"id": "face-1", "createdAt": seconds_now(), "status": "pass", "type": "FACE"});
    world.sandbox.seed_authentication("face-1", Some(&ana), face);
    for (kind, id) in
        [("verification.completed", verified.verification_id.as_str()), ("authentication.completed", "face-1")]
    {
        world.deliver(&event(kind, id, &world.sandbox.issue_token(&eve))).await;
    }
    eventually("both are settled", async || world.counts().await.pending == 0).await;
    let of_eve = world.identity(&eve).await.unwrap();
    assert_eq!((of_eve.verified_at, of_eve.face_authenticated_at), (None, None));
    assert_eq!(world.status("eve", "/seen").await, 401);
    // The vendor's own events for Ana come after the stranger's, and count.
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    eventually("applied for Ana", async || {
        world.identity(&ana).await.is_some_and(|identity| identity.verified_at.is_some())
    })
    .await;
}

/// An authentication says nothing of whose it is: without an authenticated sender it refreshes the status only.
async fn an_event_that_anyone_could_send_proves_no_face(adapter: Adapter) {
    for (auth, counts) in [(Auth::FetchBack, false), (Auth::Header, true)] {
        let world = Plan::new(adapter).auth(auth).start().await;
        let ana = world.person("Ana Flores").identity_id;
        world.link("ana", &ana).await;
        let face = json!({"id": "face-1", "createdAt": seconds_now(), "status": "pass", "type": "FACE"});
        world.sandbox.seed_authentication("face-1", Some(&ana), face);
        world.deliver(&event("authentication.completed", "face-1", &world.sandbox.issue_token(&ana))).await;
        eventually("settled", async || world.counts().await.pending == 0).await;
        assert_eq!(world.identity(&ana).await.unwrap().face_authenticated_at.is_some(), counts, "{auth:?}");
    }
}

async fn a_token_sealed_with_another_key_waits(adapter: Adapter) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("incode.db");
    let clock = ManualClock::new(Timestamp::from(SystemTime::now()));
    let plan = |keys: &'static [&'static str]| {
        let (file, clock) = (file.clone(), clock.clone());
        Plan::new(adapter).incode(move |builder| {
            let builder = builder.open_store(SqliteOptions::new(file)).clock(clock);
            keys.iter().fold(builder, |builder, key| builder.store_key(Secret::from(*key)))
        })
    };
    let first = plan(&[OLD]).start().await;
    let ana = first.person("Ana Flores").identity_id;
    let verified = first.sandbox.verify(&ana).unwrap();
    first.fault(Fault::status(500).times(u32::MAX));
    first.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    eventually("tried", async || first.events().await[0].reason.is_some()).await;
    first.incode.shutdown().await;

    let wrong = plan(&[NEW]).start().await;
    eventually("it does not open", async || {
        clock.advance(Duration::from_secs(1));
        wrong.events().await[0].reason.is_some_and(|reason| reason.as_str() == "token_sealed")
    })
    .await;
    assert_eq!(wrong.events().await[0].state.as_str(), "pending", "another process may have the key");
    assert_eq!(wrong.sandbox.calls().len(), 0);
    wrong.incode.shutdown().await;

    let both = plan(&[NEW, OLD]).start().await;
    both.sandbox.add_person(NewPerson::named("Ana Flores").identity_id(ana.as_str()));
    let body = json!({"id": verified.verification_id, "createdAt": seconds_now(), "status": "VERIFIED"});
    both.sandbox.seed_verification(verified.verification_id.as_str(), Some(&ana), body);
    both.sandbox.seed_token(verified.token.as_str(), Some(&ana), Duration::from_secs(900));
    eventually("applied with the older key", async || {
        clock.advance(Duration::from_secs(1));
        both.counts().await.done == 1
    })
    .await;
    assert!(both.identity(&ana).await.is_some());
    both.incode.shutdown().await;
}

/// The vendor decides about its token; our clock decides about waiting.
async fn a_clock_that_is_ahead_kills_nothing(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(SystemTime::now()));
    let shown = clock.clone();
    let world = Plan::new(adapter).incode(|builder| builder.clock(shown)).start().await;
    let people: Vec<_> = (0..5).map(|number| world.person(&format!("Ana {number}")).identity_id).collect();
    world.fault(Fault::status(500).times(u32::MAX));
    for person in &people {
        let verified = world.sandbox.verify(person).unwrap();
        world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    }
    eventually("all wait", async || world.events().await.iter().all(|row| row.reason.is_some())).await;
    world.sandbox.clear_faults();
    clock.advance(Duration::from_secs(20 * 60));
    world.settles(5, 0, 0).await;
    for person in &people {
        assert!(world.identity(person).await.is_some());
    }
}

/// However many attempts failed before: the token still lives at the vendor.
async fn a_clock_that_jumps_after_many_failures_kills_nothing(adapter: Adapter) {
    for status in [503, 429] {
        let clock = ManualClock::new(Timestamp::from(SystemTime::now()));
        let shown = clock.clone();
        let world = Plan::new(adapter).incode(|builder| builder.clock(shown)).start().await;
        let person = world.person("Ana Flores").identity_id;
        let verified = world.sandbox.verify(&person).unwrap();
        world.fault(Fault::status(status).times(u32::MAX));
        world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
        eventually("five attempts", async || {
            clock.advance(Duration::from_secs(1));
            world.events().await[0].attempts >= 5
        })
        .await;
        clock.set(clock.now().after(Duration::from_secs(20 * 60)));
        eventually("one more failure", async || {
            let row = &world.events().await[0];
            // A lease ends after ten seconds: what is due later was tried, and waits.
            let waits = row.due_at.is_some_and(|due_at| due_at > clock.now().after(Duration::from_secs(15)));
            row.state.as_str() != "pending" || (row.attempts >= 6 && waits)
        })
        .await;
        world.sandbox.clear_faults();
        eventually("settled", async || {
            clock.advance(Duration::from_secs(1));
            world.counts().await.pending == 0
        })
        .await;
        assert_eq!((world.counts().await.done, world.counts().await.dead), (1, 0), "{status}");
        assert!(world.identity(&person).await.is_some());
    }
}

const OLD: &str = "the store key of last year, 32 bytes or more";
const NEW: &str = "the store key of this year, 32 bytes or more";
