//! `/livez`, `/healthz` and `/metrics` on a port of their own, where `OPS_BIND` names one. A deployment then shows them to
//! the cluster and not to the world: metrics show how many people are refused, and why.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use incode_core::http::Reply;
use tower::service_fn;

use crate::refusal::not_found;
use crate::{Site, serve};

pub(crate) async fn serve_ops(
    listener: TcpListener,
    site: Arc<Site>,
    stopped: impl Future<Output = ()>,
) -> io::Result<()> {
    let app = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(response(answer(&site, &request).await)) }
    });
    serve(listener, app, stopped).await
}

async fn answer(site: &Site, request: &Request<Incoming>) -> Reply {
    match (request.method().as_str(), request.uri().path()) {
        ("GET" | "HEAD", "/livez") => site.livez(),
        ("GET" | "HEAD", "/healthz") => site.health_reply().await,
        ("GET" | "HEAD", "/metrics") => site.metrics_reply(),
        _ => not_found().reply(),
    }
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, &**value);
    }
    response.body(Full::new(reply.body)).unwrap_or_default()
}
