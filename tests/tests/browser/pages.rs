//! Each page of the examples, the sandbox and the admin routes, under axe at two widths; see [`Visit`].

use std::net::Ipv4Addr;

use axum::Router;
use incode_core::{IdentityId, Subject, VerifiedSubject};
use incode_sandbox::NewPerson;
use incode_tests::process::{App, Example, Settings, program};
use incode_tests::{Adapter, Plan, World, event, eventually};
use incode_tower::AdminService;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::driver::Javascript;
use crate::in_a_browser;
use crate::visit::Visit;

#[tokio::test]
async fn of_the_gate_and_the_sandbox() {
    let app = App::start(Example::Axum, &Settings::none()).await;
    visit("pages-of-the-gate", async |visit| gate(&app, visit).await).await;
    assert_eq!(app.stop().await.code, Some(0));
}

#[tokio::test]
async fn of_the_transfers() {
    let app = App::start(Example::StepUp, &Settings::none()).await;
    visit("pages-of-the-transfers", async |visit| transfers(&app, visit).await).await;
    assert_eq!(app.stop().await.code, Some(0));
}

#[tokio::test]
async fn of_the_small_examples() {
    // A path behind the gate, whose denial is the built-in page; and what a page of the app's own says of nothing.
    for (name, paths) in [("axum-websocket", &["talk"][..]), ("tower-hyper", &["vault", "nowhere"])] {
        let app = App::launch(program(name), &Settings::none()).await;
        visit(&format!("pages-of-{name}"), async |visit| {
            visit.open(app.home()).await;
            visit.browser.press("Log in").await;
            visit.check(&format!("{name}, logged in")).await;
            for path in paths {
                visit.open(&format!("{}/{path}", app.home().trim_end_matches('/'))).await;
            }
        })
        .await;
        assert_eq!(app.stop().await.code, Some(0));
    }
}

#[tokio::test]
async fn of_the_admin() {
    // Fails for good at the first call.
    let fails = |_: VerifiedSubject| async { Err("the mail server is down".into()) };
    let plan =
        Plan::new(Adapter::Axum).incode(move |builder| builder.on_verified("send-mail", fails).handler_schedule([]));
    let world = plan.start().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let admin = format!("http://{}/admin", listener.local_addr().unwrap());
    let pages = Router::new().nest_service("/admin", AdminService::behind_guard(world.incode.clone()));
    let serving = tokio::spawn(async move { axum::serve(listener, pages).await });
    visit("pages-of-the-admin", async |visit| operator(&world, &admin, visit).await).await;
    serving.abort();
}

