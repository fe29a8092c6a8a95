//! Genuine parts of the vendor's events, combined by another sender.

use incode_core::flow::FaceOutcome;
use incode_core::webhook::Authenticity;
use incode_core::{ObjectId, RecheckErrorKind, Secret, Token};
use incode_sandbox::{Effect, Fault, NewPerson, Route};
use incode_tests::{Adapter, Auth, HEADER, Plan, SECRET, World, event, eventually, fixture, post};
use serde_json::{Value, json};

on_every_adapter! {
    a_verification_known_as_anothers_is_quarantined,
    a_face_enrolled_by_anothers_verification_is_quarantined,
    one_token_with_two_ids_applies_to_its_own_alone,
    another_persons_silent_verification_can_not_be_claimed,
    an_unproven_event_does_not_shadow_the_genuine_one,
    an_unauthenticated_event_with_the_genuine_token_does_not_shadow_the_vendor,
    the_documents_own_samples_prove_themselves,
    a_face_that_answers_with_anothers_verification_does_not_step_up,
    a_recheck_claims_nothing_either,
}

/// A verification as a vendor shows it that repeats nothing of the person.
fn silent(id: &str) -> Value {
    json!({"id": id, "createdAt": 1_688_059_847, "status": "VERIFIED"})
}

fn telling(id: &str, email: &str) -> Value {
    json!({"id": id, "createdAt": 1_688_059_847, "status": "VERIFIED", "data": {"email": email}})
}

async fn reason(world: &World) -> &'static str {
    world.events().await[0].reason.unwrap().as_str()
}

/// Known from elsewhere than a delivery, which would have made the event a duplicate.
async fn learn(world: &World, id: &str, identity_id: &str) {
    let token = Token::new(world.sandbox.issue_token(identity_id)).unwrap();
    world.incode.recheck(&ObjectId::new(id).unwrap(), &token).await.unwrap();
    assert_eq!(world.identity(identity_id).await.unwrap().verification_id.unwrap().as_str(), id);
}

async fn a_verification_known_as_anothers_is_quarantined(adapter: Adapter) {
    let world = World::start(adapter).await;
    let (ana, ben) = (world.person("Ana Flores"), world.person("Ben Ochoa"));
    world.link("ben", &ben.identity_id).await;
    // A vendor that answers every token.
    world.sandbox.seed_verification("of-ana", None, telling("of-ana", &ana.email));
    learn(&world, "of-ana", &ana.identity_id).await;
    world.sandbox.seed_verification("of-ana", None, silent("of-ana"));
    let known = world.identity(&ana.identity_id).await;
    world.deliver(&event("verification.completed", "of-ana", &world.sandbox.issue_token(&ben.identity_id))).await;
    assert_eq!(world.died_of().await, "binding_mismatch");
    assert_eq!(world.get("ben", "/verified").await.code(), "verification_required");
    assert_eq!(world.identity(&ana.identity_id).await, known, "nothing moved");
    assert_eq!(world.get("ana", "/open").await.json()["standing"], "not_linked", "and no link was made");
    // Her own token is not refused for it.
    world.deliver(&event("verification.completed", "of-ana", &world.sandbox.issue_token(&ana.identity_id))).await;
    world.settles(1, 1, 0).await;
}

async fn a_face_enrolled_by_anothers_verification_is_quarantined(adapter: Adapter) {
    let world = World::start(adapter).await;
    let (ana, ben) = (world.person("Ana Flores"), world.person("Ben Ochoa"));
    world.link("ben", &ben.identity_id).await;
    let of_ana = world.sandbox.verify(&ana.identity_id).unwrap();
    world.deliver(&event("verification.completed", &of_ana.verification_id, &of_ana.token)).await;
    world.settles(1, 0, 0).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let face = |id: &str, verification: Value| json!({"id": id, "createdAt": now, "status": "pass", "verificationId": verification});
    world.sandbox.seed_authentication("face-1", None, face("face-1", of_ana.verification_id.as_str().into()));
    world.deliver(&event("authentication.completed", "face-1", &world.sandbox.issue_token(&ben.identity_id))).await;
    world.settles(1, 1, 0).await;
    assert_eq!(reason(&world).await, "binding_mismatch");
    assert_eq!(world.status("ben", "/transfer").await, 401);
    assert_eq!(world.identity(&ana.identity_id).await.unwrap().face_authenticated_at, None);
    // By a verification without an identity yet, because one may overtake the other; and by the person's own.
    for (done, (id, who, verification)) in [
        ("face-2", &ben.identity_id, json!("not-seen-yet")),
        ("face-3", &ana.identity_id, json!(of_ana.verification_id)),
    ]
    .into_iter()
    .enumerate()
    {
        world.sandbox.seed_authentication(id, Some(who), face(id, verification));
        world.deliver(&event("authentication.completed", id, &world.sandbox.issue_token(who))).await;
        world.settles(2 + done as u64, 1, 0).await;
        assert!(world.identity(who).await.unwrap().face_authenticated_at.is_some(), "{id}");
    }
}

