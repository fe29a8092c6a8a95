//! axum 0.7: layer and gate as they are, and an extractor of the application's own that keeps the guarantee by type.

#[path = "incode.rs"]
mod ours;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use axum::{Router, async_trait, routing::get, routing::post};
use incode::{Active, GateLayer, IncodeLayer};
use tower::ServiceExt;

/// A handler that takes one can't be reached by a person who is not verified: it is made of an `Active` alone.
struct Verified(Active);

#[async_trait]
impl<S: Sync> FromRequestParts<S> for Verified {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let active = Active::from_parts(parts).await;
        active.map(Self).map_err(|denied| denied.into_http().map(Body::new))
    }
}

async fn vault(Verified(person): Verified) -> String {
    person.identity().identity_id.as_str().to_owned()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let incode = ours::build().await?;
    // Finds the user by asynchronous code, which extractors of axum 0.8 can't be here.
    let user = |_: &Parts| std::future::ready(Ok::<Option<&str>, incode::core::http::Reply>(None));
    let app = Router::new()
        .route("/vault", get(vault))
        .route("/gated", post(async || "open").route_layer(GateLayer::active()))
        .layer(IncodeLayer::new(incode).identify_by_head(user));
    for (method, path) in [("GET", "/vault"), ("POST", "/gated"), ("POST", "/incode/webhook")] {
        let request = Request::builder().method(method).uri(path).body(Body::from("x"))?;
        let status = app.clone().oneshot(request).await?.status();
        let refused = if path == "/incode/webhook" { StatusCode::BAD_REQUEST } else { StatusCode::UNAUTHORIZED };
        assert_eq!(status, refused, "{path}");
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://localhost:{}/vault", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}
