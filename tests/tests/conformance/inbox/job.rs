//! The main job: an event arrives, the vendor confirms it, the gate opens for who is linked.

use incode_core::Timestamp;
use incode_core::testing::ManualClock;
use incode_sandbox::{DeliveryState, NewPerson};
use incode_tests::{ACKNOWLEDGED, Adapter, Auth, Plan, World, event, eventually, fixture};
use serde_json::json;
use std::time::Duration;

on_every_adapter! {
    the_spec_samples_open_the_gate_however_deliveries_are_authenticated,
    the_vendors_own_sender_is_acknowledged,
    an_event_before_the_link_counts_after_it,
    an_event_after_the_link_counts_at_the_next_request,
    the_spec_sample_of_a_face_authentication_is_seen_and_steps_no_user_up,
    subjects_come_from_extension_cookie_or_rule,
    a_failed_verification_is_no_verification,
    both_spec_samples_share_an_id_and_are_two_events,
    ids_of_any_form_reach_the_vendor_as_they_are,
    many_events_at_once_are_all_applied,
}

const IDENTITY: &str = "64bb17ff915ccccb85bb45b0";

/// The spec's samples, made to name one another.
fn seed(world: &World) -> serde_json::Value {
    let event = fixture("event-verification.json");
    let id = event["id"].as_str().unwrap();
    let mut verification = fixture("verification.json");
    verification["id"] = event["id"].clone();
    world.sandbox.add_person(NewPerson::from_userinfo(fixture("userinfo-filled.json")).identity_id(IDENTITY));
    world.sandbox.seed_verification(id, Some(IDENTITY), verification);
    world.sandbox.seed_token(event["token"].as_str().unwrap(), Some(IDENTITY), Duration::from_secs(900));
    event
}

async fn the_spec_samples_open_the_gate_however_deliveries_are_authenticated(adapter: Adapter) {
    for auth in Auth::ALL {
        let world = Plan::new(adapter).auth(auth).start().await;
        let event = seed(&world);
        assert_eq!(world.status("ana", "/vault").await, 403, "{auth:?}");

        let body =
            std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../incode-core/fixtures/event-verification.json"))
                .unwrap();
        let response = world.send(world.delivery(&body).header("content-type", "application/json")).await;
        assert_eq!(response.essence(), ACKNOWLEDGED, "{auth:?}");
        assert_eq!(response.header("content-type"), None);
        world.settles(1, 0, 0).await;

        let identity = world.identity(IDENTITY).await.unwrap();
        assert_eq!(identity.status.as_str(), "ACTIVE");
        assert_eq!(identity.verification_id.unwrap().as_str(), event["id"].as_str().unwrap());
        // The sample of the event is older than that of its verification. Where it is the vendor's own, the oldest counts.
        let oldest = if matches!(auth, Auth::FetchBack) { 1_688_059_847 } else { 1_688_052_828 };
        assert_eq!(identity.verified_at, Some(Timestamp::from_secs(oldest)));
        // No link is made yet: an event alone opens nothing.
        assert_eq!(world.status("ana", "/vault").await, 403);

        world.link("ana", IDENTITY).await;
        for path in ["/vault", "/verified", "/attested", "/active-extractor", "/in-handler"] {
            assert_eq!(world.status("ana", path).await, 200, "{path}");
        }
        assert_eq!(world.get("ana", "/vault").await.text(), "passed");
        assert_eq!(world.get("ana", "/active-extractor").await.text(), IDENTITY);
        let open = json!({"standing": "active", "subject": "ana", "identity": IDENTITY, "proof": "flow"});
        assert_eq!(world.get("ana", "/open").await.json(), open);
        assert_eq!(world.status("ben", "/vault").await, 403);
    }
}

async fn the_vendors_own_sender_is_acknowledged(adapter: Adapter) {
    for auth in Auth::ALL {
        let world = Plan::new(adapter).auth(auth).start().await;
        let person = world.person("Ana Flores");
        let verified = world.sandbox.verify(&person.identity_id).unwrap();
        let number = world.sandbox.send_verification(&verified.verification_id).unwrap();
        let delivery = world.sandbox.settled(number).await.unwrap();
        assert_eq!(delivery.state, DeliveryState::Accepted);
        let statuses: Vec<_> = delivery.attempts.iter().map(|attempt| attempt.status).collect();
        assert_eq!(statuses, [Some(204)], "{auth:?}");
        world.settles(1, 0, 0).await;
    }
}

