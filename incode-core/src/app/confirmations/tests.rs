//! One face, one action, in one session.

use std::time::Duration;

use incode_sandbox::{FaceKind, Fault, Route};

use crate::app::test_world::{Request, World, is_sent_back};
use crate::flow::{FaceError, FaceErrorKind, FaceOutcome, FaceScope};
use crate::gate::{Denial, DenialKind, Requirement, SessionSource, Visitor, visitor};
use crate::identity::ActionHash;
use crate::model::{Face, FaceAuthenticationRequest};

const WITHIN: Duration = Duration::from_secs(300);

/// `alice` is linked to `ana`, who is ACTIVE and whose face is enrolled. Every picture may come again.
async fn world(sessions: Option<SessionSource>) -> World {
    let world = World::start(|builder| {
        let builder = builder.same_face_image_after(Duration::ZERO);
        sessions.into_iter().fold(builder, crate::Builder::sessions)
    })
    .await;
    enrol(&world).await;
    world
}

async fn enrol(world: &World) {
    let ana = world.person("ana");
    let id = world.begin("alice").await;
    let check = world.sandbox.verify(&ana).unwrap();
    world.deliver_verification(&check.verification_id).await;
    assert!(is_sent_back(&world.come_back("alice", &id, &check.token).await));
    assert!(world.is_open("alice").await);
}

/// As a handler has it.
async fn alice(world: &World, session: &str) -> Visitor {
    let request = Request::get("/transfer").of("alice").with("cookie", &format!("sid={session}"));
    let attached = world.visitor(&request).await;
    visitor(Some(&attached), &request).unwrap()
}

fn picture(world: &World, kind: FaceKind) -> FaceAuthenticationRequest {
    let face = world.sandbox.faces().into_iter().find(|face| face.kind == kind).unwrap();
    FaceAuthenticationRequest { face: Face::Base64Image(face.base64_image), source: None }
}

async fn confirm(world: &World, scope: FaceScope) -> Result<FaceOutcome, FaceError> {
    world.incode.authenticate(scope, &picture(world, FaceKind::Enrolled)).await
}

fn lacks_face(result: Result<(), Denial>) -> bool {
    result.is_err_and(|denial| denial.kind() == DenialKind::FaceAuthenticationRequired { max_age: WITHIN })
}

#[tokio::test]
async fn one_face_confirms_one_action_once_in_its_session() {
    let world = world(Some(SessionSource::cookie("sid"))).await;
    let (small, large) = (ActionHash::of(b"1.00 to ben"), ActionHash::of(b"1000000 to eve"));
    let (one, two) = (alice(&world, "one").await, alice(&world, "two").await);
    let use_up = async |visitor: &Visitor, action| world.incode.use_confirmation(visitor, action, WITHIN).await;
    assert!(lacks_face(use_up(&one, small).await), "nothing is confirmed yet");
    let outcome = confirm(&world, FaceScope::of(&one).unwrap().for_action(small)).await.unwrap();
    assert!(matches!(outcome, FaceOutcome::Passed(_)));
    assert!(lacks_face(use_up(&one, large).await), "another action");
    assert!(lacks_face(use_up(&two, small).await), "another session");
    assert!(use_up(&one, small).await.is_ok());
    assert!(lacks_face(use_up(&one, small).await), "once");
}

#[tokio::test]
async fn of_many_at_once_one_uses_the_confirmation() {
    let world = world(None).await;
    let action = ActionHash::of(b"transfer");
    let one = alice(&world, "one").await;
    confirm(&world, FaceScope::of(&one).unwrap().for_action(action)).await.unwrap();
    let uses: Vec<_> = (0..20)
        .map(|_| {
            let (incode, visitor) = (world.incode.clone(), one.clone());
            tokio::spawn(async move { incode.use_confirmation(&visitor, action, WITHIN).await.is_ok() })
        })
        .collect();
    let mut used = 0;
    for one in uses {
        used += usize::from(one.await.unwrap());
    }
    assert_eq!(used, 1);
}

#[tokio::test]
async fn a_face_without_an_action_opens_a_gate_of_its_session_and_confirms_no_action() {
    let world = world(Some(SessionSource::cookie("sid"))).await;
    let recent = Requirement::active().face_authenticated_within(WITHIN);
    let one = alice(&world, "one").await;
    confirm(&world, FaceScope::of(&one).unwrap()).await.unwrap();
    world.until(async || alice(&world, "one").await.require(&recent).is_ok()).await;
    assert!(lacks_face(alice(&world, "two").await.require(&recent)));
    let used = world.incode.use_confirmation(&one, ActionHash::of(b"transfer"), WITHIN).await;
    assert!(lacks_face(used));
    assert!(alice(&world, "two").await.require(&Requirement::active().face_seen_by_vendor_within(WITHIN)).is_ok());
}

#[tokio::test]
async fn without_a_session_a_face_counts_nowhere() {
    let world = world(Some(SessionSource::cookie("other"))).await;
    let one = alice(&world, "one").await;
    assert!(one.session().is_none() && FaceScope::of(&one).is_none());
    assert!(lacks_face(world.incode.use_confirmation(&one, ActionHash::of(b"transfer"), WITHIN).await));
}

#[tokio::test]
async fn the_standing_is_asked_first() {
    let world = world(None).await;
    let nobody = world.visitor(&Request::get("/transfer")).await;
    let denied = world.incode.use_confirmation(&nobody, ActionHash::of(b"transfer"), WITHIN).await.unwrap_err();
    assert_eq!(denied.kind(), DenialKind::AuthenticationRequired);
    assert!(FaceScope::of(&nobody).is_none());
    let stranger = world.visitor(&Request::get("/transfer").of("eve")).await;
    let denied = world.incode.use_confirmation(&stranger, ActionHash::of(b"transfer"), WITHIN).await.unwrap_err();
    assert_eq!(denied.kind(), DenialKind::VerificationRequired);
}

#[tokio::test]
async fn a_subject_sends_a_few_faces_and_each_picture_once() {
    let world = World::start(|builder| builder.face_limit(3, Duration::from_secs(3600))).await;
    enrol(&world).await;
    let one = alice(&world, "one").await;
    let calls = || world.calls("/authenticate");
    let send = async |kind| {
        let scope = FaceScope::of(&one).unwrap();
        world.incode.authenticate(scope, &picture(&world, kind)).await
    };
    assert!(matches!(send(FaceKind::Enrolled).await, Ok(FaceOutcome::Passed(_))));
    for _ in 0..10 {
        let again = send(FaceKind::Enrolled).await.unwrap_err();
        assert_eq!((again.kind(), again.problem().status), (FaceErrorKind::ImageRepeated, 409));
    }
    assert_eq!(calls(), 1);
    assert!(matches!(send(FaceKind::Mask).await, Ok(FaceOutcome::Failed(_))));
    // The vendor decided nothing: the picture may come again.
    world.sandbox.add_fault(Fault::status(500).on(Route::Authenticate).times(100));
    assert_eq!(send(FaceKind::Lenses).await.unwrap_err().kind(), FaceErrorKind::Vendor);
    world.sandbox.clear_faults();
    let before = calls();
    let limited = send(FaceKind::Lenses).await.unwrap_err();
    assert_eq!(limited.kind(), FaceErrorKind::TooManyRequests);
    let problem = limited.problem();
    assert_eq!((problem.status, problem.code), (429, "too_many_requests"));
    assert!(problem.headers.iter().any(|(name, _)| *name == "retry-after"), "{problem:?}");
    assert_eq!(calls(), before);
}
