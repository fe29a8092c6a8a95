//! The examples in a real browser, as a person sees them: the stories of both gate apps and of the transfers, with scripts
//! on and off; the operator's pages; each page under axe, wide and on a small phone.
//!
//! Runs when `INCODE_TEST_BROWSER=on`, which `tests/run` sets when it found or installed Chromium and its driver. axe is
//! read from the file that `INCODE_TEST_AXE` names; `tests/run` fetches it. Pictures of what failed are left in
//! `target/tmp/browser`; those of the README are written by `tests/pictures`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; clippy spares only the functions marked as such, and these are marked by a macro"
)]

mod dead_letters;
mod denials;
mod driver;
mod gate;
mod pages;
mod step_up;
mod visit;
mod webdriver;

use std::panic::AssertUnwindSafe;

use driver::Javascript;
use futures_util::FutureExt;
use webdriver::Browser;

/// Runs a story, where there is a browser for it.
async fn in_a_browser(name: &str, javascript: Javascript, story: impl AsyncFnOnce(&Browser)) {
    if std::env::var("INCODE_TEST_BROWSER").as_deref() != Ok("on") {
        println!("SKIPPED: the browser test {name}: INCODE_TEST_BROWSER is not on");
        return;
    }
    let browser = Browser::borrow(name, javascript).await;
    match AssertUnwindSafe(story(&browser)).catch_unwind().await {
        Ok(()) => browser.give_back().await,
        Err(panic) => {
            browser.give_up().await;
            std::panic::resume_unwind(panic);
        }
    }
}
