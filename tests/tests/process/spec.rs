use std::time::Duration;

use incode_core::{Clock, SystemClock};
use incode_sandbox::{NewPerson, Sandbox};
use incode_tests::eventually;
use incode_tests::process::{App, Example, Settings};
use incode_tests::{fixture, get};
use serde_json::Value;
use tempfile::TempDir;

/// A vendor that serves the samples of the document.
pub(crate) struct Spec {
    pub(crate) sandbox: Sandbox,
    pub(crate) directory: TempDir,
}

impl Spec {
    pub(crate) async fn start() -> Self {
        let sandbox = Sandbox::builder().start().await.unwrap();
        let event = fixture("event-verification.json");
        let person = sandbox.add_person(NewPerson::from_userinfo(fixture("userinfo-filled.json")));
        let mut verification = fixture("verification.json");
        // The page's two samples show different objects; the event names this one.
        verification["id"] = event["id"].clone();
        // Made in the flow that a test goes through: one of another time would make no link.
        verification["createdAt"] = (SystemClock.now().as_millis() / 1_000).into();
        sandbox.seed_verification(text(&event["id"]), Some(&person.identity_id), verification);
        sandbox.seed_token(text(&event["token"]), Some(&person.identity_id), Duration::from_secs(900));
        Self { sandbox, directory: TempDir::new().unwrap() }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::of(&self.sandbox, self.directory.path())
    }

    /// The sample as it is in the file, blanks and all.
    pub(crate) fn event_bytes() -> Vec<u8> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../incode-core/fixtures/event-verification.json");
        std::fs::read(path).unwrap()
    }

    /// Start, the vendor's page, and back with the sample's token.
    pub(crate) async fn link(&self, app: &App, cookie: &str) {
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

    pub(crate) async fn is_applied_after_a_restart(&self, example: Example) {
        let userinfo = fixture("userinfo-filled.json");
        let identity = format!("/admin/identities/{}", text(&userinfo["identityId"]));
        assert!(self.sandbox.calls().iter().all(|call| call.status.is_none()), "nothing was answered before the end");
        self.sandbox.clear_faults();
        let app = App::start(example, &self.settings()).await;
        eventually("applied", async || app.admin(&identity).await.is_some()).await;
        let row = app.admin(&identity).await.unwrap();
        assert_eq!(row["status"], "ACTIVE", "{row}");
        assert_eq!(row["verificationId"], fixture("event-verification.json")["id"], "{row}");
        assert_eq!((app.count("done").await, app.count("pending").await, app.count("dead").await), (1, 0, 0));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
