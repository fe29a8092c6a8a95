//! Private servers for tests: each in a directory and on a port of its own, killed, started again, and ended with the
//! last test that uses it. And a network in between, whose faults a test sets.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "for tests: a panic is how they fail"
)]

mod certificates;
mod postgres;
mod proxy;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

pub use certificates::{Certificates, place};
pub use postgres::{PostgresServer, is_root, postgres_user};
pub use proxy::Proxy;

/// A port on which no process listens at the moment.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A program in one of the folders, or on the search path.
pub fn program(name: &str, folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = folders.into_iter().chain(std::env::split_paths(&path));
    places.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// A test is skipped without its server at home, never in CI.
pub fn skipped<T>(what: &str) -> Option<T> {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what} is not installed");
    println!("SKIPPED: {what} is not installed");
    None
}

/// The log of a server, to be read when a test fails.
pub fn log(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
