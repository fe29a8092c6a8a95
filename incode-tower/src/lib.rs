#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
//!
//! # The parts
//!
//! [`IncodeLayer`] goes around the whole application: it answers the webhook and the hosted flow, and leaves a
//! [`Visitor`](incode_core::gate::Visitor) in the extensions of every other request. [`GateLayer`] goes around what
//! only the right people may reach. Everything is decided in `incode-core`; this crate carries requests there and
//! replies back.
//!
//! The user of a request comes from a [`SubjectSource`], or from asynchronous code and any extractor of axum's:
//! [`IncodeLayer::identify`] for axum, [`IncodeLayer::identify_by_head`] for other services.

#[cfg(feature = "admin")]
pub mod admin;
mod body;
mod env;
mod extract;
mod gate;
mod head;
mod identify;
mod middleware;
mod reply;
#[cfg(feature = "axum")]
mod routes;

#[cfg(feature = "admin")]
pub use admin::{AdminFuture, AdminService};
pub use body::{ResponseBody, answer_early};
pub use env::{builder_from_env, builder_from_settings};
pub use extract::{Active, Denied, MaybeActive, Satisfies, Visitor};
pub use gate::{Gate, GateFuture, GateLayer};
pub use head::{HttpHead, extension};
pub use identify::resolve_visitor;
pub use incode_core as core;
pub use incode_core::gate::{Policy, Requirement, Standing, SubjectSource, TimeZone, UserKey};
pub use incode_core::{Builder, ConfigError, Incode, Subject};
pub use middleware::{IncodeFuture, IncodeLayer, IncodeService};
pub use reply::response;
#[cfg(feature = "axum")]
pub use routes::routes;

#[cfg(feature = "postgres")]
pub use incode_postgres as postgres;
#[cfg(feature = "redis")]
pub use incode_redis as redis;
#[cfg(feature = "sqlite")]
pub use incode_sqlite as sqlite;
