//! The stores of those who outgrow one machine, on real servers that are killed, restarted and cut off.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; clippy spares only the functions marked as such, and these are marked by a macro"
)]

#[macro_use]
mod engine;

mod account;
mod away;
mod backup;
mod feed;
mod load;
mod network;
mod postgres;
mod redis;
mod replicas;
mod restarts;
mod unwritten;

use std::future::poll_fn;
use std::time::Duration;

use incode_core::adapter::Resolved;
use incode_core::store::{StoreFeed, StoreNotice};
use incode_tests::{World, event};
use incode_tower::HttpHead;
use serde_json::Value;

/// A delivery about a person who was verified just now.
fn verified(world: &World, name: &str) -> Value {
    let verified = world.sandbox.verify(&world.person(name).identity_id).unwrap();
    event("verification.completed", &verified.verification_id, &verified.token)
}

/// Whether this process answers from memory: notices arrive, and none made it forget what it knows of the user.
fn is_kept(world: &World, user: &str) -> bool {
    let request = http::Request::builder().header("x-user", user).body(()).unwrap();
    matches!(world.incode.visit(&HttpHead::from(&request)), Resolved::Ready(_))
}

/// The next notice of a feed.
async fn next(feed: &mut StoreFeed) -> StoreNotice {
    let news = poll_fn(|cx| feed.as_mut().poll_next(cx));
    tokio::time::timeout(Duration::from_secs(10), news).await.expect("a notice in time").expect("no end")
}