async fn one_token_with_two_ids_applies_to_its_own_alone(adapter: Adapter) {
    let world = World::start(adapter).await;
    let (ana, ben) = (world.person("Ana Flores"), world.person("Ben Ochoa"));
    world.sandbox.seed_verification("of-ana", None, telling("of-ana", &ana.email));
    world.sandbox.seed_verification("of-ben", None, telling("of-ben", &ben.email));
    let token = world.sandbox.issue_token(&ana.identity_id);
    world.deliver(&event("verification.completed", "of-ana", &token)).await;
    world.deliver(&event("verification.completed", "of-ben", &token)).await;
    world.settles(1, 1, 0).await;
    assert_eq!(world.identity(&ana.identity_id).await.unwrap().verification_id.unwrap().as_str(), "of-ana");
    assert_eq!(world.identity(&ben.identity_id).await, None);
    let dead: Vec<_> = world.events().await.into_iter().filter_map(|event| event.reason).collect();
    assert_eq!(dead.iter().map(|reason| reason.as_str()).collect::<Vec<_>>(), ["binding_mismatch"]);
}

/// One real token of one's own, and the id of a verification that repeats nothing: what a stranger could gain by it.
async fn another_persons_silent_verification_can_not_be_claimed(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).start().await;
    let eve = world.person("Eve Rojas");
    world.link("eve", &eve.identity_id).await;
    for (dead, (id, data)) in [
        ("none", json!(null)),
        ("empty", json!({})),
        ("blank", json!({"email": "", "phone": null})),
        ("named", json!({"name": {"fullName": "Eve Rojas"}})),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = silent(id);
        body["data"] = data;
        world.sandbox.seed_verification(id, None, body);
        world.deliver(&event("verification.completed", id, &world.sandbox.issue_token(&eve.identity_id))).await;
        world.settles(0, dead as u64 + 1, 0).await;
        assert_eq!(reason(&world).await, "unproven", "{id}");
        assert_eq!(world.get("eve", "/verified").await.code(), "verification_required", "{id}");
    }
    // One that repeats what is hers is hers.
    world.sandbox.seed_verification("own", None, telling("own", &eve.email));
    world.deliver(&event("verification.completed", "own", &world.sandbox.issue_token(&eve.identity_id))).await;
    world.settles(1, 4, 0).await;
    assert_eq!(world.status("eve", "/verified").await, 200);
    // Who signs as the vendor paired the two itself, and need not repeat anything.
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    world.sandbox.seed_verification("of-ana", Some(&ana.identity_id), silent("of-ana"));
    world.deliver(&event("verification.completed", "of-ana", &world.sandbox.issue_token(&ana.identity_id))).await;
    world.settles(1, 0, 0).await;
    assert!(world.identity(&ana.identity_id).await.unwrap().verified_at.is_some());
}

/// Any sender may deliver, and one that shows the secret is the vendor.
fn either() -> Authenticity {
    let header = Authenticity::header(HEADER, [Secret::from(SECRET)]).unwrap();
    Authenticity::any_of([Authenticity::fetch_back(), header]).unwrap()
}

async fn an_unproven_event_does_not_shadow_the_genuine_one(adapter: Adapter) {
    let world = Plan::new(adapter).incode(move |builder| builder.webhook_authenticity(either())).start().await;
    let (ana, eve) = (world.person("Ana Flores"), world.person("Eve Rojas"));
    world.sandbox.seed_verification("of-ana", None, silent("of-ana"));
    let forged = event("verification.completed", "of-ana", &world.sandbox.issue_token(&eve.identity_id)).to_string();
    assert_eq!(world.send(post("/incode/webhook").body(forged)).await.status, 204);
    assert_eq!(world.died_of().await, "unproven");
    assert_eq!(world.identity(&eve.identity_id).await, None);
    world.deliver(&event("verification.completed", "of-ana", &world.sandbox.issue_token(&ana.identity_id))).await;
    world.settles(1, 1, 0).await;
    assert_eq!(world.identity(&ana.identity_id).await.unwrap().verification_id.unwrap().as_str(), "of-ana");
}

