//! What an application asks by subject, outside of a request: standing, explanation, where to start, export.

use std::sync::Arc;

use incode_core::gate::{Requirement, Standing};
use incode_core::identity::transition::{ChangeRequest, Command, Refusal};
use incode_core::identity::{FoundPerson, Link, LinkProof};
use incode_core::store::{IdentityStore, MemoryStore, Store};
use incode_core::{Actor, Clock, IdentityId, Subject, SystemClock};
use incode_tests::{Adapter, HEADER, Plan, SECRET, World, event, get, post};

on_every_adapter! {
    the_answer_by_subject_is_that_of_the_gate,
    a_refused_callback_is_explained,
    an_imported_person_passes_after_the_first_answer,
    a_client_without_a_browser_gets_the_address,
    an_export_holds_what_is_stored,
    a_revoked_person_is_not_sent_to_be_verified,
    routes_may_be_below_another_path,
    the_login_page_reads_its_own_parameter,
}

async fn the_answer_by_subject_is_that_of_the_gate(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    let both = async |standing: Standing| {
        let visitor = world.incode.visitor(&subject("ana")).await;
        assert_eq!(visitor.standing(), standing);
        let explained = world.incode.explain(&subject("ana")).await.unwrap();
        assert_eq!(explained.standing, standing);
        assert_eq!(world.standing("ana").await, standing.as_str());
        let passes = world.status("ana", "/vault").await == 200;
        assert_eq!(visitor.require(&Requirement::active()).is_ok(), passes);
        explained
    };
    let stranger = both(Standing::NotLinked).await;
    assert_eq!((stranger.since, stranger.identity_id), (None, None));
    world.link("ana", &ana.identity_id).await;
    let linked = both(Standing::Active).await;
    assert_eq!((linked.link_proof, linked.since), (Some(LinkProof::Flow), linked.active_since));
    assert_eq!(linked.identity_id.unwrap().as_str(), ana.identity_id);
    world.sandbox.revoke(&ana.identity_id).unwrap();
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    world.settles(1, 0, 0).await;
    let revoked = both(Standing::Revoked).await;
    assert_eq!(revoked.since, revoked.checked_at);
}

/// "I verified and still can't get in": the reason is there a minute later, and tells nothing of the other account.
async fn a_refused_callback_is_explained(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    let token = world.sandbox.issue_token(&ana.identity_id);
    assert_eq!(world.come_back("eve", &world.start_flow("eve").await, &token).await.code(), "identity_taken");
    let explained = world.incode.explain(&subject("eve")).await.unwrap();
    assert_eq!((explained.standing, explained.refused), (Standing::NotLinked, Some(Refusal::IdentityTaken)));
    assert_eq!((explained.since, explained.refused_event), (explained.refused_at, None));
    assert_eq!(world.incode.find("eve").await.unwrap(), Some(FoundPerson::Subject(subject("eve"))));
    let told = serde_json::to_string(&explained).unwrap();
    assert!(!told.contains(&ana.identity_id) && !told.contains("\"ana\""), "{told}");

    let token = world.sandbox.issue_token(&ana.identity_id);
    world.sandbox.expire_tokens();
    assert_eq!(world.come_back("ben", &world.start_flow("ben").await, &token).await.code(), "flow_token_dead");
    let explained = world.incode.explain(&subject("ben")).await.unwrap();
    assert_eq!(explained.refused, Some(Refusal::TokenRefused));
}

async fn an_imported_person_passes_after_the_first_answer(adapter: Adapter) {
    let store = Arc::new(MemoryStore::new());
    let shared: Arc<dyn Store> = Arc::clone(&store) as _;
    let world = Plan::new(adapter).incode(move |builder| builder.shared_store(shared)).start().await;
    let ana = world.person("Ana Flores");
    let identity = IdentityId::new(&ana.identity_id).unwrap();
    let link = Link::new(subject("ana"), identity, LinkProof::Application, SystemClock.now());
    let import = ChangeRequest { command: Command::Import(link), rules: Arc::default(), now: SystemClock.now() };
    store.change(import).await.unwrap();
    assert_eq!(world.standing("ana").await, "not_yet_asked");
    let denied = world.get("ana", "/vault").await;
    assert_eq!((denied.status, denied.code().as_str()), (403, "verification_required"));
    assert_eq!(denied.json()["verify_url"], "/incode/start?return_to=/vault");
    assert!(world.incode.visitor(&subject("ana")).await.identity().is_none(), "nothing is known of it");

    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    world.settles(1, 0, 0).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    assert!(world.incode.explain(&subject("ana")).await.unwrap().active_since.is_some());
}

