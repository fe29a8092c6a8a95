use std::mem;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use incode_core::gate::GatePolicy;
use tower_service::Service;

use super::GateFuture;
use super::future::denial;
use crate::body::ResponseBody;
use crate::head::HttpHead;
use crate::identify::is_pending;

/// The service of [`GateLayer`](super::GateLayer).
#[derive(Clone, Debug)]
pub struct Gate<S> {
    inner: S,
    policy: GatePolicy,
}

impl<S> Gate<S> {
    pub(super) fn new(inner: S, policy: GatePolicy) -> Self {
        Self { inner, policy }
    }
}

impl<S, B, R> Service<Request<B>> for Gate<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    B: Body + Send + 'static,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = GateFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (visitor, head) = (request.extensions().get(), HttpHead::from(&request));
        if visitor.is_none() && is_pending(request.extensions()) {
            if !self.policy.asks_for_visitor(&head) {
                return GateFuture::pass(self.inner.call(request));
            }
            // The service that was polled ready goes with the request; its clone has promised nothing yet.
            let clone = self.inner.clone();
            let ready = mem::replace(&mut self.inner, clone);
            return GateFuture::resolve(self.policy.clone(), ready, request);
        }
        match self.policy.check(visitor, &head) {
            Ok(()) => GateFuture::pass(self.inner.call(request)),
            Err(reply) => {
                let (parts, body) = request.into_parts();
                GateFuture::deny(denial(&parts, body, reply))
            }
        }
    }
}
