//! The whole story in a real browser: log in, be sent away, get verified, get in, be revoked, stay out. And the page of
//! dead letters, replayed from. And a transfer that its owner confirms by face.
//!
//! Runs when `INCODE_TEST_BROWSER=on`, which `tests/run` sets when it found or installed Chromium and its driver.
//! Pictures of the pages are left in `target/tmp/browser`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; clippy spares only the functions marked as such, and these are marked by a macro"
)]

mod dead_letters;
mod step_up;
mod webdriver;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use incode_tests::eventually;
use incode_tests::process::{App, Example, Settings};
use webdriver::{Browser, Javascript};

#[tokio::test]
async fn axum_gate_without_javascript() {
    tell(Example::Axum, Javascript::Off).await;
}

#[tokio::test]
async fn actix_gate_with_javascript() {
    tell(Example::Actix, Javascript::On).await;
}

async fn tell(example: Example, javascript: Javascript) {
    let Some(browser) = browser(example.name(), javascript).await else { return };
    let app = App::start(example, &Settings::none()).await;
    in_a_browser(browser, async |browser| story(&app, browser).await).await;
    assert_eq!(app.stop().await.code, Some(0));
}

/// None, and a word about it, where no browser is to be had.
async fn browser(name: &str, javascript: Javascript) -> Option<Browser> {
    if std::env::var("INCODE_TEST_BROWSER").as_deref() != Ok("on") {
        println!("SKIPPED: the browser test of {name}: INCODE_TEST_BROWSER is not on");
        return None;
    }
    Some(Browser::start(name, javascript).await)
}

async fn in_a_browser(browser: Browser, told: impl AsyncFnOnce(&Browser)) {
    let told = AssertUnwindSafe(told(&browser)).catch_unwind().await;
    if told.is_err() {
        browser.picture("where-it-failed").await;
    }
    // In any case: a browser outlives its driver.
    browser.quit().await;
    if let Err(panic) = told {
        std::panic::resume_unwind(panic);
    }
}

async fn story(app: &App, browser: &Browser) {
    browser.proves_its_javascript().await;
    let link = app.line.split(' ').find(|word| word.starts_with("http://")).unwrap();
    let control = app.line.rsplit(' ').next().unwrap().trim_end_matches(')');

    browser.open(link).await;
    assert_eq!(browser.heading().await, "A vault that opens for verified people");
    browser.picture("1-welcome").await;
    browser.fill("user", "alice").await;
    browser.press("Log in").await;
    assert_eq!(browser.heading().await, "We don't know you yet");
    browser.picture("2-logged-in").await;

    browser.follow("Open the vault").await;
    assert_eq!(browser.text(".code").await, "403 · verification_required");
    browser.picture("3-sent-away").await;
    browser.follow("Verify my identity").await;
    assert_eq!(browser.heading().await, "Verify the account alice");
    browser.follow("This is my account: verify me").await;
    assert_eq!(browser.heading().await, "Confirm who you are");
    browser.picture("4-vendor").await;
    browser.press("Pass the check").await;
    assert_eq!(browser.heading().await, "The vault is open");
    assert!(browser.url().await.ends_with("/vault"), "nothing of the flow is left in the address");
    browser.picture("5-vault").await;

    // The webhook is applied by then, or a moment later.
    eventually("verified", async || {
        browser.open(link).await;
        !browser.text(".facts").await.contains("not yet seen")
    })
    .await;
    assert_eq!(browser.heading().await, "You are who you say you are");
    browser.picture("6-verified").await;

    browser.open(control).await;
    assert!(browser.text("main").await.contains("ACTIVE"));
    browser.press("Revoke").await;
    assert!(browser.text("main").await.contains("REVOKED"));
    browser.picture("7-control").await;

    browser.open(link).await;
    assert_eq!(browser.heading().await, "You are who you say you are", "nothing announces a revocation");
    browser.press("Confirm by face").await;
    assert_eq!(browser.heading().await, "Your identity was revoked");
    browser.picture("8-revoked").await;
    browser.follow("Open the vault").await;
    assert_eq!(browser.text(".code").await, "403 · identity_revoked");
    browser.picture("9-closed").await;
}
