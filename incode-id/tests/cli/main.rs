//! The program, run as a program: one binary for all of its tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod application;
mod copying;
mod deliveries;
mod doctor;
mod first_run;
mod operating;
mod people;
mod probe;
mod world;

#[path = "../../../stores/incode-postgres/tests/common/mod.rs"]
mod postgres;
#[path = "../../../stores/incode-redis/tests/common/mod.rs"]
mod redis;
