//! What must not leave: nothing of it in a body, a header, a trace or a `Debug`.

use std::sync::LazyLock;

use incode_core::BearerTokens;
use incode_core::flow::FaceScope;
use incode_core::model::{Face, FaceAuthenticationRequest};
use incode_sandbox::{Effect, Fault, NewPerson, Route};
use incode_sqlite::SqliteOptions;
use incode_tests::{
    Adapter, CLIENT_ID, FLOW_SECRET, SECRET, WHSEC, ask_for_token, canary, event, eventually, get, post,
};
use serde_json::json;

on_every_adapter! {
    canaries_stay_inside,
    what_authenticates_stays_inside,
}

/// One subscriber for the process. The tests around this one trace into it as well, which does no harm: the canaries
/// are looked for, and their own values are not.
pub(crate) static TRACED: LazyLock<canary::Traced> = LazyLock::new(canary::listen);

const API_KEY: &str = "canary-api-key-0123456789";
const NAME: &str = "Canaria Cantante";
const EMAIL: &str = "canary-email@example.test";
const PHONE: &str = "+5299887766";
const CURP: &str = "CANA880813MDFXXX09";
const BORN: &str = "587455212345";
const IMAGE: &str = "https://images.invalid/canary.jpg";
const TOKEN: &str = "canary-token-of-the-person";
const OTHER_TOKEN: &str = "canary-token-that-is-dead";
const IDENTITY: &str = "canary-identity-000001";

async fn canaries_stay_inside(adapter: Adapter) {
    let traced = &*TRACED;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("incode.db");
    let plan = incode_tests::Plan::new(adapter).sandbox(|sandbox| sandbox.api_key(API_KEY));
    let world = plan
        .incode(|builder| builder.open_store(SqliteOptions::new(file)).bearer_tokens(BearerTokens::on_paths(["/"])))
        .start()
        .await;
    world.sandbox.add_person(NewPerson::from_userinfo(json!({
        "status": "ACTIVE", "identityId": IDENTITY, "name": {"fullName": NAME}, "dateOfBirth": BORN, "phone": PHONE,
        "email": EMAIL, "curp": CURP, "idImagesInfo": {"frontIdImageUrl": IMAGE},
        "idAttestation": {"overall": {"value": "95.0", "status": "OK"}},
    })));
    world.sandbox.seed_token(TOKEN, Some(IDENTITY), std::time::Duration::from_secs(900));
    let data = json!({"name": {"fullName": NAME}, "email": EMAIL, "phone": PHONE, "dateOfBirth": BORN});
    let body = json!({"id": "v-1", "createdAt": 1_688_059_847, "status": "VERIFIED", "data": data});
    world.sandbox.seed_verification("v-1", Some(IDENTITY), body.clone());
    let mut other = body;
    other["data"]["phone"] = "+1".into();
    world.sandbox.seed_verification(
        "v-2",
        Some(IDENTITY),
        json!({"id": "v-2", "status": "VERIFIED", "data": other["data"]}),
    );

    let mut answers = Vec::new();
    // Applied, retried after an answer that breaks off, dead, mismatched, ignored, malformed, forged.
    world.fault(Fault::new(Effect::Truncated).on(Route::Userinfo));
    for delivery in [
        event("verification.completed", "v-1", TOKEN),
        event("verification.completed", "v-2", TOKEN),
        event("verification.completed", "v-3", OTHER_TOKEN),
        json!({"event": "unknown.kind", "id": "v-4", "token": TOKEN, "email": EMAIL}),
        json!({"event": "verification.completed", "id": 5, "token": TOKEN, "email": EMAIL}),
    ] {
        answers.push(world.send(world.delivery(delivery.to_string())).await);
        answers.push(
            world.send(post("/incode/webhook").header("x-incode-secret", TOKEN).body(delivery.to_string())).await,
        );
    }
    world.settles(1, 2, 1).await;

    let id = world.start_flow("ana").await;
    world.fault(Fault::new(Effect::Html).on(Route::Userinfo));
    for token in [TOKEN, OTHER_TOKEN, TOKEN, TOKEN] {
        answers.push(world.come_back("ana", &id, token).await);
    }
    for target in
        ["/vault", "/open", "/verified", "/in-handler", "/incode/start?return_to=//canary-token-of-the-person"]
    {
        answers.push(world.get("ana", target).await);
        answers.push(world.get("ben", target).await);
    }
    for token in [TOKEN, OTHER_TOKEN, "canary-token-of-the-person canary-token-that-is-dead"] {
        answers.push(world.send(get("/vault").header("authorization", format!("Bearer {token}"))).await);
        answers.push(world.send(get("/open").header("authorization", format!("Bearer {token}"))).await);
    }
    let request =
        FaceAuthenticationRequest { face: Face::Base64Image(world.face_of(IDENTITY)), source: Some(NAME.into()) };
    let ana = incode_core::Subject::new("ana").unwrap();
    let mut shown = vec![format!("{request:?}")];
    shown.push(format!("{:?}", world.incode.authenticate(FaceScope::new(ana.clone()), &request).await));
    world.fault(Fault::status(500).on(Route::Authenticate));
    shown.push(format!("{:?}", world.incode.authenticate(FaceScope::new(ana.clone()), &request).await));
    eventually("stepped up", async || world.status("ana", "/transfer").await == 200).await;

    shown.push(format!("{:?}", world.incode));
    shown.push(format!("{:?}", world.incode.client()));
    shown.push(format!("{:?}", world.events().await));
    shown.push(format!("{:?}", world.incode.linked(&ana).await));
    shown.push(format!("{:?}", world.identity(IDENTITY).await));
    let token = incode_core::Token::new(TOKEN).unwrap();
    let userinfo = world.incode.client().userinfo(&token).await.unwrap();
    shown.push(format!("{userinfo:?}"));
    let verification = world.incode.client().verification(&incode_core::ObjectId::new("v-1").unwrap(), &token).await;
    shown.push(format!("{verification:?} {token:?}"));

    let traced = traced.text();
    for heard in ["settled", "delivery rejected", "incode_events_settled_total", "incode_denials_total"] {
        assert!(traced.contains(heard), "{heard} was not traced");
    }
    let answered: Vec<String> = answers
        .iter()
        .map(|answer| {
            format!(
                "{}\n{}",
                answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>(),
                answer.text()
            )
        })
        .collect();
    let face = world.face_of(IDENTITY);
    let canaries = [
        API_KEY,
        SECRET,
        FLOW_SECRET,
        NAME,
        EMAIL,
        PHONE,
        CURP,
        BORN,
        IMAGE,
        TOKEN,
        OTHER_TOKEN,
        id.as_str(),
        face.as_str(),
    ];
    for canary in canaries {
        for text in answered.iter().chain(&shown) {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
        let line = traced.lines().find(|line| line.contains(canary));
        assert_eq!(line, None, "{canary} was traced");
    }
    // Settled events have lost their token, in the file and beside it; a store keeps no personal data at all.
    world.incode.shutdown().await;
    for entry in std::fs::read_dir(place.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for canary in canaries {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} in {}", path.display());
        }
    }
    // Ids are shortened where a log shows them.
    assert!(!traced.contains(IDENTITY));
    assert!(!shown[3..].concat().contains(IDENTITY));
}

