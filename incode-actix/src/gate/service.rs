use std::rc::Rc;

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, forward_ready};
use incode_core::gate::GatePolicy;

use super::GateFuture;
use crate::body;
use crate::head::ActixHead;
use crate::identify::pending;

/// The service of [`GateMiddleware`](super::GateMiddleware).
#[derive(Clone, Debug)]
pub struct Gate<S> {
    /// Shared with the requests whose visitor is being resolved. The one that was polled ready, not a copy of it.
    inner: Rc<S>,
    policy: GatePolicy,
}

impl<S> Gate<S> {
    pub(super) fn new(inner: S, policy: GatePolicy) -> Self {
        Self { inner: Rc::new(inner), policy }
    }
}

impl<S, B> Service<ServiceRequest> for Gate<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Future = GateFuture<S>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let head = ActixHead::from(request.request());
        let visitor = head.visitor();
        if visitor.is_none()
            && let Some(later) = pending(request.request())
        {
            let asks = self.policy.asks_for_visitor(&head);
            drop(head);
            return match asks {
                true => GateFuture::resolve(later, self.policy.clone(), Rc::clone(&self.inner), request),
                false => GateFuture::pass(self.inner.call(request)),
            };
        }
        let verdict = self.policy.check(visitor, &head);
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
