use std::fmt;
use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, ResponseError};
use incode_core::adapter::Reply;
use incode_core::gate::{self, Denial, Policy};
use incode_core::identity::Identity;

use crate::head::ActixHead;
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
        let head = ActixHead::from(request);
        ready(gate::visitor(head.visitor(), &head).map(Self).map_err(Denied))
    }
}

impl Deref for Visitor {
    type Target = gate::Visitor;

    fn deref(&self) -> &gate::Visitor {
        &self.0
    }
}

/// Extractor: a visitor whose identity is ACTIVE. A handler that takes one can't be reached by anybody else.
///
/// ```
/// use incode_actix::Active;
/// async fn vault(person: Active) -> String {
///     format!("verified: {:?}", person.identity().verified_at)
/// }
/// # let _ = actix_web::web::get().to(vault);
/// ```
/// Nobody else makes one, and a visitor is none:
/// ```compile_fail,E0308
/// use incode_actix::{Active, Visitor};
/// async fn open(visitor: Visitor) -> String {
///     vault(visitor).await
/// }
/// async fn vault(person: Active) -> String {
///     format!("verified: {:?}", person.identity().verified_at)
/// }
/// ```
/// Where there may be none, take a [`MaybeActive`]: actix-web's own `Option` would take every refusal for a `None`, that
/// of a store that does not answer too.
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
        let head = ActixHead::from(request);
        ready(gate::active(head.visitor(), &head).map(Self).map_err(Denied))
    }
}

/// Extractor: an [`Active`] if there is one, for pages that are open to everybody and look different to some.
///
/// `None` for nobody and for whoever is not ACTIVE. While the store does not answer it rejects with 503: "not verified"
/// would be a guess.
#[derive(Clone, Debug)]
pub struct MaybeActive(pub Option<Active>);

impl FromRequest for MaybeActive {
    type Error = Denied;
    type Future = Ready<Result<Self, Denied>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let head = ActixHead::from(request);
        ready(gate::maybe_active(head.visitor(), &head).map(|active| Self(active.map(Active))).map_err(Denied))
    }
}

/// Extractor: a visitor who meets the requirement that `R` stands for. A handler that takes one can't be reached by
/// anybody else, wherever it is mounted.
///
/// ```
/// use std::time::Duration;
/// use incode_actix::{Satisfies, Requirement, Policy};
///
/// struct Transfer;
///
/// impl Policy for Transfer {
///     fn requirement() -> Requirement {
///         Requirement::active().face_authenticated_within(Duration::from_secs(300)).named("transfer")
///     }
/// }
///
/// async fn transfer(person: Satisfies<Transfer>) -> String {
///     format!("confirmed: {:?}", person.identity().face_authenticated_at)
/// }
/// # let _ = actix_web::web::post().to(transfer);
/// ```
pub struct Satisfies<R>(gate::Satisfies<R>);

impl<R> Satisfies<R> {
    /// The identity, which is ACTIVE.
    pub fn identity(&self) -> &Identity {
        self.0.identity()
    }

    /// The visitor.
    pub fn visitor(&self) -> &gate::Visitor {
        self.0.visitor()
    }

    /// The lesser proof that every requirement includes.
    pub fn active(&self) -> Active {
        Active(self.0.active().clone())
    }
}

impl<R: Policy> FromRequest for Satisfies<R> {
    type Error = Denied;
    type Future = Ready<Result<Self, Denied>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let head = ActixHead::from(request);
        ready(gate::satisfies(head.visitor(), &head).map(Self).map_err(Denied))
    }
}

impl<R> Clone for Satisfies<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R> fmt::Debug for Satisfies<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The reply to somebody who may not pass. Handlers return it, alone or as the error of
/// `visitor.require(..).map_err(Denied::from)?`.
///
/// actix-web drops the body of a request that an extractor refused, and reads a chunked one to its end, however long it
/// is. On a route that takes uploads, wrap a [`GateMiddleware`](crate::GateMiddleware).
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
