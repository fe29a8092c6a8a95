#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
//!
//! # How it works
//!
//! Every call that writes is one script on the server.
//! One connection carries all calls, many at a time; another listens to the notices of other processes. The keys and
//! what they hold are listed in `schema.rs`.
//!
//! A change of an identity is a compare-and-set: one script loads the rows with a fingerprint, core decides
//! ([`ChangeRequest::apply`](incode_core::identity::transition::ChangeRequest::apply)), and a second script writes while
//! the fingerprint is the same. The scripts know rows and indexes, and no rule.
//!
//! # Rights
//! The user of the URL needs these, and `open` names those that are missing:
//! ```text
//! ACL SETUSER incode on >PASSWORD resetkeys ~{incode}:* resetchannels &incode_* -@all +@connection +evalsha +eval
//!   +get +set +del +exists +@hash +@sortedset +time +publish +subscribe +config|get +info
//! ```
//! Without `&incode_*`, `+publish` and `+subscribe` the store works and [`LifeCycle::feed`] stays down. Without
//! `+config|get` durability can't be checked, and without `+info` too, the eviction policy neither.
//!
//! [`LifeCycle::feed`]: incode_core::store::LifeCycle::feed

mod accept;
mod audit;
mod change;
mod connection;
mod error;
mod eviction;
mod feed;
mod identities;
mod inbox;
mod jobs;
mod life_cycle;
mod list;
mod options;
mod rows;
mod schema;
mod scripts;
mod store;
mod tls;

pub use options::{RedisOptions, from_url};
pub use store::RedisStore;
