//! The contract of the example apps, held by this one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../gate-kit/story.rs"]
#[macro_use]
mod story;

contract_of!(env!("CARGO_BIN_EXE_actix-gate"));