async fn an_event_before_the_link_counts_after_it(adapter: Adapter) {
    let world = World::start(adapter).await;
    let person = world.person("Ana Flores");
    let verified = world.sandbox.verify(&person.identity_id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    world.settles(1, 0, 0).await;
    world.link("ana", &person.identity_id).await;
    assert_eq!(world.status("ana", "/verified").await, 200);
}

async fn an_event_after_the_link_counts_at_the_next_request(adapter: Adapter) {
    let world = World::start(adapter).await;
    let person = world.person("Ana Flores");
    world.link("ana", &person.identity_id).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    // Cached as not verified by now; the event has to reach the cache of every worker of the server.
    for _ in 0..8 {
        assert_eq!(world.status("ana", "/verified").await, 403);
    }
    let verified = world.sandbox.verify(&person.identity_id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    world.settles(1, 0, 0).await;
    // Settled is written before the cache is invalidated, so one request may still be in between.
    eventually("verified", async || world.status("ana", "/verified").await == 200).await;
    for _ in 0..8 {
        assert_eq!(world.status("ana", "/verified").await, 200);
    }
}

/// A kiosk's face shows that the vendor saw the person somewhere, and nothing of who is in front of a session.
async fn the_spec_sample_of_a_face_authentication_is_seen_and_steps_no_user_up(adapter: Adapter) {
    const AUTHENTICATED: Timestamp = Timestamp::from_secs(1_688_059_847);
    let clock = ManualClock::new(AUTHENTICATED.after(Duration::from_secs(60)));
    let world = Plan::new(adapter).incode({
        let clock = clock.clone();
        |builder| builder.clock(clock)
    });
    let world = world.start().await;
    seed(&world);
    world.link("ana", IDENTITY).await;
    assert_eq!((world.status("ana", "/transfer").await, world.status("ana", "/seen").await), (401, 401));

    let event = fixture("event-authentication.json");
    world.sandbox.seed_authentication(event["id"].as_str().unwrap(), Some(IDENTITY), fixture("authentication.json"));
    world.sandbox.seed_token(event["token"].as_str().unwrap(), Some(IDENTITY), Duration::from_secs(900));
    world.deliver(&event).await;
    world.settles(1, 0, 0).await;
    eventually("seen", async || world.status("ana", "/seen").await == 200).await;
    assert_eq!(world.status("ana", "/transfer").await, 401);

    clock.set(AUTHENTICATED.after(Duration::from_secs(300)));
    assert_eq!(world.status("ana", "/seen").await, 200);
    clock.advance(Duration::from_millis(1));
    assert_eq!(world.status("ana", "/seen").await, 401);
}

async fn subjects_come_from_extension_cookie_or_rule(adapter: Adapter) {
    use incode_core::gate::SubjectSource;
    use incode_tests::get;
    let extension = Plan::new(adapter).incode(|builder| builder.subjects(SubjectSource::extension())).start().await;
    let subject = async |world: &World, call| world.send(call).await.json()["subject"].clone();
    assert_eq!(subject(&extension, get("/open").header("x-session", "ana")).await, "ana");
    assert_eq!(subject(&extension, get("/open").user("ana")).await, json!(null));

    let source = SubjectSource::cookie("session", |value| value.strip_prefix("signed.").map(Into::into));
    let cookie = Plan::new(adapter).incode(|builder| builder.subjects(source)).start().await;
    let with = |value: &str| get("/open").header("cookie", value);
    assert_eq!(subject(&cookie, with("a=b; session=signed.ana; c=d")).await, "ana");
    assert_eq!(subject(&cookie, with("session=signed.ana").header("cookie", "x=y")).await, "ana");
    for nobody in ["session=ana", "xsession=signed.ana", "session=signed.ana; session=signed.ben", "session", ""] {
        assert_eq!(subject(&cookie, with(nobody)).await, json!(null), "{nobody}");
    }
    let twice = with("session=signed.ana").header("cookie", "session=signed.ben");
    assert_eq!(subject(&cookie, twice).await, json!(null));

    let source = SubjectSource::from_fn(move |head| {
        match adapter {
            Adapter::Actix => incode_actix::extension::<incode_core::Subject>(head),
            _ => incode_tower::extension::<incode_core::Subject>(head),
        }
        .map(|subject| subject.as_str().to_uppercase().into())
    });
    let rule = Plan::new(adapter).incode(|builder| builder.subjects(source)).start().await;
    assert_eq!(subject(&rule, get("/open").header("x-session", "ana")).await, "ANA");

    let header = World::start(adapter).await;
    assert_eq!(subject(&header, get("/open").user("ana").user("ana")).await, json!(null), "given twice");
    assert_eq!(subject(&header, get("/open").header("x-user", b"\xff\xfe")).await, json!(null), "not UTF-8");
    assert_eq!(subject(&header, get("/open").header("x-user", "é")).await, "é");
    assert_eq!(subject(&header, get("/open").header("x-user", "a".repeat(257))).await, json!(null), "too long");
}

async fn a_failed_verification_is_no_verification(adapter: Adapter) {
    let world = World::start(adapter).await;
    let newcomer = world.sandbox.add_person(NewPerson::named("Ben Ochoa").status("PENDING"));
    let failed = world.sandbox.verify_as(&newcomer.identity_id, incode_sandbox::Outcome::Fail).unwrap();
    world.deliver(&event("verification.completed", &failed.verification_id, &failed.token)).await;
    world.settles(1, 0, 0).await;
    let identity = world.identity(&newcomer.identity_id).await.unwrap();
    assert_eq!((identity.status.as_str(), identity.verification_id, identity.verified_at), ("PENDING", None, None));
    world.link("ben", &newcomer.identity_id).await;
    assert_eq!(world.standing("ben").await, "other");
    assert_eq!(world.get("ben", "/vault").await.code(), "identity_not_active");

    // ACTIVE for long, and refused this time: the gate is open, but not the one that asks for a verification.
    let known = world.person("Ana Flores");
    let failed = world.sandbox.verify_as(&known.identity_id, incode_sandbox::Outcome::Fail).unwrap();
    world.deliver(&event("verification.completed", &failed.verification_id, &failed.token)).await;
    world.settles(2, 0, 0).await;
    world.link("ana", &known.identity_id).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    assert_eq!(world.get("ana", "/verified").await.code(), "verification_required");
}

async fn both_spec_samples_share_an_id_and_are_two_events(adapter: Adapter) {
    let world = World::start(adapter).await;
    let verification = seed(&world);
    let authentication = fixture("event-authentication.json");
    let id = authentication["id"].as_str().unwrap();
    assert_eq!(verification["id"], id);
    world.sandbox.seed_authentication(id, Some(IDENTITY), fixture("authentication.json"));
    let token = authentication["token"].as_str().unwrap();
    world.sandbox.seed_token(token, Some(IDENTITY), Duration::from_secs(900));
    world.deliver(&verification).await;
    world.deliver(&authentication).await;
    world.settles(2, 0, 0).await;
    let identity = world.identity(IDENTITY).await.unwrap();
    assert!(identity.verified_at.is_some() && identity.face_authenticated_at.is_some());
    assert!(identity.face_origin.verification_id.is_some(), "the verification that enrolled the person");
    assert_eq!(identity.face_origin.source_id.as_deref(), Some("source-name"));
}

async fn ids_of_any_form_reach_the_vendor_as_they_are(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    let ids = [
        "196c69e0-5566-4f51-9432-dde8e225aAbc3",
        "a/b",
        "../userinfo",
        "a?b=c#d",
        "%2e%2e",
        "a%2Fb",
        "a;b&c=d",
        "\"quoted\"",
        "a\\b",
        "...",
        &"x".repeat(128),
    ];
    for id in ids {
        let body = json!({"id": id, "createdAt": 1_688_059_847, "status": "VERIFIED", "data": {"email": ana.email}});
        world.sandbox.seed_verification(id, Some(&ana.identity_id), body);
        world.deliver(&event("verification.completed", id, &world.sandbox.issue_token(&ana.identity_id))).await;
        eventually("settled", async || world.counts().await.pending == 0).await;
        let newest = &world.events().await[0];
        assert_eq!((newest.state.as_str(), newest.reason), ("done", None), "{id}");
    }
    assert_eq!(world.events().await.len(), ids.len());
}

async fn many_events_at_once_are_all_applied(adapter: Adapter) {
    let world = World::start(adapter).await;
    let world = &world;
    let all = (0..120).map(|index| async move {
        let person = world.person(&format!("Person {index}"));
        let verified = world.sandbox.verify(&person.identity_id).unwrap();
        world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
        person.identity_id
    });
    let people = futures_util::future::join_all(all).await;
    world.settles(120, 0, 0).await;
    for id in people {
        assert!(world.identity(&id).await.unwrap().verified_at.is_some());
    }
}
