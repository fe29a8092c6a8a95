//! A face confirms one thing, once, in one session.

use std::time::Duration;

use incode_core::flow::{FaceErrorKind, FaceOutcome, FaceScope};
use incode_core::gate::{DenialKind, SessionSource, Visitor};
use incode_core::identity::ActionHash;
use incode_core::model::{Face, FaceAuthenticationRequest};
use incode_core::testing::ManualClock;
use incode_core::{SessionHash, Subject, Timestamp};
use incode_tests::{Adapter, Plan, Response, World, event, eventually, get, post};
use incode_tower::HttpHead;
use serde_json::json;

on_every_adapter! {
    a_second_session_gains_nothing,
    without_a_session_no_face_counts,
    a_face_for_one_action_opens_nothing_else,
    a_confirmation_is_used_once,
    a_confirmation_is_for_one_action_in_one_session_and_for_a_while,
    a_face_at_a_kiosk_opens_nothing_here,
    faces_are_limited_and_a_picture_is_sent_once,
}

/// The session is what this header says: a stand-in for the application's own cookie.
const SESSION: &str = "x-session-id";
const MINUTE: Duration = Duration::from_secs(60);

fn plan(adapter: Adapter) -> Plan {
    Plan::new(adapter).incode(|builder| {
        builder.sessions(SessionSource::from_fn(|head| {
            std::str::from_utf8(head.header(SESSION).one()?).ok().map(Into::into)
        }))
    })
}

async fn enrolled(world: &World, user: &str, name: &str) -> String {
    let person = world.person(name);
    world.sandbox.verify(&person.identity_id).unwrap();
    world.link(user, &person.identity_id).await;
    person.identity_id
}

fn ana() -> Subject {
    Subject::new("ana").unwrap()
}

fn scope(session: &str) -> FaceScope {
    FaceScope::new(ana()).in_session(SessionHash::of(session.as_bytes()))
}

/// Confirms with the right face.
async fn confirm(world: &World, scope: FaceScope, identity: &str) {
    let request = FaceAuthenticationRequest { face: Face::Base64Image(world.face_of(identity)), source: None };
    let outcome = world.incode.authenticate(scope, &request).await.unwrap();
    assert!(matches!(outcome, FaceOutcome::Passed(_)), "{outcome:?}");
}

async fn step_up(world: &World, session: &str) -> Response {
    world.send(get("/step-up").user("ana").header(SESSION, session)).await
}

/// The visitor of a handler that takes a request of this session.
async fn visitor(world: &World, session: &str) -> Visitor {
    let request = http::Request::builder().header("x-user", "ana").header(SESSION, session).body(()).unwrap();
    let head = HttpHead::from(&request);
    let visitor = world.incode.visit(&head).visitor().await;
    incode_core::gate::visitor(Some(&visitor), &head).unwrap()
}

async fn a_second_session_gains_nothing(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let identity = enrolled(&world, "ana", "Ana Flores").await;
    assert_eq!(step_up(&world, "one").await.code(), "face_authentication_required");
    confirm(&world, scope("one"), &identity).await;
    assert_eq!(step_up(&world, "one").await.status, 200);
    for other in ["two", "on", "one ", "One", "one2"] {
        assert_eq!(step_up(&world, other).await.status, if other.trim() == "one" { 200 } else { 401 }, "{other:?}");
    }
    let transfer = post("/transfer").user("ana").header(SESSION, "two").body("");
    assert_eq!(world.send(transfer).await.code(), "face_authentication_required");
    // The vendor saw the face: that is the weaker requirement, and it is met in each session.
    assert_eq!(world.send(get("/seen").user("ana").header(SESSION, "two")).await.status, 200);
}

async fn without_a_session_no_face_counts(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let identity = enrolled(&world, "ana", "Ana Flores").await;
    confirm(&world, scope("one"), &identity).await;
    confirm(&world, FaceScope::new(ana()), &identity).await;
    for call in [get("/step-up"), get("/step-up").header(SESSION, "")] {
        assert_eq!(world.send(call.user("ana")).await.code(), "face_authentication_required");
    }
    let twice = get("/step-up").user("ana").header(SESSION, "one").header(SESSION, "one");
    assert_eq!(world.send(twice).await.code(), "face_authentication_required", "an ambiguous one is none");
}

/// A transfer of 1.00 was confirmed and is not made yet: what asks for any recent face asks for one of its own.
async fn a_face_for_one_action_opens_nothing_else(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let identity = enrolled(&world, "ana", "Ana Flores").await;
    let action = ActionHash::of(b"transfer 1.00 to Bob");
    confirm(&world, scope("one").for_action(action), &identity).await;
    assert_eq!(step_up(&world, "one").await.code(), "face_authentication_required");
    let transfer = post("/transfer").user("ana").header(SESSION, "one").body("");
    assert_eq!(world.send(transfer).await.code(), "face_authentication_required");
    let visitor = visitor(&world, "one").await;
    assert!(world.incode.use_confirmation(&visitor, action, 5 * MINUTE).await.is_ok(), "and the action has it still");
}

