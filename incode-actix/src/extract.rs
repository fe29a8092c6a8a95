use std::fmt;
use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, ResponseError};
use incode_core::gate::{self, Denial};
use incode_core::http::Reply;
use incode_core::identity::Identity;

use crate::head::RequestHead;
use crate::reply::response;

/// Extractor: who asks, and how they stand. Passes everybody; look at
/// [`standing`](incode_core::gate::Visitor::standing), or ask with [`require`](incode_core::gate::Visitor::require).
///
/// Rejects only where [`IncodeMiddleware`](crate::IncodeMiddleware) is missing: 500, and a log line that says so.
#[derive(Clone, Debug)]
pub struct Visitor(pub gate::Visitor);

impl FromRequest for Visitor {
    type Error = Denied;
    type Future = Ready<Result<Self, Denied>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(gate::visitor(RequestHead::from(request).visitor()).cloned().map(Self).map_err(Denied))
    }
}

impl Deref for Visitor {
    type Target = gate::Visitor;

    fn deref(&self) -> &gate::Visitor {
        &self.0
    }
}

/// Extractor: a visitor whose identity is ACTIVE. A handler that takes one can't be reached by anybody else.
#[derive(Clone, Debug)]
pub struct Active(gate::Active);

impl Active {
    /// The identity, which is ACTIVE.
    pub fn identity(&self) -> &Identity {
        self.0.identity()
    }

    /// The visitor.
    pub fn visitor(&self) -> &gate::Visitor {
        self.0.visitor()
    }
}

impl FromRequest for Active {
    type Error = Denied;
    type Future = Ready<Result<Self, Denied>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let head = RequestHead::from(request);
        ready(gate::active(head.visitor(), &head).map(Self).map_err(Denied))
    }
}

/// The reply to somebody who may not pass. Handlers return it, alone or as the error of
/// `visitor.require(..).map_err(Denied::from)?`.
#[derive(Clone)]
pub struct Denied(Reply);

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        Self(denial.into_reply())
    }
}

impl Responder for Denied {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        response(self.0)
    }
}

impl ResponseError for Denied {
    fn status_code(&self) -> StatusCode {
        self.error_response().status()
    }

    fn error_response(&self) -> HttpResponse {
        response(self.0.clone())
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered with {}", self.0.status)
    }
}

/// The status alone: loggers print the errors of handlers, and the body may repeat the query.
impl fmt::Debug for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denied").field("status", &self.0.status).finish_non_exhaustive()
    }
}
