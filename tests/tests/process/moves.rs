//! An app that outgrows its file: stopped, moved to PostgreSQL, started again. And the database going away under it.

use std::time::Duration;

use incode_sandbox::{Effect, Fault};
use incode_tests::get;
use incode_tests::process::{App, Example, program, within};
use incode_tests::servers::PostgresServer;
use serde_json::Value;
use tokio::process::Command;

use crate::spec::Spec;

on_both_examples!(moved_to_postgres_the_vault_stays_open, alive_without_the_store_but_not_ready);

async fn moved_to_postgres_the_vault_stays_open(example: Example) {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, _) = server.fresh();
    let spec = Spec::start().await;
    let settings = spec.settings().with("INCODE_STORE_KEY", KEY);
    let app = App::start(example, &settings).await;
    let alice = app.log_in("alice").await;
    spec.link(&app, &alice).await;
    let vault = async |app: &App| app.send(get("/vault").header("cookie", &alice)).await.status;
    let me = async |app: &App| -> Value { app.send(get("/me").header("cookie", &alice)).await.json() };
    assert_eq!(vault(&app).await, 200);
    // One event is still on its way when the app ends: its token lies there sealed.
    spec.sandbox.add_fault(Fault::new(Effect::Stall).times(u32::MAX));
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    let before = me(&app).await;
    assert!(before["identity"]["verificationId"].is_null(), "{before}");
    assert_eq!(app.stop().await.code, Some(0));
    spec.sandbox.clear_faults();

    let file = format!("sqlite:{}", spec.directory.path().join("incode.db").display());
    let move_with = async |key: &str| {
        let mut command = Command::new(program("incode-move"));
        let output = command.env_clear().env("INCODE_STORE_KEY", key).args([&file, &url]).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, told) = move_with(ANOTHER_KEY).await;
    assert_eq!((code, told.lines().last()), (Some(3), Some("1 tokens do not open with INCODE_STORE_KEY")), "{told}");
    assert_eq!(move_with(KEY).await.0, Some(0));

    let app = App::start(example, &settings.with("INCODE_STORE", url)).await;
    assert_eq!(vault(&app).await, 200);
    within(Duration::from_secs(20), "the event is applied", async || {
        me(&app).await["identity"]["verificationId"].is_string()
    })
    .await;
    assert_eq!((app.count("done").await, app.count("pending").await), (1, 0));
    // Delivered once more, as vendors do: known.
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    assert_eq!((app.count("done").await, app.count("pending").await), (1, 0));
    assert_eq!(app.stop().await.code, Some(0));
}

/// What probes ask: a process whose database is away is not to be ended, only to be passed over, and comes back by itself.
async fn alive_without_the_store_but_not_ready(example: Example) {
    let Some(server) = PostgresServer::start().await else { return };
    let spec = Spec::start().await;
    let app = App::start(example, &spec.settings().with("INCODE_STORE", server.fresh().0)).await;
    let asked = async |route: &str| app.send(get(route)).await.status;
    assert_eq!((asked("/livez").await, asked("/healthz").await), (200, 200));
    server.kill();
    assert_eq!((asked("/livez").await, asked("/healthz").await), (200, 503));
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 503);
    server.resume().await;
    within(Duration::from_secs(20), "ready again", async || asked("/healthz").await == 200).await;
    assert_eq!(app.send(App::delivery(Spec::event_bytes())).await.status, 204);
    assert_eq!(app.stop().await.code, Some(0));
}

/// 32 bytes in base64.
const KEY: &str = "a2V5IG9mIHRoZSBzdG9yZSwgMzIgYnl0ZXMgbG9uZyE=";
const ANOTHER_KEY: &str = "YW5vdGhlciBrZXksIGFsc28gdGhpcnR5LXR3byBsb25n";