/// Secrets and tokens of every policy, presented rightly, wrongly and twice.
async fn what_authenticates_stays_inside(adapter: Adapter) {
    let traced = &*TRACED;
    for auth in incode_tests::Auth::ALL {
        let world = incode_tests::Plan::new(adapter).auth(auth).start().await;
        let body = json!({"event": "unknown.kind", "id": "an-id"}).to_string();
        let proof = || world.authentic(post("/incode/webhook"), body.as_bytes());
        let mut canaries = vec![SECRET.to_owned(), WHSEC.to_owned(), FLOW_SECRET.to_owned(), BASIC.to_owned()];
        let presented = String::from_utf8(proof().bytes()).unwrap();
        let names = ["x-incode-secret", "x-incode-signature", "webhook-signature", "authorization"];
        let values =
            presented.lines().filter_map(|line| line.split_once(": ")).filter(|(name, _)| names.contains(name));
        canaries.extend(values.map(|(_, value)| value.rsplit([' ', ',']).next().unwrap().to_owned()));
        let twice = world.authentic(proof(), body.as_bytes());
        let mut shown = vec![format!("{:?} {:?}", world.incode, auth.policy())];
        for call in [
            proof().body(&body),
            twice.body(&body),
            proof().body("{"),
            post("/incode/token").header("authorization", format!("Basic {BASIC}")).body("grant_type=canary-grant"),
            post("/incode/token").header("authorization", format!("Basic {BASIC}=")).body("scope=canary-grant"),
        ] {
            let answer = world.send(call).await;
            shown.push(format!("{:?} {}", answer.headers, answer.text()));
        }
        let refused = world.send(ask_for_token(CLIENT_ID, "canary-wrong-secret-0123456789")).await;
        shown.push(format!("{:?} {}", refused.headers, refused.text()));
        canaries.extend(["canary-wrong-secret".to_owned(), "canary-grant".to_owned()]);
        for canary in &canaries {
            let place = shown.iter().find(|text| text.contains(canary));
            assert_eq!(place, None, "{auth:?}: {canary}");
            let text = traced.text();
            let line = text.lines().find(|line| line.contains(canary));
            assert_eq!(line, None, "{auth:?}: {canary} was traced");
        }
    }
    assert!(traced.text().contains("token refused"), "it is listened to");
}

/// The right credentials, as they are sent.
const BASIC: &str = "aW5jb2RlLWNvbmZvcm1hbmNlOmNvbmZvcm1hbmNlLXNlY3JldC0wMTIzNDU2Nzg5";
