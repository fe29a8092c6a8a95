mod actix;
mod axum;
mod tower;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use ::axum::extract::ConnectInfo;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use incode_core::Incode;
use incode_core::gate::{Policy, Requirement, TimeZone, Visitor};
use incode_core::identity::LinkProof;
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

/// What goes around the app.
#[derive(Clone, Debug)]
pub enum Shape {
    /// The layer.
    Layered(Incode),
    /// The layer, which finds the user by the app's asynchronous code: see [`crate::identified`].
    Identified(Incode),
    /// Nothing: the layer was forgotten.
    Bare,
    /// The layer, and around it a gate: the wrong order.
    GateOutside(Incode),
    /// The layer, and around it the framework's own CORS, for [`ORIGIN`].
    Cors(Incode),
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
        match incode {
            Some(incode) => self.serve_as(listener, Shape::Layered(incode)).await,
            None => self.serve_as(listener, Shape::Bare).await,
        }
    }

    /// Serves the app in this shape.
    pub async fn serve_as(self, listener: TcpListener, shape: Shape) -> Served {
        let address = listener.local_addr().unwrap();
        let stop = match self {
            Self::Axum => Stop::Task(TaskGuard(axum::serve(listener, shape))),
            Self::Tower => Stop::Task(TaskGuard(tower::serve(listener, shape))),
            Self::Actix => Stop::System(actix::serve(listener, shape).await),
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
fn gated() -> Vec<(&'static str, Requirement)> {
    let active = Requirement::active;
    let hour = Duration::from_secs(3600);
    let zone = || TimeZone::new("America/Mexico_City").unwrap();
    vec![
        ("/vault", active()),
        ("/verified", active().verified()),
        ("/verified-lately", active().verified_within(hour)),
        ("/attested", active().attested()),
        ("/transfer", Transfer::requirement()),
        ("/step-up", active().face_authenticated_within(Duration::from_secs(300)).named("step-up")),
        ("/seen", active().face_seen_by_vendor_within(Duration::from_secs(300)).named("seen")),
        ("/adult", active().minimum_age(18, zone()).named("adult")),
        ("/at-home", active().country(["mex", "México"])),
        ("/by-flow", active().linked_by(LinkProof::Flow)),
        ("/by-webhook", active().linked_by(LinkProof::Webhook)),
        ("/staff", active().satisfying("staff", |visitor| visitor.subject().is_some_and(|who| who.as_str() == "ana"))),
        ("/attested-or-face", active().attested().or(active().face_authenticated_within(hour).named("face"))),
        ("/wine", active().minimum_age(18, zone()).named("adult").and(active().verified_within(hour)).named("wine")),
    ]
}

/// What `/met` asks for, by a type.
struct Transfer;

impl Policy for Transfer {
    fn requirement() -> Requirement {
        Requirement::active().face_authenticated_within(Duration::from_secs(300))
    }
}

/// The answer of `/open`.
fn page(visitor: &Visitor) -> String {
    json!({
        "standing": visitor.standing().as_str(),
        "subject": visitor.subject().map(|subject| subject.as_str()),
        "identity": visitor.identity().map(|identity| identity.identity_id.as_str()),
        "proof": visitor.link_proof().map(|proof| proof.as_str()),
    })
    .to_string()
}

/// What `/stream` sends: a greeting, then nothing for as long as it may.
fn held_open(visitor: &Visitor) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + use<> {
    let greeting = stream::once(std::future::ready(Ok(Bytes::from(GREETING))));
    visitor.guard(Requirement::active(), greeting.chain(stream::pending()))
}

/// What `/changed` sends: a greeting, and what is known after the next change. Who has read the greeting knows that the
/// standing from before was looked up.
fn next_change(visitor: Visitor) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let greeting = stream::once(std::future::ready(Ok(Bytes::from(GREETING))));
    greeting.chain(stream::once(async move {
        let page = visitor.changed().await.map_or_else(|| "ended".to_owned(), |now| page(&now));
        Ok(Bytes::from(page))
    }))
}

/// What `/maybe` says: open to all, different for some.
fn greeting(is_active: bool) -> &'static str {
    if is_active { "welcome back" } else { "welcome" }
}

/// What a gated handler says of caching by itself, on `/cached`.
const CACHED: &str = "public, max-age=60";
/// The first piece of a stream that is held open.
pub const GREETING: &str = "open";
/// The one other site that CORS lets in.
pub const ORIGIN: &str = "https://app.example";
/// What `/asset` says: open to all, and no matter who asks.
const ASSET: &str = "asset";
/// What a gated handler says.
const PASSED: &str = "passed";
/// Set on every response by a middleware outside of ours.
const OUTER: (&str, &str) = ("x-outer", "seen");
/// The app's own authentication: whom this header names becomes the `Subject` in the request extensions.
const SESSION: &str = "x-session";
