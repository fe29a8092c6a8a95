use std::convert::Infallible;
use std::net::TcpListener;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use incode_core::gate::{self, Requirement};
use incode_core::http::Reply;
use incode_core::identity::Identity;
use incode_core::{SessionHash, Subject};
use incode_tower::{GateLayer, HttpHead, IncodeLayer, answer_early, resolve_visitor, response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{JoinHandle, JoinSet};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::foreign;
use crate::identified::{Login, OWN_ANSWER, StoreDown};

use super::axum::cors;
use super::{ASSET, CACHED, OUTER, PASSED, SESSION, Shape, Transfer, gated, greeting, held_open, next_change, page};

type Answer = Response<UnsyncBoxBody<Bytes, axum::Error>>;

pub(super) fn serve(listener: TcpListener, shape: Shape) -> JoinHandle<()> {
    let app = service_fn(route);
    match shape {
        Shape::Bare => accept(listener, app),
        Shape::Layered(incode) => accept(listener, IncodeLayer::new(incode).layer(app)),
        Shape::Identified(incode) => accept(listener, IncodeLayer::new(incode).identify_by_head(user).layer(app)),
        Shape::GateOutside(incode) => accept(listener, GateLayer::active().layer(IncodeLayer::new(incode).layer(app))),
        // CORS answers preflights with a body of the app's type, and so with one that can be made of nothing.
        Shape::Cors(incode) => accept(listener, cors().layer(IncodeLayer::new(incode).layer(app).map_response(whole))),
    }
}

fn user(head: &Parts) -> impl Future<Output = Result<Option<(String, SessionHash)>, Reply>> + Send + use<> {
    let login = Login::of(|name| head.headers.get(name).map(HeaderValue::as_bytes));
    let (status, (name, value), content_type, body) = OWN_ANSWER;
    async move {
        let user = login.user().await;
        user.map_err(|StoreDown| Reply::new(status).header(name, value).body(content_type, body))
    }
}

/// A body that tower-http can make by default.
fn whole<B>(response: Response<B>) -> Response<axum::body::Body>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    response.map(axum::body::Body::new)
}

fn accept<S, B>(listener: TcpListener, service: S) -> JoinHandle<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let service = service.map_request(authenticate).map_response(stamp);
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let service = service.clone().map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request
            });
            let service = TowerToHyperService::new(service);
            connections.spawn(async move {
                // A client that hangs up is none of the server's business.
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let _ = connection.with_upgrades().await;
            });
        }
    })
}

async fn route(request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    if let Some((_, requirement)) = gated().into_iter().find(|(gated, _)| *gated == path) {
        let gate = GateLayer::new(requirement).layer(service_fn(passed));
        return gate.oneshot(request).await.map(never_fails);
    }
    // What axum nests, by hand: the stricter gate is inside the other.
    if path == "/members" || path.starts_with("/members/") {
        let gate = GateLayer::active();
        return if path.starts_with("/members/inner") {
            let inner = GateLayer::new(Requirement::active().attested()).layer(service_fn(passed));
            gate.layer(inner).oneshot(request).await.map(never_fails)
        } else {
            gate.layer(service_fn(passed)).oneshot(request).await.map(never_fails)
        };
    }
    let gate = GateLayer::active();
    if EXTRACTING.contains(&path.as_str()) {
        let (mut parts, body) = request.into_parts();
        if let Err(own) = resolve_visitor(&mut parts).await {
            return Ok(boxed(answer_early(&parts, body, *own)));
        }
        if path == "/upload" {
            return Ok(upload(&parts, body));
        }
        return extracting(Request::from_parts(parts, body)).await;
    }
    match path.as_str() {
        "/asset" => Ok(text(ASSET.to_owned())),
        "/both" => gate.layer(service_fn(both)).oneshot(request).await.map(never_fails),
        "/stream" => gate.layer(service_fn(streamed)).oneshot(request).await.map(never_fails),
        "/cached" => gate.layer(service_fn(cached)).oneshot(request).await.map(never_fails),
        "/socket" => gate.layer(service_fn(socket)).oneshot(request).await.map(never_fails),
        "/shut-to-preflights" => gate.layer(service_fn(method)).oneshot(request).await.map(never_fails),
        "/open-to-preflights" => {
            gate.passing_preflights().layer(service_fn(method)).oneshot(request).await.map(never_fails)
        }
        _ => Ok(missing()),
    }
}

