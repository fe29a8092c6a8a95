//! Revocation and step-up: what a face authentication shows, and for how long.

use std::time::Duration;

use incode_core::Timestamp;
use incode_core::flow::{FaceErrorKind, FaceOutcome, FaceScope};
use incode_core::model::{Face, FaceAuthenticationRequest, FailureReason};
use incode_core::testing::ManualClock;
use incode_sandbox::{Effect, FaceKind, Fault, Route};
use incode_tests::{Adapter, Failing, Plan, World, event, eventually};
use serde_json::json;

on_every_adapter! {
    a_revoked_person_is_out_at_the_next_request,
    who_is_active_again_is_in_again,
    a_face_opens_for_exactly_five_minutes,
    another_persons_face_does_not_step_up,
    faces_that_do_not_pass_say_why,
    who_is_not_linked_has_no_face_to_compare,
    a_picture_is_measured_before_it_is_sent,
    people_are_shown_what_to_do,
    a_pass_with_an_error_beside_it_is_none,
    an_older_answer_does_not_bring_a_revoked_person_back,
    hanging_up_does_not_keep_a_revoked_person_in,
    a_clock_set_back_does_not_keep_a_revoked_person_in,
}

async fn enrolled(world: &World, user: &str, name: &str) -> String {
    let person = world.person(name);
    world.sandbox.verify(&person.identity_id).unwrap();
    world.link(user, &person.identity_id).await;
    person.identity_id
}

async fn a_revoked_person_is_out_at_the_next_request(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = enrolled(&world, "ana", "Ana Flores").await;
    enrolled(&world, "ben", "Ben Ochoa").await;
    for _ in 0..8 {
        assert_eq!((world.status("ana", "/vault").await, world.status("ben", "/vault").await), (200, 200));
    }
    world.sandbox.revoke(&ana).unwrap();
    assert_eq!(world.status("ana", "/vault").await, 200, "nothing announces it");
    let outcome = world.authenticate("ana", &world.face_of(&ana)).await;
    assert!(matches!(outcome, FaceOutcome::Passed(identity) if identity.status.as_str() == "REVOKED"));
    for _ in 0..8 {
        assert_eq!(world.get("ana", "/vault").await.code(), "identity_revoked");
        assert_eq!(world.status("ana", "/transfer").await, 403);
        assert_eq!(world.status("ben", "/vault").await, 200);
    }
}

async fn who_is_active_again_is_in_again(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = enrolled(&world, "ana", "Ana Flores").await;
    world.sandbox.revoke(&ana).unwrap();
    world.authenticate("ana", &world.face_of(&ana)).await;
    assert_eq!(world.status("ana", "/vault").await, 403);
    world.sandbox.activate(&ana).unwrap();
    world.authenticate("ana", &world.face_of(&ana)).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
}

async fn a_face_opens_for_exactly_five_minutes(adapter: Adapter) {
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let world = Plan::new(adapter).incode(|builder| builder.clock(shown)).start().await;
    let ana = enrolled(&world, "ana", "Ana Flores").await;
    assert_eq!(world.status("ana", "/transfer").await, 401);
    let outcome = world.authenticate("ana", &world.face_of(&ana)).await;
    assert!(matches!(outcome, FaceOutcome::Passed(_)));
    assert_eq!(world.status("ana", "/transfer").await, 200);
    clock.advance(Duration::from_secs(300));
    assert_eq!(world.status("ana", "/transfer").await, 200);
    clock.advance(Duration::from_millis(1));
    assert_eq!(world.status("ana", "/transfer").await, 401);
    assert_eq!(world.status("ana", "/vault").await, 200);
}

async fn another_persons_face_does_not_step_up(adapter: Adapter) {
    let world = World::start(adapter).await;
    enrolled(&world, "ana", "Ana Flores").await;
    let ben = enrolled(&world, "ben", "Ben Ochoa").await;
    assert_eq!(world.authenticate("ana", &world.face_of(&ben)).await, FaceOutcome::OtherIdentity);
    assert_eq!((world.status("ana", "/transfer").await, world.status("ben", "/transfer").await), (401, 401));
    assert_eq!(world.status("ana", "/vault").await, 200);
}

