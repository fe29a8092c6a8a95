//! A transfer from the click to its receipt, by way of the page that asks for the face.

use incode_tests::process::{App, Example, Settings};

use crate::driver::Javascript;
use crate::in_a_browser;
use crate::webdriver::Browser;

#[tokio::test]
async fn a_transfer_without_javascript() {
    confirmed_by_face(Javascript::Off).await;
}

#[tokio::test]
async fn a_transfer_with_javascript() {
    confirmed_by_face(Javascript::On).await;
}

async fn confirmed_by_face(javascript: Javascript) {
    let name = format!("step-up-{javascript:?}");
    let app = App::start(Example::StepUp, &Settings::none()).await;
    in_a_browser(&name, javascript, async |browser| story(&app, browser).await).await;
    assert_eq!(app.stop().await.code, Some(0));
}

async fn story(app: &App, browser: &Browser) {
    let link = app.home();
    browser.open(link).await;
    browser.fill("user", "alice").await;
    browser.press("Log in").await;
    assert_eq!(browser.heading().await, "Verify your identity first");
    browser.follow("Verify my identity").await;
    browser.press("Pass the check").await;

    browser.arrives_at("A new transfer").await;
    enter(browser, "1250.50", "Bob & Sons").await;
    assert_eq!((browser.text(".badge").await.as_str(), browser.heading().await.as_str()), ("Not made yet", "1,250.50"));
    assert!(browser.text("main .card").await.contains("to Bob & Sons"), "what you see is what you sign");
    browser.choose("A stranger").await;
    browser.press("Confirm by face").await;
    assert!(browser.text(".notice.bad").await.starts_with("This is not the face that was verified."));
    assert_eq!(browser.heading().await, "1,250.50");
    // The person's own face is chosen when the page opens.
    browser.press("Confirm by face").await;
    assert_eq!(browser.heading().await, "Transfer made");
    assert!(browser.text("main .card").await.contains("1,250.50 to Bob & Sons"));

    browser.back().await;
    if browser.heading().await == "1,250.50" {
        // The browser shows the page as it was; what it asks for has been done.
        browser.press("Confirm by face").await;
    }
    assert_eq!(browser.heading().await, "Transfer made");
    browser.open(link).await;
    assert_eq!(browser.text(".list").await.matches("1,250.50 to Bob & Sons").count(), 1);
    enter(browser, "5", "Bob").await;
    assert_eq!(browser.heading().await, "5.00", "one face is for one transfer");
    browser.press("Confirm by face").await;
    assert_eq!(browser.heading().await, "Transfer made");
    browser.open(link).await;
    assert_eq!(browser.text(".list").await.matches(" to Bob").count(), 2);
    browser.press("Log out").await;
    assert_eq!(browser.heading().await, "Money moves when its owner says so");
}

async fn enter(browser: &Browser, amount: &str, recipient: &str) {
    browser.fill("amount", amount).await;
    browser.fill("recipient", recipient).await;
    browser.press("Transfer").await;
}
