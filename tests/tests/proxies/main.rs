//! The application behind real reverse proxies, which run with the files of `docs/proxies`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; clippy spares only the functions marked as such, and these are marked by a macro"
)]

use incode_tests::servers::{Front, FrontServer, Variant};
use incode_tests::{World, get};

/// Makes a `#[tokio::test]` for each proxy out of `async fn name(front: Front)`.
macro_rules! behind_every_proxy {
    ($($name:ident),+ $(,)?) => {
        behind_every_proxy!(@ nginx Nginx $($name),+);
        behind_every_proxy!(@ haproxy Haproxy $($name),+);
        behind_every_proxy!(@ caddy Caddy $($name),+);
        behind_every_proxy!(@ apache Apache $($name),+);
        behind_every_proxy!(@ varnish Varnish $($name),+);
    };
    (@ $module:ident $front:ident $($name:ident),+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(incode_tests::servers::Front::$front).await;
                }
            )+
        }
    };
}

mod addresses;
mod early_answers;
mod prefixes;

/// A proxy in front of this world; `None` where it is not installed.
async fn in_front_of(world: &World, front: Front) -> Option<FrontServer> {
    let server = front.start(Variant::Whole, Front::free_address(), world.address, |text| text).await?;
    // It listens. Whatever it does before its first request is done now.
    assert_eq!(get("/asset").send(server.address).await.status, 200);
    Some(server)
}
