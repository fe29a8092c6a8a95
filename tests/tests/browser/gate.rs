//! What happens to people at the door of the two gate apps. Each story runs on both, with scripts on and off.

use incode_tests::eventually;
use incode_tests::process::{App, Example, Settings};
use serde_json::{Value, json};

use crate::driver::Javascript;
use crate::in_a_browser;
use crate::webdriver::Browser;

/// Makes the four tests of each story.
macro_rules! stories {
    ($($story:ident),* $(,)?) => { $(
        mod $story {
            use super::{Example, Javascript, tell};

            #[tokio::test]
            async fn axum_gate_with_javascript() {
                tell(stringify!($story), super::$story, Example::Axum, Javascript::On).await;
            }

            #[tokio::test]
            async fn axum_gate_without_javascript() {
                tell(stringify!($story), super::$story, Example::Axum, Javascript::Off).await;
            }

            #[tokio::test]
            async fn actix_gate_with_javascript() {
                tell(stringify!($story), super::$story, Example::Actix, Javascript::On).await;
            }

            #[tokio::test]
            async fn actix_gate_without_javascript() {
                tell(stringify!($story), super::$story, Example::Actix, Javascript::Off).await;
            }
        }
    )* };
}

stories! {
    passes_and_is_revoked,
    fails_then_passes_as_oneself,
    two_tabs,
    back_button,
    reload_of_the_callback,
    slow_webhook,
}

