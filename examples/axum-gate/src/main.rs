//! An axum app whose vault opens when Incode says so.
//!
//! [`IncodeLayer`] goes around everything, [`GateLayer`] around what only the right people may reach, and the
//! extractors [`Visitor`] and [`Active`] bring the person to the handlers. What the pages say is in `gate-kit`.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderValue;
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use gate_kit::{RequestContext, Site};
use incode_tower::{Active, AdminService, GateLayer, IncodeLayer, Visitor, response};

#[tokio::main]
async fn main() -> ExitCode {
    gate_kit::run("axum-gate", serve).await
}

async fn serve(listener: TcpListener, site: Arc<Site>) -> io::Result<()> {
    let base = site.base().clone();
    gate_kit::serve(listener, base.around(app(site)), gate_kit::stopped()).await
}

fn app(site: Arc<Site>) -> Router {
    let incode = IncodeLayer::new(site.incode().clone());
    Router::new()
        .route("/", get(page))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/me", get(me))
        .route("/verify", get(verify))
        .route("/vault", get(vault).route_layer(GateLayer::active()))
        .route("/transfer", post(transfer).route_layer(GateLayer::new(Site::TRANSFER)))
        .route("/face", post(face))
        .route("/livez", get(livez))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .fallback(unrouted)
        .method_not_allowed_fallback(unrouted)
        .merge(admin(&site))
        .with_state(site)
        .layer(incode)
}

/// Without a guard of its own, so behind ours.
fn admin(site: &Arc<Site>) -> Router<Arc<Site>> {
    Router::new()
        .nest_service("/admin", AdminService::behind_guard(site.incode().clone()))
        .route_layer(from_fn_with_state(Arc::clone(site), guard))
}

type App = State<Arc<Site>>;

async fn page(State(site): App, Visitor(visitor): Visitor, Context(context): Context) -> Response {
    response(site.page(&visitor, &context)).into_response()
}

/// The last page before the vendor's own: it names the account.
async fn verify(State(site): App, Visitor(visitor): Visitor, Context(context): Context) -> Response {
    response(site.verify(&visitor, &context)).into_response()
}

async fn login(State(site): App, Context(context): Context, body: Body) -> Response {
    response(site.login(&context, body.into_data_stream()).await).into_response()
}

async fn logout(State(site): App, Context(context): Context) -> Response {
    response(site.logout(&context)).into_response()
}

async fn me(State(site): App, visitor: Visitor) -> Response {
    response(site.me(&visitor)).into_response()
}

/// The gate has let the visitor pass; taking an [`Active`] makes the compiler agree.
async fn vault(State(site): App, active: Active, Context(context): Context) -> Response {
    response(site.vault(active.visitor(), active.identity(), &context)).into_response()
}

async fn transfer(State(site): App, Visitor(visitor): Visitor, Context(context): Context) -> Response {
    response(site.transfer(&visitor, &context)).into_response()
}

async fn face(State(site): App, Visitor(visitor): Visitor, Context(context): Context, body: Body) -> Response {
    response(site.face(&visitor, &context, body.into_data_stream()).await).into_response()
}

async fn livez(State(site): App) -> Response {
    response(site.livez()).into_response()
}

async fn healthz(State(site): App, Context(context): Context) -> Response {
    response(site.healthz(&context).await).into_response()
}

async fn metrics(State(site): App, Context(context): Context) -> Response {
    response(site.metrics(&context)).into_response()
}

async fn guard(State(site): App, Context(context): Context, mut request: Request, next: Next) -> Response {
    match site.admit(&context) {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(refusal) => response(refusal).into_response(),
    }
}

async fn unrouted(State(site): App, Context(context): Context) -> Response {
    response(site.unrouted(&context)).into_response()
}

/// Extractor: what the shared pages read of a request.
struct Context(RequestContext);

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let header = |name| parts.headers.get(name).map(HeaderValue::as_bytes);
        let context = RequestContext::new(parts.method.as_str(), parts.uri.path(), parts.uri.query(), header);
        Ok(Self(context.with_cookies(parts.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes))))
    }
}
