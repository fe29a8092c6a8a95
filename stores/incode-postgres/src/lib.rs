#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
//!
//! # How it works
//!
//! - Deliveries queue up for a writer, which keeps whatever waits in one transaction (`accept`).
//! - Every other call is one transaction over a pooled connection (`pool`). Its statements are sent together where they
//!   do not depend on each other: a settlement takes two round trips.
//! - What a gate asks is pipelined over one shared connection, so that no lock holds it up.
//! - One more connection listens to the other processes (`feed`).
//! - No connection but the listener's has session state, so a transaction pooler may stand in between.

use incode_core::store::StoreError;

#[macro_use]
mod params;
#[macro_use]
mod rows;

mod accept;
mod audit;
mod change;
mod connection;
mod copy;
mod error;
mod feed;
mod identities;
mod inbox;
mod jobs;
mod life_cycle;
mod load;
mod options;
mod pool;
mod schema;
mod store;
mod tls;
mod write;

pub use copy::CopyTarget;
pub use options::PostgresOptions;
pub use store::PostgresStore;

/// The options for a URL, if it is one of PostgreSQL. `None`: the scheme is another engine's.
pub fn from_url(url: &str) -> Option<Result<PostgresOptions, StoreError>> {
    options::is_ours(url).then(|| PostgresOptions::new(url))
}
