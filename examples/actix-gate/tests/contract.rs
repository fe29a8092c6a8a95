//! The contract of the example apps, held by this one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../gate-kit/story.rs"]
mod story;

const PROGRAM: &str = env!("CARGO_BIN_EXE_actix-gate");

#[test]
fn the_whole_story() {
    story::whole_story(PROGRAM, &[]);
}

#[test]
fn browsers_get_pages() {
    story::browsers_get_pages(PROGRAM);
}

#[test]
fn what_is_refused_is_told_apart() {
    story::refusals(PROGRAM);
}

#[test]
fn a_wrong_setting_is_named_and_its_value_kept() {
    story::wrong_settings(PROGRAM);
}

#[test]
fn every_kind_of_delivery_is_taken() {
    story::every_authenticity(PROGRAM);
}

#[test]
fn what_was_verified_outlives_a_sudden_death() {
    story::sudden_death(PROGRAM);
}
