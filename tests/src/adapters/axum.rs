use std::net::{SocketAddr, TcpListener};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use incode_core::gate::Requirement;
use incode_core::{Incode, Subject};
use incode_tower::{Active, Denied, GateLayer, IncodeLayer, Visitor};
use tokio::task::JoinHandle;

use super::{OUTER, PASSED, SESSION, gated, page};

pub(super) fn serve(listener: TcpListener, incode: Option<Incode>) -> JoinHandle<()> {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut router = routes();
    if let Some(incode) = incode {
        router = router.layer(IncodeLayer::new(incode));
    }
    let router = router.layer(from_fn(authenticate)).layer(from_fn(stamp));
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

fn routes() -> Router {
    let mut router = Router::new()
        .route("/open", get(async |visitor: Visitor| page(&visitor)))
        .route("/active-extractor", get(async |person: Active| person.identity().identity_id.as_str().to_owned()))
        .route("/in-handler", get(in_handler));
    for (path, requirement) in gated() {
        let method = if path == "/transfer" { post(passed) } else { get(passed) };
        router = router.route(path, method.route_layer(GateLayer::new(requirement)));
    }
    router
}

async fn passed() -> &'static str {
    PASSED
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
    next.run(request).await
}

async fn stamp(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(HeaderName::from_static(OUTER.0), HeaderValue::from_static(OUTER.1));
    response
}
