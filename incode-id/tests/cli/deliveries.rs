//! `send`, `listen` and `sandbox`, with each other and with a real application.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use incode_core::store::{EventFilter, EventState};
use incode_sandbox::Sandbox;
use serde_json::Value;

use crate::application::{Application, SECRET, Settings};
use crate::world::{Killed, ending, text};
use incode_test_servers::PostgresServer;

/// A command that goes on.
struct Running {
    child: Killed,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(settings: &Settings, arguments: &[&str]) -> Self {
        let mut child = settings.command(arguments).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child: Killed(child), lines }
    }

    fn line(&mut self) -> Value {
        let line = self.lines.next().expect("a line").unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
    }
}

const STANDARD: &str = "whsec_Y2FuYXJ5LXN0YW5kYXJkLXNlY3JldC0wMTIzNDU2Nzg=";

/// Each way of authentication, from `send` through `listen`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_authentication_is_sent_and_recognised() {
    for (auth, secret) in [("header", SECRET), ("hmac", SECRET), ("standard-webhooks", STANDARD), ("oauth", SECRET)] {
        let settings =
            Settings::default().with("INCODE_WEBHOOK_AUTH", auth).with("INCODE_FLOW_SECRET", crate::application::KEY);
        let settings = match auth {
            "oauth" => settings.with("INCODE_OAUTH_CLIENT_ID", "vendor").with("INCODE_OAUTH_CLIENT_SECRET", secret),
            _ => settings.with("INCODE_WEBHOOK_SECRETS", secret),
        };
        // A token request is a request too.
        let count = if auth == "oauth" { "2" } else { "1" };
        let mut listen = Running::start(&settings, &["listen", "--bind", "127.0.0.1:0", "--count", count, "--json"]);
        let place = listen.line()["listening"].as_str().unwrap().to_owned();
        let to = format!("{place}/incode/webhook");
        let sent = settings.run(&["send", "authentication", "--to", &to, "--auth", auth, "--json"]).await;
        let sent: Value = serde_json::from_str(&text(&sent)).unwrap();
        assert_eq!((&sent["accepted"], &sent["status"]), (&Value::Bool(true), &204.into()), "{auth}");
        if auth == "oauth" {
            assert_eq!(listen.line()["verdict"], "asks for a bearer token");
        }
        let seen = listen.line();
        assert_eq!(
            (&seen["verdict"], &seen["event"]),
            (&"authenticated".into(), &"authentication.completed".into()),
            "{auth}"
        );
        assert!(seen["body"]["token"].as_str().unwrap().ends_with("characters)"), "{seen}");
        assert!(!seen.to_string().contains("canary"), "{seen}");
        assert!(listen.child.0.wait().unwrap().success(), "{auth}");
    }
}

/// A delivery that is not authentic is shown, passed on as it is, and refused by the application.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_passed_on_is_answered_by_the_application() {
    let Some(server) = PostgresServer::shared().await else { return };
    let vendor = Sandbox::builder().start().await.unwrap();
    let (place, url) = Application::place().await;
    let settings = Settings::of(&vendor, &url, &server.fresh().0);
    let app = Application::start(place, &settings).await;
    let to = format!("{}/incode/webhook", app.url);
    let arguments = ["listen", "--to", &to, "--bind", "127.0.0.1:0", "--count", "2", "--json"];
    let mut listen = Running::start(&settings, &arguments);
    let through = format!("{}/any/path", listen.line()["listening"].as_str().unwrap());
    let wrong = settings.clone().with("INCODE_WEBHOOK_SECRETS", "another-webhook-secret-0123456789");
    let (code, said) = ending(&wrong.run(&["send", "verification", "--to", &through]).await);
    assert!(code == Some(1) && said.contains("401") && said.contains("another secret"), "{said}");
    let seen = listen.line();
    assert!(seen["verdict"].as_str().unwrap().contains("unauthentic") && seen["answered"] == 401, "{seen}");
    // With the vendor that the application asks: the event is applied.
    let sandbox = vendor.url();
    let sent = settings.run(&["send", "verification", "--to", &through, "--sandbox", &sandbox, "--json"]).await;
    let sent: Value = serde_json::from_str(&text(&sent)).unwrap();
    assert_eq!(listen.line()["answered"], 204);
    let identity = incode_core::IdentityId::new(sent["identityId"].as_str().unwrap()).unwrap();
    crate::postgres::eventually("the event is applied", async || {
        app.incode.identity(&identity).await.is_ok_and(|known| known.is_some())
    })
    .await;
    let done = EventFilter { state: Some(EventState::Done), limit: 10, ..EventFilter::default() };
    assert_eq!(app.incode.inbox_events(done).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_delivery_without_a_receiver_or_a_secret_says_so() {
    let none = Settings::default();
    let send = ["send", "verification", "--to", "http://127.0.0.1:1/incode/webhook", "--auth"];
    let (code, said) = ending(&none.run(&[&send[..], &["hmac"]].concat()).await);
    assert!(code == Some(2) && said.contains("INCODE_WEBHOOK_SECRETS"), "{said}");
    let (code, said) = ending(&none.run(&[&send[..], &["none"]].concat()).await);
    assert!(code == Some(1) && said.contains("no answer (connect)"), "{said}");
    let away = ["none", "--sandbox", "http://127.0.0.1:1"];
    let (code, said) = ending(&none.run(&[&send[..], &away].concat()).await);
    assert!(code == Some(4) && said.contains("sandbox"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_is_a_vendor() {
    let mut sandbox = Running::start(&Settings::default(), &["sandbox", "--bind", "127.0.0.1:0", "--json"]);
    let started = sandbox.line();
    let host = started["INCODE_HOST"].as_str().unwrap().to_owned();
    let mut listen =
        Running::start(&Settings::default(), &["listen", "--bind", "127.0.0.1:0", "--count", "1", "--json"]);
    let to = listen.line()["listening"].as_str().unwrap().to_owned();
    let arguments = ["send", "verification", "--to", &to, "--auth", "none", "--sandbox", &host];
    text(&Settings::default().run(&arguments).await);
    let seen = listen.line();
    assert_eq!((&seen["verdict"], &seen["path"]), (&"not checked".into(), &"/".into()), "{seen}");
    assert!(listen.child.0.wait().unwrap().success());
    let id = sandbox.child.0.id().to_string();
    assert!(std::process::Command::new("sh").args(["-c", "kill -INT \"$1\"", "sh", &id]).status().unwrap().success());
    assert!(sandbox.child.0.wait().unwrap().success(), "an interrupt is its end");
}
