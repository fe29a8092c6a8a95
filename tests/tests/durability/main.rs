//! What happens to events when the store fails, is full or slow, when a wakeup is lost, when a worker dies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; clippy spares only the functions marked as such, and these are marked by a macro"
)]

mod disk_full;
mod leases;
mod shared;
mod slow;
