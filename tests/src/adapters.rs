mod actix;
mod axum;
mod tower;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use ::axum::extract::ConnectInfo;
use incode_core::Incode;
use incode_core::gate::{Requirement, Visitor};
use incode_core::webhook::AddressSource;
use incode_tower::extension;
use serde_json::json;

/// A framework with our adapter for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// `Router::layer` and extractors.
    Axum,
    /// A bare tower service on hyper.
    Tower,
    /// actix-web with two workers.
    Actix,
}

/// A server that ends when this is dropped.
#[derive(Debug)]
pub struct Served {
    /// Where it listens.
    pub address: SocketAddr,
    #[expect(dead_code, reason = "held for its drop")]
    stop: Stop,
}

#[derive(Debug)]
enum Stop {
    Task(#[expect(dead_code, reason = "held for its drop")] TaskGuard),
    System(#[expect(dead_code, reason = "held for its drop")] actix::SystemGuard),
}

impl Adapter {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Axum, Self::Tower, Self::Actix];

    /// How the address of a peer is found: actix-web knows it, axum is asked for it with the service, and a bare hyper
    /// server leaves it where it likes.
    pub fn addresses(self) -> AddressSource {
        match self {
            Self::Axum => AddressSource::from_fn(|head| {
                extension::<ConnectInfo<SocketAddr>>(head).map(|ConnectInfo(address)| address.ip())
            }),
            Self::Tower => AddressSource::from_fn(|head| extension::<SocketAddr>(head).map(SocketAddr::ip)),
            Self::Actix => AddressSource::peer(),
        }
    }

    /// Serves the app, behind the layer; without it when there is no `incode`.
    pub async fn serve(self, listener: TcpListener, incode: Option<Incode>) -> Served {
        let address = listener.local_addr().unwrap();
        let stop = match self {
            Self::Axum => Stop::Task(TaskGuard(axum::serve(listener, incode))),
            Self::Tower => Stop::Task(TaskGuard(tower::serve(listener, incode))),
            Self::Actix => Stop::System(actix::serve(listener, incode).await),
        };
        Served { address, stop }
    }
}

#[derive(Debug)]
struct TaskGuard(tokio::task::JoinHandle<()>);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The gated paths, the same on each adapter. All but `/transfer` are asked for with GET.
fn gated() -> [(&'static str, Requirement); 5] {
    [
        ("/vault", Requirement::active()),
        ("/verified", Requirement::active().verified()),
        ("/verified-lately", Requirement::active().verified_within(Duration::from_secs(3600))),
        ("/attested", Requirement::active().attested()),
        ("/transfer", Requirement::active().face_authenticated_within(Duration::from_secs(300))),
    ]
}

/// What `/open` tells.
fn page(visitor: &Visitor) -> String {
    json!({
        "standing": visitor.standing().as_str(),
        "subject": visitor.subject().map(|subject| subject.as_str()),
        "identity": visitor.identity().map(|identity| identity.identity_id.as_str()),
        "proof": visitor.link_proof().map(|proof| proof.as_str()),
    })
    .to_string()
}

/// What a gated handler says.
const PASSED: &str = "passed";
/// Set on every response by a middleware outside of ours.
const OUTER: (&str, &str) = ("x-outer", "seen");
/// The app's own authentication: whom this header names becomes the `Subject` in the request extensions.
const SESSION: &str = "x-session";
