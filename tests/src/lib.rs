//! What the conformance suite stands on: one little app on each adapter, a client that can send any bytes, and a
//! world that joins sandbox, [`Incode`](incode_core::Incode) and server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a harness of tests"
)]

mod adapters;
pub mod canary;
mod failing;
pub mod foreign;
pub mod guards;
mod hosted;
mod http;
pub mod identified;
pub mod process;
pub mod servers;
mod tally;
mod world;

pub use adapters::{Adapter, GREETING, ORIGIN, Served, Shape};
pub use failing::{Failing, FailingStore, Switch};
pub use hosted::verify;
pub use http::{Call, Response, Wire, get, post, problem};
pub use tally::Tally;
pub use world::{
    ACKNOWLEDGED, Auth, CLIENT_ID, FLOW_SECRET, HEADER, Plan, SECRET, SIGNATURE, WHSEC, World, ask_for_token, event,
    eventually, fixture, row,
};

/// The README's code, compiled.
#[doc = include_str!("../../README.md")]
#[cfg(doctest)]
pub struct Readme;

/// The recipes' code, compiled; the one on testing also runs.
#[cfg(doctest)]
mod recipes {
    macro_rules! recipes {
        ($($name:ident: $file:literal,)*) => { $(
            #[doc = include_str!(concat!("../../docs/recipes/", $file))]
            struct $name;
        )* };
    }
    recipes! {
        GateOneRoute: "gate-one-route.md",
        StepUp: "step-up.md",
        AxumSessions: "axum-sessions.md",
        ActixSessions: "actix-sessions.md",
        Jwt: "jwt.md",
        Grpc: "grpc.md",
        LinkRule: "link-rule.md",
        Testing: "testing.md",
        WebSocket: "websocket.md",
        MetricsAndAlarms: "metrics-and-alarms.md",
        ContainerAndSystemd: "container-and-systemd.md",
        AccountOpening: "account-opening.md",
        SignedCookies: "signed-cookies.md",
        ActixTests: "actix-tests.md",
        OwnPages: "own-pages.md",
        SettingsFromAFile: "settings-from-a-file.md",
        CliClients: "cli-clients.md",
        ExistingUsers: "existing-users.md",
    }
}
