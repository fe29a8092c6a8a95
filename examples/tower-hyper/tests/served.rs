//! The program over real sockets: denied, verified, let in, and an orderly end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use incode_tests::process::{App, Settings};
use incode_tests::{Wire, get, post, verify};

async fn start() -> App {
    App::launch(env!("CARGO_BIN_EXE_tower-hyper"), &Settings::none()).await
}

#[tokio::test]
async fn the_gate_is_on_one_path_and_opens_for_the_verified() {
    let app = start().await;
    assert!(app.send(get("/")).await.text().contains("no_subject"));
    let denied = app.send(get("/vault")).await;
    assert_eq!((denied.status, denied.code().as_str()), (401, "authentication_required"));
    let alice = app.log_in("alice").await;
    let mine = |target: &str| get(target).header("cookie", &alice);
    let denied = app.send(mine("/vault")).await;
    assert_eq!((denied.status, denied.code().as_str()), (403, "verification_required"));
    assert_eq!(verify(app.address, &alice, "Ana").await, "/");
    assert!(app.send(mine("/")).await.text().contains("active"));
    let open = app.send(mine("/vault")).await;
    assert_eq!((open.status, open.text().as_str()), (200, "The vault is open."));
    for target in ["/vault/", "/Vault", "//vault", "/x/../vault", "/%76ault"] {
        assert_eq!(app.send(mine(target)).await.status, 404, "{target}");
    }
    assert_eq!(app.stop().await.code, Some(0));
}

#[tokio::test]
async fn another_site_logs_no_user_in() {
    let app = start().await;
    let form = post("/login").header("content-type", "application/x-www-form-urlencoded");
    let foreign = form.header("origin", "https://evil.example").body("user=alice");
    let refused = app.send(foreign).await;
    assert_eq!((refused.status, refused.header("set-cookie")), (400, None));
    assert_eq!(app.send(post("/login").body("user=%0d%0aevil")).await.status, 400);
    assert_eq!(app.send(post("/login").body("x".repeat(5000))).await.status, 400);
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let app = start().await;
    let mut idle = Wire::open(app.address).await;
    idle.write(&get("/").bytes()).await;
    assert_eq!(idle.response(false).await.status, 200);
    let ended = app.stop().await;
    assert_eq!((ended.code, ended.stdout.len()), (Some(0), 0), "one line is all there is to read: {:?}", ended.stderr);
    assert!(!ended.stderr.iter().any(|line| line.contains("while a connection was open")), "{:?}", ended.stderr);
    assert!(idle.hangs_up().await);
}
