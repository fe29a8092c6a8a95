//! One request to a gated route, in process, on axum and actix-web; bare, through layers that do nothing, and gated.

use std::convert::Infallible;
use std::future::poll_fn;
use std::hint::black_box;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Service as ActixService, ServiceResponse};
use actix_web::{App, HttpResponse, test, web};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, Response};
use incode_actix::{GateMiddleware, IncodeMiddleware};
use incode_core::client::Client;
use incode_core::identity::{Identity, Link, LinkProof, LinkedIdentity, SubjectState};
use incode_core::model::{AttestationStatus, IdentityStatus};
use incode_core::store::StoreFuture;
use incode_core::webhook::Authenticity;
use incode_core::{Clock, IdentityId, Incode, ObjectId, Secret, Subject, SystemClock};
use incode_tower::{GateLayer, IncodeLayer, SubjectSource};
use tower::{Layer, Service};

use super::partial_store::{Part, PartialStore};

pub(crate) const AXUM_CASES: [&str; 8] = [
    "axum: bare",
    "axum: no-op outside",
    "axum: layer outside",
    "axum: layer and gate outside",
    "axum: no-op in one Router::layer",
    "axum: layer and gate in one Router::layer",
    "axum: no-ops in Router::layer and route_layer",
    "axum: layer in Router::layer, gate in route_layer",
];

pub(crate) const ACTIX_CASES: [&str; 4] = [
    "actix: bare",
    "actix: no-op around the app",
    "actix: layer around the app",
    "actix: layer and gate around the app",
];

/// Does a case so many times, for one identity that is known from the first time on.
pub(crate) fn repeat(case: &str, times: u32) {
    if case.starts_with("axum") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(repeat_axum(case, times));
    } else {
        actix_web::rt::System::new().block_on(repeat_actix(case, times));
    }
}

async fn repeat_axum(case: &str, times: u32) {
    let incode = IncodeLayer::new(incode(10).await);
    let gate = GateLayer::active();
    match case {
        "axum: bare" => send(router(), times).await,
        "axum: no-op outside" => send(Noop.layer(router()), times).await,
        "axum: layer outside" => send(incode.layer(router()), times).await,
        "axum: layer and gate outside" => send(incode.layer(gate.layer(router())), times).await,
        "axum: no-op in one Router::layer" => send(router().layer(Noop), times).await,
        "axum: layer and gate in one Router::layer" => send(router().layer((incode, gate)), times).await,
        "axum: no-ops in Router::layer and route_layer" => {
            send(router().route_layer(Noop).layer(Noop), times).await;
        }
        "axum: layer in Router::layer, gate in route_layer" => {
            send(router().route_layer(gate).layer(incode), times).await;
        }
        other => panic!("no such case: {other}"),
    }
}

async fn repeat_actix(case: &str, times: u32) {
    let incode = IncodeMiddleware::new(incode(10).await);
    let request = || {
        let request = test::TestRequest::get()
            .uri(PATH)
            .insert_header(("host", "app.example"))
            .insert_header(("user-agent", USER_AGENT))
            .insert_header(("accept", ACCEPT))
            .insert_header(("cookie", "theme=dark; sid=user-000000000000; lang=en"));
        request.to_request()
    };
    let app = || App::new().route(PATH, web::get().to(async || HttpResponse::Ok().body("ok")));
    match case {
        "actix: bare" => send_actix(test::init_service(app()).await, request, times).await,
        "actix: no-op around the app" => {
            let app = app().wrap_fn(|request, service| service.call(request));
            send_actix(test::init_service(app).await, request, times).await;
        }
        "actix: layer around the app" => send_actix(test::init_service(app().wrap(incode)).await, request, times).await,
        "actix: layer and gate around the app" => {
            let app = app().wrap(GateMiddleware::active()).wrap(incode);
            send_actix(test::init_service(app).await, request, times).await;
        }
        other => panic!("no such case: {other}"),
    }
}

async fn send<S, B>(mut service: S, times: u32)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    for _ in 0..times {
        answer(&mut service, "user-000000000000").await;
    }
}

/// One request of a subject, which must pass.
pub(crate) async fn answer<S, B>(service: &mut S, subject: &str)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
    let request = Request::get(PATH)
        .header("host", "app.example")
        .header("user-agent", USER_AGENT)
        .header("accept", ACCEPT)
        .header("cookie", format!("theme=dark; sid={subject}; lang=en"));
    let Ok(response) = service.call(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 200);
    black_box(response);
}

async fn send_actix<S, R, B>(service: S, request: impl Fn() -> R, times: u32)
where
    S: ActixService<R, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    for _ in 0..times {
        let response = service.call(request()).await.unwrap();
        assert_eq!(response.status(), 200);
        black_box(response);
    }
}

pub(crate) fn router() -> Router {
    Router::new().route(PATH, get(async || "ok"))
}

/// With a near cache of `capacity` subjects, and a store in which every user is ACTIVE. What is known stays known for
/// longer than any run takes.
pub(crate) async fn incode(capacity: usize) -> Incode {
    // Never asked: there are no events.
    let client = Client::builder("http://127.0.0.1:9", Secret::from("a-key")).build().unwrap();
    let builder = Incode::builder()
        .client(client)
        .webhook_authenticity(Authenticity::fetch_back())
        .store(PartialStore(EverybodyActive))
        .subjects(SubjectSource::cookie("sid", |value| Some(value.into())))
        .near_cache_capacity(capacity)
        .near_cache_lifetime(Duration::from_secs(24 * 60 * 60));
    builder.build().await.unwrap()
}

/// Keeps nothing, so that what memory grows by is the near cache's.
struct EverybodyActive;

impl Part for EverybodyActive {
    fn subject(&self, subject: Subject) -> StoreFuture<'_, SubjectState> {
        let now = SystemClock.now();
        let identity_id = IdentityId::new("64bb17ff915ccccb85bb45b7").unwrap();
        let mut identity = Identity::new(identity_id.clone(), IdentityStatus::Active, now);
        identity.verification_id = Some(ObjectId::new("64bb17ff915ccccb85bb45b8").unwrap());
        identity.verified_at = Some(now);
        identity.attestation = Some(AttestationStatus::Ok);
        let link = Link::new(subject, identity_id, LinkProof::Flow, now);
        let mut state = SubjectState::default();
        state.linked = Some(LinkedIdentity { link, identity });
        Box::pin(async { Ok(state) })
    }
}

/// A layer that does nothing: what having one costs by itself.
#[derive(Clone, Copy)]
struct Noop;

#[derive(Clone)]
struct NoopService<S>(S);

impl<S> Layer<S> for Noop {
    type Service = NoopService<S>;

    fn layer(&self, inner: S) -> NoopService<S> {
        NoopService(inner)
    }
}

impl<R, S: Service<R>> Service<R> for NoopService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

const PATH: &str = "/account";
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
