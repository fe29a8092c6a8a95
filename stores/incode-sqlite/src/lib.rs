#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
//!
//! # How it works
//!
//! One thread writes. It takes all waiting calls into one transaction, commits once (one fsync), and only then answers
//! each call: under load hundreds of events share a commit, and no timer delays a lone one. A second thread reads over
//! a connection of its own, so a slow disk does not hold up the gate.
//!
//! # What it guards against
//!
//! Events are acknowledged when they are in the log (`incode.db-wal`), which SQLite finds by the name of the file. So
//! every way to separate a file from its log loses acknowledged events, and is refused:
//!
//! | at start | while it runs |
//! |---|---|
//! | the file has a second hard link | a hard link was made |
//! | the file itself is mounted, not its folder | another file was mounted, moved or copied to its place |
//! | another process has the file open, under any name | the file or its log was moved or deleted |
//! | the file is missing or empty, and a store was there | the file was emptied |
//!
//! At start, opening fails. While it runs, every write and [`LifeCycle::time`](incode_core::store::LifeCycle::time) fail
//! with [`Unavailable`](incode_core::store::StoreErrorKind::Unavailable), and one line is logged at level ERROR, until
//! the file is back.
//!
//! The store needs a local disk. On network file systems (NFS, SMB) SQLite's log does not work.
//!
//! # The modules
//!
//! [`options`](SqliteOptions) opens; `store` has the two queues; `writer`, `batch` and `reader` are the threads;
//! `copy` reads all rows for another engine; `lock` and `watch` guard the file, `file` and `schema` open it, `startup` tidies up after the process before.
//! `accept`, `inbox`, `change`, `people`, `identities`, `jobs`, `audit`, `prune` and `life_cycle` are the statements of
//! the contract, `rows` reads columns.

mod accept;
mod audit;
mod batch;
mod change;
mod copy;
mod error;
mod file;
mod identities;
mod inbox;
mod jobs;
mod life_cycle;
mod lock;
mod options;
mod people;
mod prune;
mod queue;
mod reader;
mod rows;
mod schema;
mod startup;
mod store;
mod watch;
mod writer;

pub use copy::{CopySource, LastIds};
pub use options::{SqliteOptions, from_url};
pub use store::SqliteStore;

#[cfg(test)]
mod tests;
