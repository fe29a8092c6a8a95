use axum::Router;
use axum::extract::State;
use axum::handler::Handler;
use axum_core::body::Body;
use axum_core::extract::Request;
use axum_core::response::Response;
use incode_core::Incode;
use incode_core::http::Reply;

use crate::body::Chunks;
use crate::head::HttpHead;
use crate::identify::{Identify, answer_route};
use crate::reply::response;

/// The routes that [`IncodeLayer`](crate::IncodeLayer) answers, as a router: webhook, start, callback and token.
///
/// With them the webhook arrives wherever the layer is: merge them into the outermost router, without a prefix. axum then
/// refuses, at start, an application that has a route of its own at one of these paths. The layer is still what attaches
/// the visitor, and the login layer goes around both. Where the layer finds the user by
/// [`identify`](crate::IncodeLayer::identify), use the layer's own [`routes`](crate::IncodeLayer::routes).
///
/// If the public URL has a path, each route is there twice, with and without it: some proxies take the path off.
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use incode_tower::{Active, Incode, IncodeLayer};
///
/// fn app(incode: &Incode) -> Router {
///     let pages = Router::new().route("/vault", get(vault)).layer(IncodeLayer::new(incode.clone()));
///     Router::new().merge(incode_tower::routes(incode)).merge(pages)
/// }
///
/// async fn vault(_: Active) -> &'static str {
///     "verified"
/// }
/// ```
pub fn routes(incode: &Incode) -> Router {
    router(incode, None)
}

pub(crate) fn router(incode: &Incode, identify: Option<Identify>) -> Router {
    let routes = incode.mounts().fold(Router::new(), |router, path| {
        // Any method: core says which ones a route takes.
        router.route_service(&literal(path), answer.with_state((incode.clone(), identify.clone())))
    });
    routes.with_state(())
}

async fn answer(State((incode, identify)): State<(Incode, Option<Identify>)>, request: Request) -> Response {
    if let Some(identify) = identify {
        return match identify.begin(&incode, request) {
            Err(answer) => answer.await.map(Body::new),
            // The token endpoint of a policy that has no OAuth part.
            Ok(_) => response(Reply::new(404)).map(Body::new),
        };
    }
    match incode.open(&HttpHead::from(&request)) {
        Some(route) => answer_route(route, Chunks::new(request)).await.map(Body::new),
        // The token endpoint of a policy that has no OAuth part.
        None => response(Reply::new(404)).map(Body::new),
    }
}

/// A path in which nothing is a capture of axum's.
fn literal(path: &str) -> String {
    path.replace('{', "{{").replace('}', "}}")
}
