//! Where the layer goes in axum, over real sockets: it works, or it is said.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::routing::{any, get};
use incode_tower::core::client::Client;
use incode_tower::core::flow::HostedFlow;
use incode_tower::core::identity::transition::{ChangeRequest, Command};
use incode_tower::core::identity::{Checks, FaceOrigin, Link, LinkProof, Observation};
use incode_tower::core::model::IdentityStatus;
use incode_tower::core::store::{IdentityStore, MemoryStore};
use incode_tower::core::webhook::Authenticity;
use incode_tower::core::{Clock, IdentityId, Secret, SystemClock};
use incode_tower::{Active, Builder, GateLayer, Incode, IncodeLayer, MaybeActive, Subject, SubjectSource, Visitor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves the application, and gives the answer to one request, in lower case.
async fn ask(app: Router, request: &str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut socket = TcpStream::connect(address).await.unwrap();
    let (line, headers) = request.split_once('\n').unwrap_or((request, ""));
    let head = format!("{line} HTTP/1.1\r\nhost: app\r\nconnection: close\r\n{headers}\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    server.abort();
    answer.to_ascii_lowercase()
}

fn assert_status(answer: &str, status: u16, holds: &str) {
    assert!(answer.starts_with(&format!("http/1.1 {status}")) && answer.contains(holds), "{status} {holds}: {answer}");
}

fn builder(store: MemoryStore) -> Builder {
    let client = Client::builder("http://127.0.0.1:9", Secret::from("key")).build().unwrap();
    Incode::builder().client(client).webhook_authenticity(Authenticity::fetch_back()).store(store)
}

fn flow(public_url: &str) -> HostedFlow {
    HostedFlow::new("client", "http://127.0.0.1:9/web", public_url, Secret::new(vec![7; 32])).unwrap()
}

/// Anna is linked and ACTIVE; the subject is in the header `x-user`.
async fn incode() -> Incode {
    builder(anna().await).subjects(SubjectSource::trusted_header("x-user")).build().await.unwrap()
}

async fn anna() -> MemoryStore {
    let (store, now) = (MemoryStore::new(), SystemClock.now());
    let identity_id = IdentityId::new("id-of-anna").unwrap();
    let link = Link::new(Subject::new("anna").unwrap(), identity_id.clone(), LinkProof::Application, now);
    let seen = Observation {
        identity_id,
        sent_at: now,
        status: IdentityStatus::from("ACTIVE"),
        attestation: None,
        verified: None,
        face_authenticated_at: None,
        face_origin: FaceOrigin::default(),
        checks: Checks::default(),
        fields: Vec::new(),
    };
    for command in [Command::Observe(seen), Command::Link { link, by: None }] {
        store.change(ChangeRequest { command, rules: Default::default(), now }).await.unwrap();
    }
    store
}

async fn vault(_: Active) -> &'static str {
    "inside"
}

async fn fallback() -> &'static str {
    "the application's own"
}

const ANNA: &str = "GET /vault\nx-user: anna\r\n";

/// An empty delivery: refused by the webhook with problem+json, and by nothing else.
const DELIVERY: &str = "POST /incode/webhook\ncontent-type: application/json\r\ncontent-length: 0\r\n";

#[tokio::test]
async fn the_routes_arrive_wherever_the_layer_is() {
    let incode = incode().await;
    let layer = || IncodeLayer::new(incode.clone());
    let pages = || Router::new().route("/vault", get(vault));
    let routes = || incode_tower::routes(&incode);
    for (name, app) in [
        ("fallback after the layer", pages().layer(layer()).fallback(fallback).merge(routes())),
        ("catch-all after the layer", pages().layer(layer()).route("/{*rest}", any(fallback)).merge(routes())),
        (
            "merged with others",
            pages().layer(layer()).merge(Router::new().route("/other", get(fallback))).merge(routes()),
        ),
        ("route_layer", pages().route_layer(layer()).merge(routes())),
        ("layer around all", pages().merge(routes()).layer(layer())),
    ] {
        assert_status(&ask(app.clone(), DELIVERY).await, 4, "application/problem+json");
        assert_status(&ask(app.clone(), ANNA).await, 200, "inside");
        assert_status(&ask(app, "GET /vault").await, 401, "authentication_required");
        assert!(!name.is_empty());
    }
    let nested = Router::new().nest("/api", pages().layer(layer())).merge(routes());
    assert_status(&ask(nested.clone(), DELIVERY).await, 4, "application/problem+json");
    assert_status(&ask(nested, "GET /api/vault\nx-user: anna\r\n").await, 200, "inside");
    // Core names the methods that a route takes.
    let delivered = ask(routes(), "GET /incode/webhook").await;
    assert_status(&delivered, 405, "allow: post");
    // There is no OAuth part.
    assert_status(&ask(routes(), "POST /incode/token").await, 404, "");
}

