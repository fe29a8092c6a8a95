use std::mem;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use incode_core::Incode;
use incode_core::adapter::Resolved;
use tower_service::Service;

use super::IncodeFuture;
use crate::body::{Chunks, ResponseBody, discard_unread};
use crate::head::HttpHead;
use crate::identify::{Identify, answer_route, later};

/// The service of [`IncodeLayer`](super::IncodeLayer).
#[derive(Clone, Debug)]
pub struct IncodeService<S> {
    inner: S,
    incode: Incode,
    identify: Option<Identify>,
}

impl<S> IncodeService<S> {
    pub(super) fn new(inner: S, incode: Incode, identify: Option<Identify>) -> Self {
        Self { inner, incode, identify }
    }
}

impl<S, B, R> Service<Request<B>> for IncodeService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    B: Body + Send + 'static,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = IncodeFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(identify) = &self.identify {
            return match identify.begin(&self.incode, request) {
                Ok((request, left)) => IncodeFuture::pass(self.inner.call(request), left),
                Err(answer) => IncodeFuture::answer(answer),
            };
        }
        let head = HttpHead::from(&request);
        if let Some(route) = self.incode.open(&head) {
            return IncodeFuture::answer(answer_route(route, Chunks::new(request)));
        }
        self.incode.notice_outer(request.extensions().get());
        let visit = self.incode.visit(&head);
        let (mut request, left) = discard_unread(request);
        match visit {
            Resolved::Ready(visitor) => {
                request.extensions_mut().insert(visitor);
                IncodeFuture::pass(self.inner.call(request), left)
            }
            Resolved::OnDemand(visitor) => {
                let request = later(&self.incode, visitor, request);
                IncodeFuture::pass(self.inner.call(request), left)
            }
            Resolved::Pending(load) => {
                // The service that was polled ready goes with the request; its clone has promised nothing yet.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                IncodeFuture::load(load, ready, request, left)
            }
        }
    }
}