async fn faces_that_do_not_pass_say_why(adapter: Adapter) {
    let world = World::start(adapter).await;
    enrolled(&world, "ana", "Ana Flores").await;
    let faces = world.sandbox.faces();
    for (kind, reason) in [
        (FaceKind::Stranger, FailureReason::FaceMatchFailed),
        (FaceKind::Mask, FailureReason::HasFaceMask),
        (FaceKind::Lenses, FailureReason::HasLenses),
        (FaceKind::Spoof, FailureReason::SpoofAttempt),
    ] {
        let face = faces.iter().find(|face| face.kind == kind).unwrap();
        let outcome = world.authenticate("ana", &face.base64_image).await;
        assert_eq!(outcome, FaceOutcome::Failed(Some(reason)));
        assert_eq!(world.status("ana", "/transfer").await, 401, "{kind:?}");
    }
}

async fn who_is_not_linked_has_no_face_to_compare(adapter: Adapter) {
    let world = World::start(adapter).await;
    let request = FaceAuthenticationRequest { face: Face::Base64Image("AAAA".to_owned()), source: None };
    let nobody = incode_core::Subject::new("nobody").unwrap();
    let error = world.incode.authenticate(FaceScope::new(nobody.clone()), &request).await.unwrap_err();
    assert_eq!(error.kind(), FaceErrorKind::NotLinked);
    assert_eq!(world.sandbox.calls().len(), 0);
    enrolled(&world, "ana", "Ana Flores").await;
    let ana = incode_core::Subject::new("ana").unwrap();
    let unreadable = FaceAuthenticationRequest { face: Face::Base64Image("not base64!".to_owned()), source: None };
    assert_eq!(
        world.incode.authenticate(FaceScope::new(ana.clone()), &unreadable).await.unwrap_err().kind(),
        FaceErrorKind::ImageMalformed
    );
    world.fault(Fault::status(503).on(Route::Authenticate));
    assert_eq!(
        world.incode.authenticate(FaceScope::new(ana.clone()), &request).await.unwrap_err().kind(),
        FaceErrorKind::Vendor
    );
}

fn picture(image: impl Into<String>) -> FaceAuthenticationRequest {
    FaceAuthenticationRequest { face: Face::Base64Image(image.into()), source: None }
}

async fn a_picture_is_measured_before_it_is_sent(adapter: Adapter) {
    let world = Plan::new(adapter).incode(|builder| builder.face_image_cap(1 << 16)).start().await;
    let ana = enrolled(&world, "ana", "Ana Flores").await;
    let subject = incode_core::Subject::new("ana").unwrap();
    world.sandbox.clear_calls();
    for (image, kind, status, code) in [
        (String::new(), FaceErrorKind::ImageMissing, 400, "image_missing"),
        ("A".repeat((1 << 16) + 4), FaceErrorKind::ImageTooLarge, 413, "image_too_large"),
        ("data:image/png;base64,AAAA".to_owned(), FaceErrorKind::ImageMalformed, 400, "image_malformed"),
        ("AAAA\r\nAAAA".to_owned(), FaceErrorKind::ImageMalformed, 400, "image_malformed"),
        ("AAA".to_owned(), FaceErrorKind::ImageMalformed, 400, "image_malformed"),
    ] {
        let error = world.incode.authenticate(FaceScope::new(subject.clone()), &picture(image)).await.unwrap_err();
        let problem = error.problem();
        assert_eq!((error.kind(), problem.status, problem.code), (kind, status, code));
    }
    assert_eq!(world.sandbox.calls().len(), 0, "nothing of it was sent");
    let largest =
        world.incode.authenticate(FaceScope::new(subject.clone()), &picture("A".repeat(1 << 16))).await.unwrap();
    assert_eq!(largest, FaceOutcome::Failed(Some(FailureReason::FaceMatchFailed)));
    assert!(matches!(world.authenticate("ana", &world.face_of(&ana)).await, FaceOutcome::Passed(_)));
}

