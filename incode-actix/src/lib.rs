#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
//!
//! # The parts
//!
//! [`IncodeMiddleware`] goes around the whole application: it answers the webhook and the hosted flow, and leaves a
//! [`Visitor`](incode_core::gate::Visitor) in the extensions of every other request. [`GateMiddleware`] goes around
//! what only the right people may reach. Everything is decided in `incode-core`; this crate carries requests there and
//! replies back.
//!
//! The user of a request comes from a [`SubjectSource`], or from asynchronous code and any extractor of actix-web's:
//! [`IncodeMiddleware::identify`].

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
mod routes;

#[cfg(feature = "admin")]
pub use admin::{AdminFuture, AdminService};
pub use env::{builder_from_env, builder_from_settings};
pub use extract::{Active, Denied, Extracting, MaybeActive, Satisfies, Visitor};
pub use gate::{Gate, GateFuture, GateMiddleware};
pub use head::{ActixHead, extension};
pub use identify::resolve_visitor;
pub use incode_core as core;
pub use incode_core::gate::{Policy, Requirement, Standing, SubjectSource, TimeZone, UserKey};
pub use incode_core::{Builder, ConfigError, Incode, Subject};
pub use middleware::{IncodeFuture, IncodeMiddleware, IncodeService};
pub use reply::response;
pub use routes::configure;

#[cfg(feature = "postgres")]
pub use incode_postgres as postgres;
#[cfg(feature = "redis")]
pub use incode_redis as redis;
#[cfg(feature = "sqlite")]
pub use incode_sqlite as sqlite;
