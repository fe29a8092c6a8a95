//! Private servers for the stores that need one: each in a directory and on a port of its own, killed, started again, and
//! ended with the last test that uses them. And a network in between, whose faults a test sets.

mod certificates;
mod postgres;
mod proxy;
mod redis;

pub use certificates::Certificates;
pub use postgres::PostgresServer;
pub use proxy::Proxy;
pub use redis::RedisServer;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

/// A port on which no process listens at the moment.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A program on the search path, or in one of the folders.
fn program(name: &str, folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = folders.into_iter().chain(std::env::split_paths(&path));
    places.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// A server that can't be had is a test that isn't run: allowed at home, never where it counts.
fn skipped<T>(what: &str) -> Option<T> {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what} is not installed");
    println!("SKIPPED: {what} is not installed");
    None
}

/// The log of a server, to be read when a test fails.
fn log(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