/// What an extractor would ask for the visitor by.
const EXTRACTING: [&str; 8] =
    ["/open", "/active-extractor", "/upload", "/maybe", "/option", "/met", "/in-handler", "/changed"];

fn upload(parts: &Parts, body: Incoming) -> Answer {
    match gate::active(parts.extensions.get(), &HttpHead::from(parts)) {
        Ok(_) => text(PASSED.to_owned()),
        Err(reply) => boxed(answer_early(parts, body, response(reply))),
    }
}

async fn extracting(request: Request<Incoming>) -> Result<Answer, Infallible> {
    if request.uri().path() == "/changed" {
        let visitor = gate::visitor(request.extensions().get(), &HttpHead::from(&request));
        return Ok(match visitor {
            Ok(visitor) => never_fails(sent(next_change(visitor))),
            Err(reply) => boxed(response(reply)),
        });
    }
    Ok(ungated(&request).unwrap_or_else(|reply| boxed(response(reply))))
}

fn missing() -> Answer {
    let mut missing = text(String::new());
    *missing.status_mut() = http::StatusCode::NOT_FOUND;
    missing
}

/// Two extractors behind a gate, by hand.
async fn both(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut parts, _) = request.into_parts();
    for _ in 0..2 {
        if let Err(own) = resolve_visitor(&mut parts).await {
            return Ok(*own);
        }
    }
    let person = gate::active(parts.extensions.get(), &HttpHead::from(&parts));
    Ok(person.map_or_else(response, |_| Response::new(Full::from(PASSED))))
}

fn ungated(request: &Request<Incoming>) -> Result<Answer, Reply> {
    let (visitor, head) = (request.extensions().get(), HttpHead::from(request));
    let id = |person: &Identity| text(person.identity_id.as_str().to_owned());
    Ok(match request.uri().path() {
        "/open" => text(page(&gate::visitor(visitor, &head)?)),
        "/active-extractor" => id(gate::active(visitor, &head)?.identity()),
        "/maybe" | "/option" => text(greeting(gate::maybe_active(visitor, &head)?.is_some()).to_owned()),
        "/met" => id(gate::satisfies::<Transfer>(visitor, &head)?.identity()),
        "/in-handler" => match gate::visitor(visitor, &head)?.require(&Requirement::active()) {
            Ok(()) => text(PASSED.to_owned()),
            Err(denial) => boxed(response(denial.into_reply())),
        },
        _ => missing(),
    })
}

/// Takes an upgrade, and sends back what comes, whatever it means.
async fn socket(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            if stream.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in [("connection", "upgrade"), ("upgrade", "websocket")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

async fn streamed(request: Request<Incoming>) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    Ok(match gate::visitor(request.extensions().get(), &HttpHead::from(&request)) {
        Ok(visitor) => sent(held_open(&visitor)),
        Err(reply) => response(reply).map(BodyExt::boxed_unsync),
    })
}

fn sent(
    chunks: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    Response::new(BodyExt::boxed_unsync(StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data)))))
}

async fn cached(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from(PASSED));
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static(CACHED));
    Ok(response)
}

async fn method(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(request.method().to_string())))
}

async fn passed(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from(PASSED));
    let method = if request.uri().path() == "/transfer" { Method::POST } else { Method::GET };
    if request.method() != method && request.method() != Method::HEAD {
        *response.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
    }
    Ok(response)
}

fn never_fails<B>(response: Response<B>) -> Answer
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}

fn text(text: String) -> Answer {
    boxed(Response::new(Full::from(text)))
}

fn boxed(response: Response<Full<Bytes>>) -> Answer {
    response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}

fn authenticate(mut request: Request<Incoming>) -> Request<Incoming> {
    let subject = request.headers().get(SESSION).and_then(|value| Subject::new(value.to_str().ok()?).ok());
    if let Some(subject) = subject {
        request.extensions_mut().insert(subject);
    }
    if let Some(visitor) = foreign::left().filter(|_| request.headers().contains_key(foreign::HEADER)) {
        request.extensions_mut().insert(visitor);
    }
    request
}

fn stamp<B>(mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(HeaderName::from_static(OUTER.0), HeaderValue::from_static(OUTER.1));
    response
}