async fn a_client_without_a_browser_gets_the_address(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    let page = url::Url::parse(&world.incode.start_url(&subject("ana"), "/vault").await.unwrap()).unwrap();
    assert!(page.as_str().starts_with(&world.sandbox.web_url()), "{page}");
    let (_, id) = page.query_pairs().find(|(name, _)| name == "correlation_id").unwrap();
    let token = world.sandbox.issue_token(&ana.identity_id);
    assert_eq!(world.come_back("eve", &id, &token).await.code(), "flow_other_subject");
    let back = world.come_back("ana", &id, &token).await;
    assert_eq!((back.status, back.header("location")), (303, Some("/vault")));
    assert_eq!(world.status("ana", "/vault").await, 200);
    for elsewhere in ["//evil.example", "https://evil.example", "", "vault", "/\\evil.example"] {
        let refused = world.incode.start_url(&subject("ana"), elsewhere).await.unwrap_err();
        assert_eq!((refused.status, refused.code), (400, "return_to_refused"), "{elsewhere}");
    }
}

async fn an_export_holds_what_is_stored(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    let person = world.incode.find(&ana.identity_id).await.unwrap().unwrap();
    let by = Actor::new("anna").unwrap().because("asked for it").unwrap();
    let export = world.incode.export(&person, &by).await.unwrap();
    assert_eq!(format!("{export:?}"), "Export(..)");
    let json = serde_json::to_value(&export).unwrap();
    assert_eq!(json["identity"]["identityId"], *ana.identity_id);
    assert_eq!((&json["subjects"][0]["subject"], &json["subjects"][0]["linkProof"]), (&"ana".into(), &"flow".into()));
    let audits = world.incode.audits(1, None).await.unwrap();
    assert_eq!((audits[0].actor.as_str(), audits[0].action.as_str()), ("anna: asked for it", "export"));
}

/// Another check does not undo a revocation, so the person is not sent to one.
async fn a_revoked_person_is_not_sent_to_be_verified(adapter: Adapter) {
    let world = World::start(adapter).await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    world.sandbox.revoke(&ana.identity_id).unwrap();
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    world.deliver(&event("verification.completed", &verified.verification_id, &verified.token)).await;
    world.settles(1, 0, 0).await;
    let denied = world.get("ana", "/vault").await;
    assert_eq!((denied.status, denied.code().as_str()), (403, "identity_revoked"));
    assert_eq!(denied.json().get("verify_url"), None);
    assert!(!world.incode.explain(&subject("ana")).await.unwrap().next.contains("hosted flow"));
}

async fn routes_may_be_below_another_path(adapter: Adapter) {
    let world = Plan::new(adapter).incode(|builder| builder.mount_at("/id/")).start().await;
    let start = world.get("ana", "/id/start?return_to=/vault").await;
    assert_eq!(start.status, 303);
    assert!(start.header("location").unwrap().contains("%2Fid%2Fcallback"), "{start:?}");
    let denied = world.get("ana", "/vault").await.json();
    assert_eq!(denied["verify_url"], "/id/start?return_to=/vault");
    let delivery = |path: &str| post(path).header("content-type", "application/json").body("{}");
    assert_eq!(world.send(delivery("/id/webhook")).await.status, 401);
    assert_eq!(world.send(delivery("/id/webhook").header(HEADER, SECRET)).await.status, 400);
    assert_eq!(world.get("ana", "/id/callback").await.code(), "flow_incomplete");
    for before in ["/incode/webhook", "/incode/start", "/incode/callback"] {
        assert_eq!(world.get("ana", before).await.status, 404, "{before}");
    }
}

async fn the_login_page_reads_its_own_parameter(adapter: Adapter) {
    let adjust = |builder: incode_core::Builder| {
        builder.redirect_browsers().login_at("/login").step_up_at("/confirm").return_as("next")
    };
    let world = Plan::new(adapter).incode(adjust).start().await;
    let browser = |path: &str| get(path).header("accept", "text/html");
    let login = world.send(browser("/vault?page=2")).await;
    assert_eq!(login.header("location"), Some("/login?next=/vault%3Fpage%3D2"));
    let start = world.send(browser("/vault").user("nora")).await;
    assert_eq!(start.header("location"), Some("/incode/start?return_to=/vault"), "the start route reads its own");
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    assert_eq!(world.get("ana", "/step-up").await.json()["step_up_url"], "/confirm?next=/step-up");
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}