/// Behind a proxy that takes the path off, and one that does not.
#[tokio::test]
async fn the_routes_are_also_below_the_path_of_the_public_url() {
    let incode = builder(anna().await).hosted_flow(flow("https://site.example/app"));
    let incode = incode.subjects(SubjectSource::trusted_header("x-user")).build().await.unwrap();
    let pages = Router::new().route("/vault", get(vault)).layer(IncodeLayer::new(incode.clone()));
    let app = pages.merge(incode_tower::routes(&incode)).fallback(fallback);
    for base in ["", "/app"] {
        let delivery = DELIVERY.replace("/incode", &format!("{base}/incode"));
        assert_status(&ask(app.clone(), &delivery).await, 4, "application/problem+json");
        assert_status(&ask(app.clone(), &format!("GET {base}/incode/webhook")).await, 405, "allow: post");
        let started = ask(app.clone(), &format!("GET {base}/incode/start\nx-user: bert\r\n")).await;
        assert_status(&started, 303, "site.example%2fapp%2fincode%2fcallback");
    }
    assert_status(&ask(app, "POST /apps/incode/webhook").await, 200, "the application's own");
}

#[tokio::test]
#[should_panic(expected = "/incode/webhook")]
async fn axum_refuses_a_route_at_a_mounted_path() {
    let own = Router::<()>::new().route("/incode/webhook", get(fallback));
    let _ = own.merge(incode_tower::routes(&incode().await));
}

#[tokio::test]
async fn what_another_layer_resolved_opens_nothing() {
    let outer = incode().await;
    // Finds a subject in another header, who is not linked in another store.
    let inner = builder(MemoryStore::new()).subjects(SubjectSource::trusted_header("x-other")).build().await.unwrap();
    let pages = || Router::new().route("/vault", get(vault));
    let same = pages().layer(IncodeLayer::new(outer.clone())).layer(IncodeLayer::new(outer.clone()));
    assert_status(&ask(same, ANNA).await, 200, "inside");
    let two = pages().layer(IncodeLayer::new(inner)).layer(IncodeLayer::new(outer));
    assert_status(&ask(two.clone(), ANNA).await, 401, "authentication_required");
    assert_status(&ask(two, "GET /vault\nx-other: anna\r\n").await, 403, "verification_required");
}

#[tokio::test]
async fn a_login_layer_inside_of_ours_is_a_mistake_of_the_program() {
    async fn login(mut request: Request, next: Next) -> axum::response::Response {
        if request.headers().contains_key("x-user") {
            request.extensions_mut().insert(Subject::new("anna").unwrap());
        }
        next.run(request).await
    }
    async fn standing(visitor: Visitor) -> String {
        visitor.standing().as_str().to_owned()
    }
    async fn maybe(person: MaybeActive) -> &'static str {
        if person.0.is_some() { "active" } else { "unknown" }
    }
    let incode = builder(anna().await).build().await.unwrap();
    let pages = || {
        let gated = Router::new().route("/gated", get(fallback)).route_layer(GateLayer::active());
        Router::new().route("/vault", get(vault)).route("/me", get(standing)).route("/maybe", get(maybe)).merge(gated)
    };
    let right = pages().layer(IncodeLayer::new(incode.clone())).layer(from_fn(login));
    let wrong = pages().layer(from_fn(login)).layer(IncodeLayer::new(incode));
    for path in ["/vault", "/gated"] {
        let request = format!("GET {path}\nx-user: anna\r\n");
        assert_status(&ask(right.clone(), &request).await, 200, "");
        assert_status(&ask(wrong.clone(), &request).await, 500, "layer_order");
        // Without a login nothing is in a wrong order.
        assert_status(&ask(wrong.clone(), &format!("GET {path}")).await, 401, "authentication_required");
    }
    assert_status(&ask(right.clone(), "GET /me\nx-user: anna\r\n").await, 200, "active");
    assert_status(&ask(wrong.clone(), "GET /me\nx-user: anna\r\n").await, 200, "no_subject");
    assert_status(&ask(wrong, "GET /maybe\nx-user: anna\r\n").await, 200, "unknown");
}

#[tokio::test]
async fn a_gate_outside_of_the_layer_is_never_open() {
    let incode = incode().await;
    let app = Router::new().route("/vault", get(fallback)).layer(IncodeLayer::new(incode)).layer(GateLayer::active());
    assert_status(&ask(app, ANNA).await, 500, "layer_missing");
}

/// Behind a proxy that takes the path off, and one that does not.
#[tokio::test]
async fn the_path_of_the_public_url_is_in_every_link() {
    let incode = builder(anna().await).hosted_flow(flow("https://site.example/app")).login_at("/login");
    let incode = incode.subjects(SubjectSource::trusted_header("x-user")).build().await.unwrap();
    let pages = Router::new().route("/vault", get(vault)).route("/app/vault", get(vault));
    let app = pages.layer(IncodeLayer::new(incode));
    for path in ["/vault", "/app/vault"] {
        let denied = ask(app.clone(), &format!("GET {path}\nx-user: bert\r\n")).await;
        assert_status(&denied, 403, "\"/app/incode/start?return_to=/app/vault\"");
        let denied = ask(app.clone(), &format!("GET {path}")).await;
        assert_status(&denied, 401, "\"/app/login?return_to=/app/vault\"");
    }
    for path in ["/incode/start", "/app/incode/start"] {
        let started = ask(app.clone(), &format!("GET {path}\nx-user: bert\r\n")).await;
        assert_status(&started, 303, "redirect_url=https%3a%2f%2fsite.example%2fapp%2fincode%2fcallback");
    }
}
