//! Two apps, one of each kind, on one database: what one learns the other acts on.

use std::time::Instant;

use incode_sandbox::{Effect, Fault, NewPerson, Sandbox, Webhook, WebhookAuth};
use incode_tests::eventually;
use incode_tests::process::{App, Example, Settings, WEBHOOK_HEADER, WEBHOOK_SECRET};
use incode_tests::servers::{PostgresServer, RedisServer};
use incode_tests::{Response, event, get, post, verify};
use serde_json::json;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_vault_behind_two_apps_on_postgres() {
    let Some(server) = PostgresServer::shared().await else { return };
    one_vault_behind_two_apps(&server.fresh().0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_vault_behind_two_apps_on_redis() {
    let Some(server) = RedisServer::shared().await else { return };
    one_vault_behind_two_apps(&server.url()).await;
}

async fn one_vault_behind_two_apps(store: &str) {
    let sandbox = Sandbox::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let settings = Settings::of(&sandbox, directory.path()).with("INCODE_STORE", store);
    let (axum, actix) = tokio::join!(App::start(Example::Axum, &settings), App::start(Example::Actix, &settings));
    // The browser comes back to the one, the vendor's event goes to the other.
    let auth = WebhookAuth::Header { name: WEBHOOK_HEADER.into(), secret: WEBHOOK_SECRET.into() };
    sandbox.set_webhook(Webhook::to(format!("http://{}/incode/webhook", actix.address)).auth(auth)).unwrap();

    for (name, one, other) in [("alice", &axum, &actix), ("bob", &actix, &axum)] {
        // A login of one is a login of both: they share the secret.
        let cookie = one.log_in(name).await;
        assert_eq!(vault(other, &cookie).await.status, 403);
        verify(one.address, &cookie, name).await;
        for app in [one, other] {
            eventually("verified", async || {
                let me = app.send(get("/me").header("cookie", &cookie)).await.json();
                me["standing"] == "active" && me["identity"]["verificationId"].is_string()
            })
            .await;
            assert_eq!(vault(app, &cookie).await.status, 200);
        }

        let me = other.send(get("/me").header("cookie", &cookie)).await.json();
        let identity = me["identity"]["identityId"].as_str().unwrap();
        sandbox.revoke(identity).unwrap();
        // Nothing announces it: both go on with what they know, until a face is confirmed on one of them.
        assert_eq!((vault(one, &cookie).await.status, vault(other, &cookie).await.status), (200, 200));
        let face = sandbox.faces().into_iter().find(|face| face.identity_id.as_deref() == Some(identity)).unwrap();
        let shown = post("/face").header("content-type", "application/json").header("cookie", &cookie);
        let shown = one.send(shown.body(json!({"base64Image": face.base64_image}).to_string())).await;
        assert_eq!(shown.json()["standing"], "revoked", "{shown:?}");
        assert_eq!(vault(one, &cookie).await.code(), "identity_revoked");
        eventually("closed on the other", async || vault(other, &cookie).await.status != 200).await;
        for app in [one, other, one, other] {
            assert_eq!(vault(app, &cookie).await.code(), "identity_revoked");
        }
    }
    // One inbox: each says the same of it, and each event was applied once.
    for app in [&axum, &actix] {
        eventually("all applied", async || app.count("pending").await == 0).await;
        assert_eq!(app.count("dead").await, 0);
    }
    assert_eq!(axum.count("done").await, actix.count("done").await);
    assert!(axum.count("done").await >= 2);
    for ended in [axum.stop().await, actix.stop().await] {
        assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_app_had_in_hand_is_applied_by_the_other_on_postgres() {
    let Some(server) = PostgresServer::shared().await else { return };
    what_a_killed_app_had_in_hand_is_applied_by_the_other(&server.fresh().0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_app_had_in_hand_is_applied_by_the_other_on_redis() {
    // Apps use the keys `incode`, whatever the server.
    let Some(server) = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await else { return };
    what_a_killed_app_had_in_hand_is_applied_by_the_other(&server.url()).await;
}

/// Within fifteen seconds by the clocks of the store and the apps; `durability` shows that with a clock of its own. Here a
/// real process dies, and the machine may take its time.
async fn what_a_killed_app_had_in_hand_is_applied_by_the_other(store: &str) {
    let sandbox = Sandbox::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let settings = Settings::of(&sandbox, directory.path()).with("INCODE_STORE", store);
    let axum = App::start(Example::Axum, &settings).await;
    sandbox.add_fault(Fault::new(Effect::Stall).times(u32::MAX));
    for n in 0..PLACES {
        let id = format!("in-hand-{n}");
        sandbox.add_person(NewPerson::named("Ana Flores").identity_id(&id));
        let verified = sandbox.verify(&id).unwrap();
        let event = event("verification.completed", &verified.verification_id, &verified.token);
        assert_eq!(axum.send(App::delivery(event.to_string())).await.status, 204);
    }
    eventually("all are in hand", async || {
        let inbox = axum.admin("/admin/inbox?state=pending&limit=100").await.expect("the admin routes are on");
        let events = inbox["events"].as_array().unwrap();
        events.iter().filter(|event| event["attempts"] == 1).count() == PLACES
    })
    .await;
    let actix = App::start(Example::Actix, &settings).await;
    axum.kill().await;
    let killed = Instant::now();
    sandbox.clear_faults();
    eventually("applied by the other", async || actix.count("pending").await == 0).await;
    println!("applied {:.1} s after the death of the other", killed.elapsed().as_secs_f64());
    assert_eq!((actix.count("done").await, actix.count("dead").await), (PLACES as u64, 0));
    assert_eq!(actix.stop().await.code, Some(0));
}

async fn vault(app: &App, cookie: &str) -> Response {
    app.send(get("/vault").header("cookie", cookie).header("accept", "application/json")).await
}

/// Events that a worker has in hand at a time.
const PLACES: usize = 16;
