use std::convert::Infallible;
use std::net::TcpListener;

use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use incode_core::gate::{self, Requirement};
use incode_core::http::Reply;
use incode_core::{Incode, Subject};
use incode_tower::{Active, GateLayer, IncodeLayer, RequestHead, response};
use tokio::task::{JoinHandle, JoinSet};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{OUTER, PASSED, SESSION, gated, page};

type Answer = Response<UnsyncBoxBody<Bytes, axum::Error>>;

pub(super) fn serve(listener: TcpListener, incode: Option<Incode>) -> JoinHandle<()> {
    match incode {
        Some(incode) => accept(listener, IncodeLayer::new(incode).layer(service_fn(route))),
        None => accept(listener, service_fn(route)),
    }
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
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

async fn route(request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    if let Some((_, requirement)) = gated().into_iter().find(|(gated, _)| *gated == path) {
        let gate = GateLayer::new(requirement).layer(service_fn(passed));
        return Ok(gate.oneshot(request).await?.map(|body| body.map_err(|never| match never {}).boxed_unsync()));
    }
    Ok(match path.as_str() {
        "/open" => match visitor(&request) {
            Ok(visitor) => text(page(&visitor)),
            Err(reply) => boxed(response(reply)),
        },
        "/active-extractor" => {
            let mut parts = request.into_parts().0;
            match Active::from_request_parts(&mut parts, &()).await {
                Ok(person) => text(person.identity().identity_id.as_str().to_owned()),
                Err(denied) => denied.into_response().map(BodyExt::boxed_unsync),
            }
        }
        "/in-handler" => match visitor(&request) {
            Ok(visitor) => match visitor.require(&Requirement::active()) {
                Ok(()) => text(PASSED.to_owned()),
                Err(denial) => boxed(response(denial.into_reply())),
            },
            Err(reply) => boxed(response(reply)),
        },
        _ => {
            let mut missing = text(String::new());
            *missing.status_mut() = http::StatusCode::NOT_FOUND;
            missing
        }
    })
}

async fn passed(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from(PASSED));
    let method = if request.uri().path() == "/transfer" { Method::POST } else { Method::GET };
    if request.method() != method && request.method() != Method::HEAD {
        *response.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
    }
    Ok(response)
}

fn visitor(request: &Request<Incoming>) -> Result<gate::Visitor, Reply> {
    gate::visitor(request.extensions().get(), &RequestHead::from(request))
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
    request
}

fn stamp<B>(mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(HeaderName::from_static(OUTER.0), HeaderValue::from_static(OUTER.1));
    response
}