async fn people_are_shown_what_to_do(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let world = Plan::new(adapter).incode(|builder| builder.store(store)).start().await;
    let subject = |name| incode_core::Subject::new(name).unwrap();
    let unlinked =
        world.incode.authenticate(FaceScope::new(subject("ana")), &picture("AAAA")).await.unwrap_err().problem();
    assert_eq!((unlinked.status, unlinked.code), (403, "verification_required"));
    assert_eq!(unlinked.verify_url(), Some("/incode/start"));
    let ana = enrolled(&world, "ana", "Ana Flores").await;
    let ben = enrolled(&world, "ben", "Ben Ochoa").await;
    let faces = world.sandbox.faces();
    let sample = |kind| faces.iter().find(|face| face.kind == kind).unwrap().base64_image.clone();
    for (image, code, hint) in [
        (sample(FaceKind::Mask), "face_has_mask", "Take it off"),
        (sample(FaceKind::Lenses), "face_has_lenses", "Take them off"),
        (sample(FaceKind::Spoof), "face_not_live", "live photo"),
        (sample(FaceKind::Stranger), "face_not_matched", "good light"),
        (world.face_of(&ben), "face_of_other_identity", "the person who was verified"),
    ] {
        let problem = world.authenticate("ana", &image).await.problem().unwrap();
        assert_eq!((problem.status, problem.code), (403, code));
        assert!(problem.detail.contains(hint), "{}", problem.detail);
    }
    for reason in ["otherError", "aReasonOfTomorrow"] {
        let answer = json!({"status": "FAIL", "failureReason": reason}).to_string();
        let effect = Effect::Answer { status: 200, headers: Default::default(), body: answer, base64: false };
        world.fault(Fault::new(effect).on(Route::Authenticate));
        let problem = world.authenticate("ana", &world.face_of(&ana)).await.problem().unwrap();
        assert_eq!(problem.code, "face_authentication_failed");
        assert!(!problem.detail.contains(reason), "what is not known is not repeated");
    }
    world.fault(Fault::status(503).on(Route::Authenticate));
    let late = world.incode.authenticate(FaceScope::new(subject("ana")), &picture("AAAA")).await.unwrap_err().problem();
    assert_eq!((late.status, late.code), (503, "vendor_unavailable"));
    assert!(late.headers.iter().any(|(name, _)| *name == "retry-after"));
    world.fault(Fault::status(400).on(Route::Authenticate));
    let refused =
        world.incode.authenticate(FaceScope::new(subject("ana")), &picture("AAAA")).await.unwrap_err().problem();
    assert_eq!((refused.status, refused.code), (400, "image_refused"));
    switch.fail();
    let unknown =
        world.incode.authenticate(FaceScope::new(subject("ana")), &picture("AAAA")).await.unwrap_err().problem();
    assert_eq!((unknown.status, unknown.code), (503, "identity_unavailable"));
    switch.mend();
    let passed = world.authenticate("ana", &world.face_of(&ana)).await;
    assert_eq!(passed.problem(), None);
}

