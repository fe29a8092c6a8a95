use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use incode_core::gate::Rule;
use tower_service::Service;

use super::GateFuture;
use crate::body::ResponseBody;
use crate::head::RequestHead;

/// The service of [`GateLayer`](super::GateLayer).
#[derive(Clone, Debug)]
pub struct Gate<S> {
    inner: S,
    rule: Rule,
}

impl<S> Gate<S> {
    pub(super) fn new(inner: S, rule: Rule) -> Self {
        Self { inner, rule }
    }
}

impl<S, B, R> Service<Request<B>> for Gate<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.rule.check(request.extensions().get(), &RequestHead::from(&request)) {
            Ok(()) => GateFuture::pass(self.inner.call(request)),
            Err(reply) => GateFuture::deny(reply),
        }
    }
}
