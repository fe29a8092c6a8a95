use std::net::{SocketAddr, TcpListener};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use incode_core::gate::Requirement;
use incode_core::{SessionHash, Subject};
use incode_tower::{Active, Denied, GateLayer, IncodeLayer, MaybeActive, Satisfies, Visitor};
use tokio::task::JoinHandle;
use tower_http::cors::CorsLayer;

use crate::foreign;
use crate::identified::{Login, OWN_ANSWER, StoreDown};

use super::{
    ASSET, CACHED, ORIGIN, OUTER, PASSED, SESSION, Shape, Transfer, gated, greeting, held_open, next_change, page,
};

pub(super) fn serve(listener: TcpListener, shape: Shape) -> JoinHandle<()> {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let router = match shape {
        Shape::Bare => routes(),
        Shape::Layered(incode) => routes().layer(IncodeLayer::new(incode)),
        Shape::Identified(incode) => routes().layer(IncodeLayer::new(incode).identify(user)),
        Shape::GateOutside(incode) => routes().layer(IncodeLayer::new(incode)).layer(GateLayer::active()),
        Shape::Cors(incode) => routes().layer(IncodeLayer::new(incode)).layer(cors()),
    };
    let router = router.layer(from_fn(authenticate)).layer(from_fn(stamp));
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

async fn user(headers: HeaderMap) -> Result<Option<(String, SessionHash)>, Response> {
    let login = Login::of(|name| headers.get(name).map(HeaderValue::as_bytes));
    let (status, header, content_type, body) = OWN_ANSWER;
    login.user().await.map_err(|StoreDown| {
        let status = StatusCode::from_u16(status).unwrap();
        (status, [header, (CONTENT_TYPE.as_str(), content_type)], body).into_response()
    })
}

pub(super) fn cors() -> CorsLayer {
    let origin = HeaderValue::from_static(ORIGIN);
    CorsLayer::new().allow_origin(origin).allow_methods([Method::GET, Method::POST]).allow_credentials(true)
}

fn routes() -> Router {
    let mut router = Router::new()
        .route("/open", get(async |visitor: Visitor| page(&visitor)))
        .route("/active-extractor", get(async |person: Active| person.identity().identity_id.as_str().to_owned()))
        .route("/upload", post(async |_: Active| PASSED))
        .route("/maybe", get(async |MaybeActive(person): MaybeActive| greeting(person.is_some())))
        .route("/option", get(async |person: Option<Active>| greeting(person.is_some())))
        .route("/met", get(async |person: Satisfies<Transfer>| person.identity().identity_id.as_str().to_owned()))
        .route("/in-handler", get(in_handler))
        .route("/changed", get(async |Visitor(visitor): Visitor| Body::from_stream(next_change(visitor))))
        .route(
            "/stream",
            get(async |visitor: Visitor| Body::from_stream(held_open(&visitor))).layer(GateLayer::active()),
        )
        .route("/cached", get(cached).route_layer(GateLayer::active()))
        .route("/socket", any(socket).layer(GateLayer::active()))
        .route("/shut-to-preflights", any(method).layer(GateLayer::active()))
        .route("/open-to-preflights", any(method).layer(GateLayer::active().passing_preflights()))
        .route("/asset", get(async || ASSET))
        .route("/both", get(both).layer(GateLayer::active()))
        .nest("/members", members());
    for (path, requirement) in gated() {
        let method = if path == "/transfer" { post(passed) } else { get(passed) };
        router = router.route(path, method.route_layer(GateLayer::new(requirement)));
    }
    router
}

/// A nested router behind a gate, with a fallback of its own, and another inside that asks for more.
fn members() -> Router {
    let inner = Router::new()
        .route("/page", get(passed))
        .fallback(passed)
        .layer(GateLayer::new(Requirement::active().attested()));
    Router::new()
        .route("/page", get(passed))
        .route("/{name}/page", get(passed))
        .nest("/inner", inner)
        .fallback(passed)
        .layer(GateLayer::active())
}

async fn passed() -> &'static str {
    PASSED
}

/// Two extractors behind a gate.
async fn both(_: Visitor, _: Option<Active>) -> &'static str {
    PASSED
}

async fn cached() -> impl IntoResponse {
    ([(CACHE_CONTROL, CACHED)], PASSED)
}

async fn method(method: Method) -> String {
    method.to_string()
}

async fn socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket: WebSocket| {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

async fn in_handler(visitor: Visitor) -> Result<&'static str, Denied> {
    visitor.require(&Requirement::active())?;
    Ok(PASSED)
}

async fn authenticate(mut request: Request, next: Next) -> Response {
    let subject = request.headers().get(SESSION).and_then(|value| Subject::new(value.to_str().ok()?).ok());
    if let Some(subject) = subject {
        request.extensions_mut().insert(subject);
    }
    if let Some(visitor) = foreign::left().filter(|_| request.headers().contains_key(foreign::HEADER)) {
        request.extensions_mut().insert(visitor);
    }
    next.run(request).await
}

async fn stamp(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(HeaderName::from_static(OUTER.0), HeaderValue::from_static(OUTER.1));
    response
}