async fn a_pass_with_an_error_beside_it_is_none(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = enrolled(&world, "ana", "Ana Flores").await;
    let token = world.sandbox.issue_token(&ana);
    let answers = [
        json!({"status": "PASS", "token": token, "error": {"timestamp": "1", "status": 405, "error": "e", "message": "m", "path": "p"}}),
        json!({"status": "PASSED", "token": token}),
        json!({"status": "", "token": token}),
        json!({"status": "FAIL", "token": token}),
        json!({"status": "PASS"}),
        json!({"status": "PASS", "token": ""}),
    ];
    let ana_subject = incode_core::Subject::new("ana").unwrap();
    for answer in answers {
        let effect =
            Effect::Answer { status: 200, headers: Default::default(), body: answer.to_string(), base64: false };
        world.fault(Fault::new(effect).on(Route::Authenticate));
        let request = FaceAuthenticationRequest { face: Face::Base64Image(world.face_of(&ana)), source: None };
        let outcome = world.incode.authenticate(FaceScope::new(ana_subject.clone()), &request).await;
        assert!(!matches!(outcome, Ok(FaceOutcome::Passed(_))), "{answer}");
        assert_eq!(world.status("ana", "/transfer").await, 401, "{answer}");
    }
    world.authenticate("ana", &world.face_of(&ana)).await;
    assert_eq!(world.status("ana", "/transfer").await, 200);
}

/// An event's userinfo is asked for while the person is ACTIVE and answered late; meanwhile the person is revoked and
/// the revocation is seen. What was asked for earlier must not undo it.
async fn an_older_answer_does_not_bring_a_revoked_person_back(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = enrolled(&world, "ana", "Ana Flores").await;
    let verified = world.sandbox.verify(&ana).unwrap();
    let late = Effect::Answer {
        status: 200,
        headers: Default::default(),
        body: json!({"status": "ACTIVE", "identityId": ana}).to_string(),
        base64: false,
    };
    world.fault(Fault::new(late).on(Route::Userinfo).held());
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    eventually("userinfo is under way", async || {
        world.sandbox.calls().iter().any(|call| call.path.ends_with("/userinfo") && call.status.is_none())
    })
    .await;
    world.sandbox.revoke(&ana).unwrap();
    world.authenticate("ana", &world.face_of(&ana)).await;
    assert_eq!(world.get("ana", "/vault").await.code(), "identity_revoked");
    world.sandbox.release_held();
    world.settles(1, 0, 0).await;
    assert_eq!(world.get("ana", "/vault").await.code(), "identity_revoked");
    assert!(world.identity(&ana).await.unwrap().verified_at.is_some(), "the verification itself counts");
}

async fn hanging_up_does_not_keep_a_revoked_person_in(adapter: Adapter) {
    let (store, switch) = Failing::store();
    let hour = Duration::from_secs(3600);
    let world = Plan::new(adapter).incode(move |builder| builder.store(store).near_cache_lifetime(hour)).start().await;
    let ana = enrolled(&world, "ana", "Ana Flores").await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    world.sandbox.revoke(&ana).unwrap();
    switch.delay(Duration::from_millis(100));
    let face = world.face_of(&ana);
    let hung_up = tokio::time::timeout(Duration::from_millis(150), world.authenticate("ana", &face)).await;
    assert!(hung_up.is_err(), "gone before the answer was kept");
    eventually("the vault closes", async || world.status("ana", "/vault").await == 403).await;
}

async fn a_clock_set_back_does_not_keep_a_revoked_person_in(adapter: Adapter) {
    let now = Timestamp::from(std::time::SystemTime::now());
    let clock = ManualClock::new(now.after(Duration::from_secs(3600)));
    let shown = clock.clone();
    let world = Plan::new(adapter).incode(|builder| builder.clock(shown)).start().await;
    // The vendor's clock goes with ours until the link is made: a token from before its flow is refused.
    world.sandbox.set_clock_offset(3600);
    let ana = enrolled(&world, "ana", "Ana Flores").await;
    world.sandbox.set_clock_offset(0);
    assert_eq!(world.status("ana", "/vault").await, 200);
    clock.set(now);
    world.sandbox.revoke(&ana).unwrap();
    world.authenticate("ana", &world.face_of(&ana)).await;
    assert_eq!(world.get("ana", "/vault").await.code(), "identity_revoked");
    clock.advance(Duration::from_secs(1));
    world.sandbox.activate(&ana).unwrap();
    world.authenticate("ana", &world.face_of(&ana)).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
}
