//! tower's contract: a service is called only after it said ready, and it is that very service which is called.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use incode_core::Incode;
use incode_core::client::Client;
use incode_core::gate::SubjectSource;
use incode_core::webhook::Authenticity;
use incode_tower::{GateLayer, IncodeLayer};
use tower::{Layer, Service, ServiceExt};

/// Panics when called without having been polled ready; a clone has promised nothing.
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<Request<Empty<Bytes>>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        ready(Ok(Response::new(Full::from("reached"))))
    }
}

async fn incode() -> Incode {
    Incode::builder()
        .client(Client::builder("http://127.0.0.1:9", "key").build().unwrap())
        .webhook_authenticity(Authenticity::fetch_back())
        .subjects(SubjectSource::trusted_header("x-user"))
        .memory()
        .build()
        .await
        .unwrap()
}

fn request(user: Option<&str>) -> Request<Empty<Bytes>> {
    let mut request = Request::builder().uri("/somewhere");
    if let Some(user) = user {
        request = request.header("x-user", user);
    }
    request.body(Empty::new()).unwrap()
}

#[tokio::test]
async fn the_ready_service_is_the_one_called() {
    let mut service = IncodeLayer::new(incode().await).layer(Strict { ready: false });
    // No subject and a known subject pass at once; an unknown one is loaded first. Twice each, over one service.
    for user in [None, Some("ana"), Some("ana"), Some("ben"), None, Some("carla"), Some("ana")] {
        let response = service.ready().await.unwrap().call(request(user)).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "reached");
    }
}

#[tokio::test]
async fn calls_that_overlap_keep_the_contract_too() {
    let mut service = IncodeLayer::new(incode().await).layer(Strict { ready: false });
    let mut waiting = Vec::new();
    for index in 0..20 {
        let user = format!("user-{}", index % 5);
        waiting.push(service.ready().await.unwrap().call(request(Some(&user))));
    }
    for response in futures_util::future::join_all(waiting).await {
        assert_eq!(response.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_gate_keeps_the_contract_and_denies_without_calling() {
    let gated = GateLayer::active().layer(Strict { ready: false });
    let mut service = IncodeLayer::new(incode().await).layer(gated);
    for (user, status) in [(None, 401), (Some("ana"), 403), (Some("ana"), 403)] {
        let response = service.ready().await.unwrap().call(request(user)).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
    }
}

#[tokio::test]
async fn any_body_goes_in_and_any_comes_out() {
    type Chunk = Result<http_body::Frame<Bytes>, std::io::Error>;
    let streamed = || {
        let chunks: [Chunk; 2] = [Ok(http_body::Frame::data(Bytes::from("a"))), Ok(http_body::Frame::data("b".into()))];
        StreamBody::new(futures_util::stream::iter(chunks))
    };
    let boxed = tower::service_fn(move |_: Request<UnsyncBoxBody<Bytes, std::io::Error>>| async move {
        Ok::<_, Infallible>(Response::new(streamed()))
    });
    let service = IncodeLayer::new(incode().await).layer(boxed);
    let request = Request::builder().header("x-user", "ana").body(streamed().boxed_unsync()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ab");
}

#[tokio::test]
async fn what_others_left_in_the_request_stays() {
    #[derive(Clone, PartialEq, Debug)]
    struct Upgrade(u8);
    let inner = tower::service_fn(|request: Request<Empty<Bytes>>| async move {
        assert_eq!(request.extensions().get(), Some(&Upgrade(7)));
        assert_eq!((request.method().as_str(), request.uri().path()), ("GET", "/somewhere"));
        let mut response = Response::new(Full::<Bytes>::default());
        response.extensions_mut().insert(Upgrade(8));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        Ok::<_, Infallible>(response)
    });
    let mut service = IncodeLayer::new(incode().await).layer(inner);
    for user in [None, Some("ana"), Some("ana")] {
        let mut request = request(user);
        request.extensions_mut().insert(Upgrade(7));
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.extensions().get(), Some(&Upgrade(8)));
    }
}