async fn a_confirmation_is_used_once(adapter: Adapter) {
    let world = plan(adapter).start().await;
    let identity = enrolled(&world, "ana", "Ana Flores").await;
    for round in 0..5 {
        let action = ActionHash::of(format!("transfer {round}").as_bytes());
        confirm(&world, scope("one").for_action(action), &identity).await;
        let visitor = visitor(&world, "one").await;
        let use_up = || world.incode.use_confirmation(&visitor, action, 5 * MINUTE);
        let both = tokio::join!(use_up(), use_up());
        let used = [&both.0, &both.1].into_iter().filter(|used| used.is_ok()).count();
        assert_eq!(used, 1, "two at once: {both:?}");
        let denial = use_up().await.unwrap_err();
        assert_eq!(denial.kind(), DenialKind::FaceAuthenticationRequired { max_age: 5 * MINUTE });
    }
}

async fn a_confirmation_is_for_one_action_in_one_session_and_for_a_while(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let world = plan(adapter).incode(|builder| builder.clock(shown)).start().await;
    let identity = enrolled(&world, "ana", "Ana Flores").await;
    let (small, large) = (ActionHash::of(b"1.00 to Bob"), ActionHash::of(b"1000000.00 to Eve"));
    let (one, two) = (visitor(&world, "one").await, visitor(&world, "two").await);
    confirm(&world, scope("one").for_action(small), &identity).await;
    // A face without an action confirms none.
    confirm(&world, scope("two"), &identity).await;
    for (visitor, action) in [(&one, large), (&two, small), (&two, large)] {
        assert!(world.incode.use_confirmation(visitor, action, 5 * MINUTE).await.is_err());
    }
    clock.advance(5 * MINUTE + Duration::from_millis(1));
    assert!(world.incode.use_confirmation(&one, small, 5 * MINUTE).await.is_err(), "too late");
    assert!(world.incode.use_confirmation(&one, small, 6 * MINUTE).await.is_ok());

    // Nothing counts for a person who is revoked meanwhile.
    confirm(&world, scope("one").for_action(large), &identity).await;
    let before = visitor(&world, "one").await;
    world.sandbox.revoke(&identity).unwrap();
    confirm(&world, scope("two"), &identity).await;
    assert!(world.incode.use_confirmation(&before, large, 5 * MINUTE).await.is_err());
}

/// The vendor's event of a face that it saw anywhere.
async fn a_face_at_a_kiosk_opens_nothing_here(adapter: Adapter) {
    for sessions in [true, false] {
        let world = if sessions { plan(adapter) } else { Plan::new(adapter) }.start().await;
        let identity = enrolled(&world, "ana", "Ana Flores").await;
        let now = Timestamp::from(std::time::SystemTime::now()).as_millis() / 1000;
        let body = json!({"id": "kiosk-1", "createdAt": now, "status": "pass", "type": "FACE"});
        world.sandbox.seed_authentication("kiosk-1", Some(&identity), body);
        world.deliver(&event("authentication.completed", "kiosk-1", &world.sandbox.issue_token(&identity))).await;
        world.settles(1, 0, 0).await;
        let seen = || get("/seen").user("ana").header(SESSION, "one");
        eventually("seen by the vendor", async || world.send(seen()).await.status == 200).await;
        assert_eq!(step_up(&world, "one").await.code(), "face_authentication_required");
        assert_eq!(world.status("ana", "/transfer").await, 401);
    }
}

async fn faces_are_limited_and_a_picture_is_sent_once(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let limits = |builder: incode_core::Builder| {
        builder.clock(shown).face_limit(5, Duration::from_secs(12)).same_face_image_after(10 * MINUTE)
    };
    let world = plan(adapter).incode(limits).start().await;
    let identity = enrolled(&world, "ana", "Ana Flores").await;
    enrolled(&world, "ben", "Ben Ochoa").await;
    world.sandbox.clear_calls();
    let ask = async |subject: &str, image: String| {
        let request = FaceAuthenticationRequest { face: Face::Base64Image(image), source: None };
        world.incode.authenticate(FaceScope::new(Subject::new(subject).unwrap()), &request).await
    };
    let picture = |number: u32| data_encoding::BASE64.encode(&number.to_be_bytes());
    let face = world.face_of(&identity);
    assert!(ask("ana", face.clone()).await.is_ok());
    assert_eq!(ask("ana", face.clone()).await.unwrap_err().kind(), FaceErrorKind::ImageRepeated);
    let mut refused = 0;
    for number in 0..120 {
        match ask("ana", picture(number)).await {
            Ok(outcome) => assert!(matches!(outcome, FaceOutcome::Failed(_))),
            Err(error) => {
                assert_eq!((error.kind(), error.problem().status), (FaceErrorKind::TooManyRequests, 429));
                assert!(error.problem().headers.iter().any(|(name, _)| *name == "retry-after"));
                refused += 1;
            }
        }
    }
    let asked = world.sandbox.calls().iter().filter(|call| call.path.ends_with("/authenticate")).count();
    assert_eq!((asked, refused), (5, 116));
    assert!(ask("ben", picture(0)).await.is_ok(), "another subject is not affected");
    clock.advance(10 * MINUTE);
    assert!(matches!(ask("ana", face).await, Ok(FaceOutcome::Passed(_))), "a while later all is as before");
}
