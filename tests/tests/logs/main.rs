//! What an operator finds in the log. One subscriber for this process, so each test looks for words of its own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod placement;
mod store;

use std::sync::LazyLock;

use incode_tests::{canary, eventually};

static TRACED: LazyLock<canary::Traced> = LazyLock::new(canary::listen);

/// Every line that holds all of these words.
fn lines(words: &[&str]) -> Vec<String> {
    let text = TRACED.text();
    text.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}

/// The first such line, as soon as it is there.
async fn line(words: &[&str]) -> String {
    eventually(&format!("the log has a line with {words:?}"), async || !lines(words).is_empty()).await;
    lines(words).remove(0)
}