/// The same delivery, byte for byte, from an attacker and then from the vendor, while the first is still pending.
async fn an_unauthenticated_event_with_the_genuine_token_does_not_shadow_the_vendor(adapter: Adapter) {
    let world = Plan::new(adapter).incode(move |builder| builder.webhook_authenticity(either())).start().await;
    let ana = world.person("Ana Flores");
    world.sandbox.seed_verification("of-ana", None, silent("of-ana"));
    world.fault(Fault::status(503).times(1_000));
    let genuine = event("verification.completed", "of-ana", &world.sandbox.issue_token(&ana.identity_id));
    for _ in 0..3 {
        assert_eq!(world.send(post("/incode/webhook").body(genuine.to_string())).await.status, 204);
    }
    eventually("a first attempt", async || world.events().await[0].reason.is_some()).await;
    for _ in 0..3 {
        world.deliver(&genuine).await;
    }
    assert_eq!(world.counts().await.pending, 2, "each is known once it is there");
    world.sandbox.clear_faults();
    eventually("both are settled", async || world.counts().await.pending == 0).await;
    assert_eq!(world.identity(&ana.identity_id).await.unwrap().verification_id.unwrap().as_str(), "of-ana");
}

async fn the_documents_own_samples_prove_themselves(adapter: Adapter) {
    let world = Plan::new(adapter).auth(Auth::FetchBack).start().await;
    let person = world.sandbox.add_person(NewPerson::from_userinfo(fixture("userinfo-filled.json")));
    let event = fixture("event-verification.json");
    let (id, token) = (event["id"].as_str().unwrap(), event["token"].as_str().unwrap());
    let mut verification = fixture("verification.json");
    verification["id"] = id.into();
    world.sandbox.seed_verification(id, None, verification);
    world.sandbox.seed_token(token, Some(&person.identity_id), std::time::Duration::from_secs(900));
    world.deliver(&event).await;
    world.settles(1, 0, 0).await;
    assert_eq!(world.identity(&person.identity_id).await.unwrap().verification_id.unwrap().as_str(), id);
}

async fn a_face_that_answers_with_anothers_verification_does_not_step_up(adapter: Adapter) {
    let world = World::start(adapter).await;
    let (ana, ben) = (world.person("Ana Flores"), world.person("Ben Ochoa"));
    let of_ana = world.sandbox.verify(&ana.identity_id).unwrap();
    world.sandbox.verify(&ben.identity_id).unwrap();
    world.deliver(&event("verification.completed", &of_ana.verification_id, &of_ana.token)).await;
    world.settles(1, 0, 0).await;
    world.link("ben", &ben.identity_id).await;
    let answer = json!({
        "status": "PASS", "token": world.sandbox.issue_token(&ben.identity_id), "verificationId": of_ana.verification_id,
    });
    let effect = Effect::Answer { status: 200, headers: Default::default(), body: answer.to_string(), base64: false };
    world.fault(Fault::new(effect).on(Route::Authenticate));
    let face = world.face_of(&ben.identity_id);
    assert_eq!(world.authenticate("ben", &face).await, FaceOutcome::OtherIdentity);
    assert_eq!(world.status("ben", "/transfer").await, 401);
    assert!(matches!(world.authenticate("ben", &face).await, FaceOutcome::Passed(_)));
    assert_eq!(world.status("ben", "/transfer").await, 200);
}

async fn a_recheck_claims_nothing_either(adapter: Adapter) {
    let world = World::start(adapter).await;
    let (ana, eve) = (world.person("Ana Flores"), world.person("Eve Rojas"));
    let token = |id: &str| Token::new(world.sandbox.issue_token(id)).unwrap();
    let of_ana = ObjectId::new("of-ana").unwrap();
    world.sandbox.seed_verification("of-ana", None, silent("of-ana"));
    let refused = world.incode.recheck(&of_ana, &token(&eve.identity_id)).await.unwrap_err();
    assert_eq!(refused.kind(), RecheckErrorKind::Unproven);
    assert_eq!(world.identity(&eve.identity_id).await, None);
    // Once its identity is known, the owner may check again, and no other person.
    world.deliver(&event("verification.completed", "of-ana", &world.sandbox.issue_token(&ana.identity_id))).await;
    world.settles(1, 0, 0).await;
    assert!(world.incode.recheck(&of_ana, &token(&ana.identity_id)).await.is_ok());
    let refused = world.incode.recheck(&of_ana, &token(&eve.identity_id)).await.unwrap_err();
    assert_eq!(refused.kind(), RecheckErrorKind::BindingMismatch);
}
