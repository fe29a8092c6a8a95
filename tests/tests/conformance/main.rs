//! One suite for every adapter, over real sockets. A test is written once, against an [`Adapter`](incode_tests::Adapter),
//! and runs under the names `axum`, `tower` and `actix`; what it expects of a reply it expects to the byte, so that the
//! three can't differ.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy spares only the functions marked as such, and these are marked by a macro"
)]

/// Makes a `#[tokio::test]` for each adapter out of `async fn name(adapter: Adapter)`.
macro_rules! on_every_adapter {
    ($($name:ident),+ $(,)?) => {
        on_every_adapter!(@ axum Axum $($name),+);
        on_every_adapter!(@ tower Tower $($name),+);
        on_every_adapter!(@ actix Actix $($name),+);
    };
    (@ $module:ident $adapter:ident $($name:ident),+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(incode_tests::Adapter::$adapter).await;
                }
            )+
        }
    };
}

mod admin;
mod flow;
mod gate;
mod identity;
mod inbox;
mod webhook;
