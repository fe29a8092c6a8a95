use std::cell::Cell;
use std::rc::Rc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, forward_ready};
use actix_web::{HttpMessage, HttpRequest};
use incode_core::Incode;
use incode_core::adapter::Resolved;

use super::IncodeFuture;
use crate::head::ActixHead;
use crate::identify::{Identify, Route, later};
use crate::routes::shadowed;

/// The service of [`IncodeMiddleware`](super::IncodeMiddleware).
#[derive(Clone, Debug)]
pub struct IncodeService<S> {
    /// Shared with the requests that wait for a standing. The one that was polled ready, not a copy of it.
    inner: Rc<S>,
    incode: Incode,
    identify: Option<Identify>,
    /// Whether other services take the requests to the mounted routes: looked at once, by the first request.
    is_checked: Cell<bool>,
}

impl<S> IncodeService<S> {
    pub(super) fn new(inner: S, incode: Incode, identify: Option<Identify>) -> Self {
        Self { inner: Rc::new(inner), incode, identify, is_checked: Cell::new(false) }
    }

    #[cold]
    fn check(&self, request: &HttpRequest) {
        self.is_checked.set(true);
        if let Some(path) = shadowed(&self.incode, request) {
            self.incode.notice_shadowed(path);
        }
    }
}

impl<S, B> Service<ServiceRequest> for IncodeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Future = IncodeFuture<S>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if !self.is_checked.get() {
            self.check(request.request());
        }
        if let Some(identify) = &self.identify {
            return match identify.begin(&self.incode, request.request()) {
                Some(route) => IncodeFuture::answer(route, request),
                None => IncodeFuture::pass(&self.inner, request),
            };
        }
        let head = ActixHead::from(request.request());
        if let Some(route) = self.incode.open(&head) {
            drop(head);
            return IncodeFuture::answer(Route::Open(route), request);
        }
        self.incode.notice_outer(head.visitor());
        let visit = self.incode.visit(&head);
        drop(head);
        match visit {
            Resolved::Ready(visitor) => {
                request.extensions_mut().insert(visitor);
                IncodeFuture::pass(&self.inner, request)
            }
            Resolved::OnDemand(visitor) => {
                later(&self.incode, visitor, request.request());
                IncodeFuture::pass(&self.inner, request)
            }
            Resolved::Pending(load) => IncodeFuture::load(load, Rc::clone(&self.inner), request),
        }
    }
}
