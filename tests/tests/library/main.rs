//! The library as an application uses it, without a server: handlers, the change stream, retained fields.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod handlers;
mod personal;
mod request;