async fn visit(name: &str, walk: impl AsyncFnOnce(&mut Visit<'_>)) {
    in_a_browser(name, Javascript::On, async |browser| {
        let Some(mut visit) = Visit::new(browser) else { return };
        walk(&mut visit).await;
        visit.end().await;
    })
    .await;
}

async fn gate(app: &App, visit: &mut Visit<'_>) {
    let browser = visit.browser;
    let vault = format!("{}/vault", app.home().trim_end_matches('/'));
    app.ask_vendor("POST", "deliveries/hold", &Value::Null).await;
    visit.open(app.control()).await;
    browser.open(app.home()).await;
    visit.show("gate-welcome").await;
    visit.open(&vault).await;
    visit.open(&format!("{vault}/nowhere")).await;
    browser.open(app.home()).await;
    browser.press("Log in").await;
    visit.check("gate, logged in").await;
    browser.follow("Open the vault").await;
    visit.show("gate-refused").await;
    browser.follow("Verify my identity").await;
    visit.check("gate, verify").await;
    browser.follow("This is my account: verify me").await;
    visit.show("vendor-check").await;
    let refused = browser.url().await.replace("client_id=", "client_id=other");
    browser.press("Pass the check").await;
    browser.arrives_at_problem(&["403 · verification_pending"]).await;
    visit.check("gate, vault pending").await;
    visit.open(app.home()).await;
    app.ask_vendor("POST", "deliveries/release", &Value::Null).await;
    browser.arrives_at("You are who you say you are").await;
    visit.open(&refused).await;
    browser.open(&vault).await;
    visit.show("gate-vault").await;
    browser.open(app.home()).await;
    browser.press("Make a transfer").await;
    browser.arrives_at_problem(&["401 · face_authentication_required"]).await;
    visit.check("gate, face required").await;
    browser.open(app.home()).await;
    browser.choose("A stranger").await;
    browser.press("Confirm by face").await;
    visit.check("gate, not this face").await;
    browser.press("Confirm by face").await;
    visit.check("gate, face confirmed").await;
    browser.press("Make a transfer").await;
    browser.arrives_at("You are who you say you are").await;
    browser.open(app.home()).await;
    visit.show("gate-home").await;

    browser.open(app.control()).await;
    visit.show("sandbox-control").await;
    visit.open(&format!("{}?live", app.control())).await;
    browser.open(app.control()).await;
    browser.run("document.querySelector('form[action$=\"/revoke\"]').action = '/control/people/nobody/revoke'").await;
    browser.press("Revoke").await;
    browser.arrives_at("Nothing there").await;
    visit.check("sandbox, nothing there").await;

    let people = app.ask_vendor("GET", "people", &Value::Null).await;
    let person = format!("people/{}", people[0]["identityId"].as_str().unwrap());
    for (status, heading) in [("SUSPENDED", "Your identity is not active"), ("REVOKED", "Your identity was revoked")] {
        app.ask_vendor("PATCH", &person, &json!({ "status": status })).await;
        browser.open(app.home()).await;
        browser.press("Confirm by face").await;
        browser.arrives_at(heading).await;
        visit.check(heading).await;
        visit.open(&vault).await;
    }
}

async fn transfers(app: &App, visit: &mut Visit<'_>) {
    let browser = visit.browser;
    visit.open(app.home()).await;
    browser.press("Log in").await;
    visit.check("transfers, logged in").await;
    browser.follow("Verify my identity").await;
    browser.press("Pass the check").await;
    browser.arrives_at("A new transfer").await;
    visit.check("transfers, verified").await;
    browser.fill("amount", "1250.50").await;
    browser.fill("recipient", "Bob & Sons").await;
    browser.press("Transfer").await;
    visit.show("transfer-confirm").await;
    browser.choose("A stranger").await;
    browser.press("Confirm by face").await;
    visit.check("transfers, not this face").await;
    visit.open(app.home()).await;
    browser.follow("Look at it").await;
    browser.press("Confirm by face").await;
    browser.arrives_at("Transfer made").await;
    visit.show("transfer-made").await;
    visit.open(app.home()).await;
    visit.open(&format!("{}/nowhere", app.home().trim_end_matches('/'))).await;
    let people = app.ask_vendor("GET", "people", &Value::Null).await;
    let person = format!("people/{}/revoke", people[0]["identityId"].as_str().unwrap());
    browser.open(app.home()).await;
    browser.fill("amount", "5").await;
    browser.fill("recipient", "Bob").await;
    browser.press("Transfer").await;
    app.ask_vendor("POST", &person, &Value::Null).await;
    browser.press("Confirm by face").await;
    browser.arrives_at("Identity revoked").await;
    visit.check("transfers, revoked").await;
    visit.open(app.home()).await;
}

async fn operator(world: &World, admin: &str, visit: &mut Visit<'_>) {
    let browser = visit.browser;
    for page in ["inbox", "jobs", "audit", "nowhere"] {
        visit.open(&format!("{admin}/{page}")).await;
    }
    let ana = world.sandbox.add_person(NewPerson::named("Ana Flores"));
    for at in 0..3 {
        let token = world.sandbox.issue_token(&ana.identity_id);
        world.deliver(&event("verification.completed", &format!("late-verification-{at}"), &token)).await;
    }
    world.link("ana", &ana.identity_id).await;
    let check = world.sandbox.verify(&ana.identity_id).unwrap();
    world.deliver(&event("verification.completed", &check.verification_id, &check.token)).await;
    world.deliver(&json!({ "event": "of.another.kind", "id": "something" })).await;
    world.settles(1, 3, 1).await;
    eventually("a dead job", async || world.incode.job_counts().await.unwrap().dead == 1).await;
    let subject = Subject::new("ana").unwrap();
    assert!(world.incode.linked(&subject).await.unwrap().is_some());

    browser.open(&format!("{admin}/inbox")).await;
    visit.check("admin, events").await;
    browser.open(&format!("{admin}/inbox/1")).await;
    visit.check("admin, one event").await;
    browser.press("Replay").await;
    world.settles(1, 3, 1).await;
    browser.open(&format!("{admin}/inbox?state=dead")).await;
    visit.show("admin-events").await;
    visit.open(&format!("{admin}/inbox?state=dead&reason=not_found&limit=1")).await;
    visit.open(&format!("{admin}/inbox?state=done")).await;
    visit.open(&format!("{admin}/inbox?state=unknown")).await;
    browser.open(&format!("{admin}/jobs")).await;
    visit.show("admin-jobs").await;
    visit.open(&format!("{admin}/jobs/1")).await;
    visit.open(&format!("{admin}/audit")).await;
    browser.open(&format!("{admin}/people?q=ana")).await;
    visit.show("admin-people").await;
    browser.open(&format!("{admin}/person?subject=ana")).await;
    visit.show("admin-person").await;
    browser.run("document.querySelectorAll('details').forEach(details => details.open = true)").await;
    visit.check("admin, a person's actions").await;
    let id = IdentityId::new(ana.identity_id.as_str()).unwrap();
    browser.open(&format!("{admin}/identities/{}", id.as_str())).await;
    visit.check("admin, an identity").await;
    browser.run("document.querySelectorAll('details').forEach(details => details.open = true)").await;
    visit.check("admin, erase an identity").await;
    browser.run("document.querySelector('[name=confirm]').checked = true").await;
    browser.press("Erase for good").await;
    visit.check("admin, erased").await;
}
