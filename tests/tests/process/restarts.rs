use std::time::Duration;

use incode_sandbox::{Effect, Fault, NewPerson, Sandbox};
use incode_tests::process::{App, Example, Settings, within};
use incode_tests::{fixture, get};
use serde_json::{Value, json};
use tempfile::TempDir;

on_both_examples!(
    the_specs_own_event_becomes_an_identity_that_survives_a_restart,
    killed_right_after_the_acknowledgement,
    killed_while_the_vendor_was_being_asked,
);

async fn the_specs_own_event_becomes_an_identity_that_survives_a_restart(example: Example) {
    let spec = Spec::start().await;
    let app = App::start(example, &spec.settings()).await;
    let alice = app.log_in("alice").await;
    let me = async |app: &App| app.send(get("/me").header("cookie", &alice)).await;
    assert_eq!(me(&app).await.json()["standing"], "not_linked");
    spec.link(&app, &alice).await;

    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    within(Duration::from_secs(10), "the verification shows", async || {
        me(&app).await.json()["identity"]["verificationId"].is_string()
    })
    .await;
    let before = me(&app).await;
    let shown = before.json();
    assert_eq!((&shown["subject"], &shown["standing"]), (&json!("alice"), &json!("active")));
    assert_eq!(shown["identity"]["status"], "ACTIVE");
    assert_eq!(shown["identity"]["identityId"], fixture("userinfo-filled.json")["identityId"]);
    assert_eq!(shown["identity"]["verificationId"], fixture("event-verification.json")["id"]);
    assert!(!shown["identity"]["verifiedAt"].is_null());
    assert_eq!(shown["identity"]["attestation"], "MANUAL_OK");
    assert_eq!(app.send(get("/vault").header("cookie", &alice)).await.status, 200);

    assert_eq!(app.stop().await.code, Some(0));
    let app = App::start(example, &spec.settings()).await;
    assert_eq!(me(&app).await.body, before.body);
    assert_eq!(app.send(get("/vault").header("cookie", &alice)).await.status, 200);
    // Delivered once more, as vendors do: known, and nothing moves.
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    assert_eq!((app.count("done").await, app.count("pending").await), (1, 0));
    assert_eq!(me(&app).await.body, before.body);
}

async fn killed_right_after_the_acknowledgement(example: Example) {
    let spec = Spec::start().await;
    spec.sandbox.add_fault(Fault::new(Effect::Stall).times(u32::MAX));
    let app = App::start(example, &spec.settings()).await;
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    app.kill().await;
    spec.is_applied_after_a_restart(example).await;
}

/// The worker's lease dies with it: nobody waits for its end.
async fn killed_while_the_vendor_was_being_asked(example: Example) {
    let spec = Spec::start().await;
    spec.sandbox.add_fault(Fault::new(Effect::Stall).times(u32::MAX));
    let app = App::start(example, &spec.settings()).await;
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    within(Duration::from_secs(10), "the vendor is asked", async || !spec.sandbox.calls().is_empty()).await;
    app.kill().await;
    spec.is_applied_after_a_restart(example).await;
}

/// A vendor that serves the samples of the document.
struct Spec {
    sandbox: Sandbox,
    directory: TempDir,
}

impl Spec {
    async fn start() -> Self {
        let sandbox = Sandbox::builder().start().await.unwrap();
        let event = fixture("event-verification.json");
        let person = sandbox.add_person(NewPerson::from_userinfo(fixture("userinfo-filled.json")));
        let mut verification = fixture("verification.json");
        // The page's two samples show different objects; the event names this one.
        verification["id"] = event["id"].clone();
        sandbox.seed_verification(text(&event["id"]), Some(&person.identity_id), verification);
        sandbox.seed_token(text(&event["token"]), Some(&person.identity_id), Duration::from_secs(900));
        Self { sandbox, directory: TempDir::new().unwrap() }
    }

    fn settings(&self) -> Settings {
        Settings::of(&self.sandbox, self.directory.path())
    }

    /// The sample as it is in the file, blanks and all.
    fn event_bytes() -> Vec<u8> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/event-verification.json");
        std::fs::read(path).unwrap()
    }

    /// Start, the vendor's page, and back with the sample's token.
    async fn link(&self, app: &App, cookie: &str) {
        let started = app.send(get("/incode/start?return_to=/vault").header("cookie", cookie)).await;
        assert_eq!(started.status, 303, "{started:?}");
        let page = url::Url::parse(started.header("location").unwrap()).unwrap();
        let (_, correlation_id) = page.query_pairs().find(|(name, _)| name == "correlation_id").unwrap();
        let token = fixture("event-verification.json")["token"].clone();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", text(&token))
            .append_pair("correlation_id", &correlation_id)
            .finish();
        let back = app.send(get(&format!("/incode/callback?{query}")).header("cookie", cookie)).await;
        assert_eq!((back.status, back.header("location")), (303, Some("/vault")), "{back:?}");
    }

    async fn is_applied_after_a_restart(&self, example: Example) {
        let userinfo = fixture("userinfo-filled.json");
        let identity = format!("/admin/identities/{}", text(&userinfo["identityId"]));
        assert!(self.sandbox.calls().iter().all(|call| call.status.is_none()), "nothing was answered before the end");
        self.sandbox.clear_faults();
        let app = App::start(example, &self.settings()).await;
        within(Duration::from_secs(10), "applied", async || app.admin(&identity).await.is_some()).await;
        let row = app.admin(&identity).await.unwrap();
        assert_eq!(row["status"], "ACTIVE", "{row}");
        assert_eq!(row["verificationId"], fixture("event-verification.json")["id"], "{row}");
        assert_eq!((app.count("done").await, app.count("pending").await, app.count("dead").await), (1, 0, 0));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