async fn tell(name: &str, story: impl AsyncFnOnce(&Gate<'_>), example: Example, javascript: Javascript) {
    let name = format!("{}-{name}-{javascript:?}", example.name());
    let app = App::start(example, &Settings::none()).await;
    in_a_browser(&name, javascript, async |browser| story(&Gate { app: &app, browser }).await).await;
    assert_eq!(app.stop().await.code, Some(0));
}

/// Sent away, verified, let in; revoked, and out.
async fn passes_and_is_revoked(gate: &Gate<'_>) {
    let browser = gate.browser;
    gate.log_in("alice").await;
    browser.follow("Open the vault").await;
    browser.arrives_at_problem(&["403 · verification_required"]).await;
    browser.follow("Verify my identity").await;
    browser.arrives_at("Verify the account alice").await;
    browser.follow("This is my account: verify me").await;
    browser.arrives_at("Confirm who you are").await;
    browser.press("Pass the check").await;
    browser.arrives_at("The vault is open").await;
    assert!(browser.url().await.ends_with("/vault"), "nothing of the flow is left in the address");

    // The event is applied by then, or a moment later.
    eventually("verified", async || {
        browser.open(gate.home()).await;
        !browser.text(".facts").await.contains("not yet seen")
    })
    .await;
    assert_eq!(browser.heading().await, "You are who you say you are");

    browser.open(gate.control()).await;
    assert!(browser.text("main").await.contains("ACTIVE"));
    browser.press("Revoke").await;
    browser.arrives_at("Incode sandbox").await;
    assert!(browser.text("main").await.contains("REVOKED"));
    browser.open(gate.home()).await;
    assert_eq!(browser.heading().await, "You are who you say you are", "nothing announces a revocation");
    browser.press("Confirm by face").await;
    browser.arrives_at("Your identity was revoked").await;
    browser.follow("Open the vault").await;
    browser.arrives_at_problem(&["403 · identity_revoked"]).await;
}

/// With the data of an enrolled person, a failed check links nothing. Then the user passes as themselves.
async fn fails_then_passes_as_oneself(gate: &Gate<'_>) {
    let browser = gate.browser;
    let ana = gate.app.ask_vendor("POST", "people", &json!({ "name": "Ana Flores", "email": "ana@example.com" })).await;
    gate.log_in("mallory").await;
    gate.to_the_vendor().await;
    browser.fill("email", "ana@example.com").await;
    browser.press("Fail the check").await;
    // The second where the event took longer than the callback waits for it.
    let why = browser.arrives_at_problem(&["403 · verification_not_passed", "403 · verification_required"]).await;
    browser.open(gate.home()).await;
    assert_eq!(browser.heading().await, "We don't know you yet", "after {why}");
    browser.follow("Open the vault").await;
    browser.arrives_at_problem(&["403 · verification_required"]).await;

    gate.to_the_vendor().await;
    browser.fill("name", "Mallory Reyes").await;
    browser.fill("email", "mallory@example.com").await;
    browser.press("Pass the check").await;
    browser.arrives_at("The vault is open").await;
    let me = gate.me().await;
    let people = gate.app.ask_vendor("GET", "people", &Value::Null).await;
    let mallory = people.as_array().unwrap().iter().find(|person| person["email"] == "mallory@example.com").unwrap();
    assert_eq!(me["identity"]["identityId"], mallory["identityId"]);
    assert_ne!(me["identity"]["identityId"], ana["identityId"]);
}

/// Two starts of one person both end well. A start of another account in the same browser ends with an explanation.
async fn two_tabs(gate: &Gate<'_>) {
    let browser = gate.browser;
    gate.log_in("alice").await;
    let first = browser.tab().await;
    gate.to_the_vendor().await;
    let second = browser.new_tab().await;
    gate.to_the_vendor().await;
    browser.press("Pass the check").await;
    browser.arrives_at("The vault is open").await;
    browser.switch_to(&first).await;
    browser.press("Pass the check").await;
    browser.arrives_at("The vault is open").await;

    browser.open(gate.home()).await;
    browser.press("Log out").await;
    gate.log_in("carol").await;
    gate.to_the_vendor().await;
    browser.switch_to(&second).await;
    browser.open(gate.home()).await;
    browser.press("Log out").await;
    gate.log_in("bob").await;
    browser.switch_to(&first).await;
    browser.fill("email", "carol@example.com").await;
    browser.press("Pass the check").await;
    browser.arrives_at_problem(&["403 · flow_other_subject"]).await;
    browser.switch_to(&second).await;
    browser.follow("Open the vault").await;
    browser.arrives_at_problem(&["403 · verification_required"]).await;
}

/// Back to the vendor's page and through again; and back after the logout, which shows nothing of the user.
async fn back_button(gate: &Gate<'_>) {
    let browser = gate.browser;
    gate.log_in("alice").await;
    gate.to_the_vendor().await;
    browser.press("Pass the check").await;
    browser.arrives_at("The vault is open").await;
    browser.back().await;
    browser.arrives_at("Confirm who you are").await;
    browser.press("Pass the check").await;
    browser.arrives_at("The vault is open").await;

    browser.follow("Back").await;
    browser.arrives_at("You are who you say you are").await;
    browser.press("Log out").await;
    browser.arrives_at(WELCOME).await;
    browser.back().await;
    browser.arrives_at(WELCOME).await;
    browser.back().await;
    browser.arrives_at_problem(&["401 · authentication_required"]).await;
}

/// The callback's address again: after it worked, and after the vendor could not be asked.
async fn reload_of_the_callback(gate: &Gate<'_>) {
    let browser = gate.browser;
    gate.log_in("alice").await;
    gate.to_the_vendor().await;
    let fault = json!({ "route": "userinfo", "times": 1000, "kind": "status", "status": 503 });
    gate.app.ask_vendor("POST", "faults", &fault).await;
    browser.press("Pass the check").await;
    browser.arrives_at_problem(&["503 · vendor_unavailable"]).await;
    assert!(browser.url().await.contains("/incode/callback?"), "a reload asks again");
    gate.app.ask_vendor("DELETE", "faults", &Value::Null).await;
    let callback = browser.url().await;
    eventually("the vendor is asked again", async || {
        browser.reload().await;
        browser.try_text("h1").await.is_some_and(|heading| heading == "The vault is open")
    })
    .await;
    // As a browser that restores its tabs.
    browser.open(&callback).await;
    browser.arrives_at("The vault is open").await;
    assert!(browser.url().await.ends_with("/vault"));
    browser.reload().await;
    browser.arrives_at("The vault is open").await;
}

/// The event comes long after the browser: the pages say so, look again by themselves, and open.
async fn slow_webhook(gate: &Gate<'_>) {
    let browser = gate.browser;
    gate.app.ask_vendor("POST", "deliveries/hold", &Value::Null).await;
    gate.log_in("alice").await;
    gate.to_the_vendor().await;
    browser.press("Pass the check").await;
    browser.arrives_at_problem(&["403 · verification_pending"]).await;
    let vault = browser.tab().await;
    let home = browser.new_tab().await;
    browser.open(gate.home()).await;
    browser.arrives_at("Your verification is being confirmed").await;
    browser.new_tab().await;
    browser.open(gate.control()).await;
    browser.press("Release").await;
    browser.switch_to(&vault).await;
    browser.arrives_at("The vault is open").await;
    browser.switch_to(&home).await;
    browser.arrives_at("You are who you say you are").await;
}

/// A gate app with the stand-in vendor in its process, and the browser.
struct Gate<'a> {
    app: &'a App,
    browser: &'a Browser,
}

impl Gate<'_> {
    fn home(&self) -> &str {
        self.app.home()
    }

    fn control(&self) -> &str {
        self.app.control()
    }

    async fn log_in(&self, user: &str) {
        self.browser.open(self.home()).await;
        self.browser.arrives_at(WELCOME).await;
        self.browser.fill("user", user).await;
        self.browser.press("Log in").await;
        self.browser.arrives_at("We don't know you yet").await;
    }

    /// What the app says of the logged-in user, as JSON.
    async fn me(&self) -> Value {
        self.browser.open(&format!("{}/me", self.home().trim_end_matches('/'))).await;
        serde_json::from_str(&self.browser.text("body").await).unwrap()
    }

    /// From the vault's door to the vendor's page.
    async fn to_the_vendor(&self) {
        self.browser.open(self.home()).await;
        self.browser.follow("Open the vault").await;
        self.browser.follow("Verify my identity").await;
        self.browser.follow("This is my account: verify me").await;
        self.browser.arrives_at("Confirm who you are").await;
    }
}

const WELCOME: &str = "A vault that opens for verified people";
