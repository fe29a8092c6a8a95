//! The page of dead letters, opened with the browser's own password prompt, and replayed from.

use incode_sandbox::{NewPerson, Sandbox};
use incode_tests::event;
use incode_tests::eventually;
use incode_tests::process::{ADMIN_TOKEN, App, Example, Settings};
use serde_json::json;
use tempfile::TempDir;

use crate::driver::Javascript;
use crate::in_a_browser;
use crate::webdriver::Browser;

#[tokio::test]
async fn of_axum_gate_with_javascript() {
    replayed_from_the_page(Example::Axum, Javascript::On).await;
}

#[tokio::test]
async fn of_actix_gate_without_javascript() {
    replayed_from_the_page(Example::Actix, Javascript::Off).await;
}

async fn replayed_from_the_page(example: Example, javascript: Javascript) {
    let name = format!("dead-letters-of-{}", example.name());
    let sandbox = Sandbox::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let settings = Settings::of(&sandbox, directory.path()).with("INCODE_ADMIN_TOKEN", format!("anna:{ADMIN_TOKEN}"));
    let app = App::start(example, &settings).await;
    in_a_browser(&name, javascript, async |browser| story(&app, &sandbox, browser).await).await;
    assert_eq!(app.stop().await.code, Some(0));
}

async fn story(app: &App, sandbox: &Sandbox, browser: &Browser) {
    let ana = sandbox.add_person(NewPerson::named("Ana Flores"));
    let token = sandbox.issue_token(&ana.identity_id);
    let letter = event("verification.completed", "late-verification", &token);
    assert_eq!(app.send(App::delivery(letter.to_string())).await.status, 204);
    eventually("it is dead", async || app.count("dead").await == 1).await;

    let inbox = format!("{}/admin/inbox", app.address);
    browser.open(&format!("http://whoever:{ADMIN_TOKEN}@{inbox}?state=dead")).await;
    assert!(browser.text("nav.tiles a[aria-current]").await.contains("Dead\n1"));
    let row = browser.text("tbody tr").await;
    for part in ["#1", "late…", "verification.completed", "The vendor knows no such object."] {
        assert!(row.contains(part), "{part}: {row}");
    }
    browser.follow("#1").await;
    assert!(browser.heading().await.starts_with("Event #1"));

    let verification = json!({"id": "late-verification", "createdAt": 1_688_059_847, "status": "VERIFIED",
        "data": {"email": ana.email}});
    sandbox.seed_verification("late-verification", Some(&ana.identity_id), verification);
    browser.open(&format!("http://{inbox}?state=dead")).await;
    browser.press("Replay").await;
    assert!(browser.text(".notice.good").await.starts_with("1 event is pending again"));
    assert_eq!(browser.text(".empty").await, "No dead events here.");

    eventually("it is applied", async || {
        browser.open(&format!("http://{inbox}?state=done")).await;
        browser.text("main").await.contains("late…")
    })
    .await;
    assert!(browser.text("nav.tiles a[aria-current]").await.contains("Done\n1"));
    assert!(browser.text(".trail").await.contains("anna"), "who did it");
    let row = app.admin(&format!("/admin/identities/{}", ana.identity_id)).await.unwrap();
    assert_eq!((&row["status"], &row["verificationId"]), (&json!("ACTIVE"), &json!("late-verification")));
}
