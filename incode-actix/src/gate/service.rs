use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, forward_ready};
use incode_core::gate::GatePolicy;

use super::GateFuture;
use crate::body;
use crate::head::ActixHead;

/// The service of [`GateMiddleware`](super::GateMiddleware).
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

impl<S, B> Service<ServiceRequest> for Gate<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Future = GateFuture<S::Future>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let head = ActixHead::from(request.request());
        let verdict = self.policy.check(head.visitor(), &head);
        drop(head);
        match verdict {
            Ok(()) => GateFuture::pass(self.inner.call(request)),
            Err(reply) => {
                let (request, unread) = request.into_parts();
                GateFuture::deny(ServiceResponse::new(request, body::answer(reply, unread)))
            }
        }
    }
}
