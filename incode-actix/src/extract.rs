use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, ResponseError};
use incode_core::adapter::Reply;
use incode_core::gate::{self, Denial, Policy};
use incode_core::identity::Identity;

use crate::head::ActixHead;
use crate::identify::{Answer, pending};

/// Extractor: the visitor of the request and their standing. Rejects no visitor; look at
/// [`standing`](incode_core::gate::Visitor::standing), or ask with [`require`](incode_core::gate::Visitor::require).
///
/// Rejects only where [`IncodeMiddleware`](crate::IncodeMiddleware) is missing: 500, and a log line that says so.
#[derive(Clone, Debug)]
pub struct Visitor(pub gate::Visitor);

impl FromRequest for Visitor {
    type Error = Denied;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Extracting::of(request, |head| gate::visitor(head.visitor(), head).map(Self))
    }
}

impl Deref for Visitor {
    type Target = gate::Visitor;

    fn deref(&self) -> &gate::Visitor {
        &self.0
    }
}

/// Extractor: a visitor whose identity is ACTIVE. No other visitor reaches a handler that takes one.
///
/// ```
/// use incode_actix::Active;
/// async fn vault(person: Active) -> String {
///     format!("verified: {:?}", person.identity().verified_at)
/// }
/// # let _ = actix_web::web::get().to(vault);
/// ```
/// Only the extractor creates one, and a `Visitor` can't be used in its place:
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
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Extracting::of(request, |head| gate::active(head.visitor(), head).map(Self))
    }
}

/// Extractor: an [`Active`] if there is one, for open pages that look different to verified visitors.
///
/// `None` without a subject and for a visitor who is not ACTIVE. While the store does not answer it rejects with 503:
/// "not verified" would be a guess.
#[derive(Clone, Debug)]
pub struct MaybeActive(pub Option<Active>);

impl FromRequest for MaybeActive {
    type Error = Denied;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Extracting::of(request, |head| gate::maybe_active(head.visitor(), head).map(|active| Self(active.map(Active))))
    }
}

/// Extractor: a visitor who meets the requirement of the policy `R`. No other visitor reaches a handler that takes one,
/// wherever it is mounted.
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
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Extracting::of(request, |head| gate::satisfies(head.visitor(), head).map(Self))
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

/// The future of an extractor. A visitor that is there already is extracted without a box.
pub struct Extracting<T>(State<T>);

enum State<T> {
    Ready(Option<Result<T, Denied>>),
    Resolve(Pin<Box<dyn Future<Output = Result<T, Denied>>>>),
}

impl<T: 'static> Extracting<T> {
    fn of(request: &HttpRequest, find: fn(&ActixHead<'_>) -> Result<T, Reply>) -> Self {
        let find =
            move |request: &HttpRequest| find(&ActixHead::from(request)).map_err(|reply| Denied(Answer::Core(reply)));
        let Some(later) = pending(request) else { return Self(State::Ready(Some(find(request)))) };
        let request = request.clone();
        Self(State::Resolve(Box::pin(async move {
            later.resolve_into(request.clone()).await.map_err(Denied)?;
            find(&request)
        })))
    }
}

/// Nothing in it is pinned in place.
impl<T> Unpin for Extracting<T> {}

impl<T> Future for Extracting<T> {
    type Output = Result<T, Denied>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // Polled again after it was ready, which no caller does.
            State::Ready(extracted) => extracted.take().map_or(Poll::Pending, Poll::Ready),
            State::Resolve(extracted) => extracted.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for Extracting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extracting").finish_non_exhaustive()
    }
}

/// The reply to a visitor who may not pass. Handlers return it, alone or as the error of
/// `visitor.require(..).map_err(Denied::from)?`.
///
/// actix-web drops the body of a request that an extractor refused, and reads a chunked one to its end, however long it
/// is. On a route that takes uploads, wrap a [`GateMiddleware`](crate::GateMiddleware).
#[derive(Clone)]
pub struct Denied(Answer);

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        Self(Answer::Core(denial.into_reply()))
    }
}

impl Responder for Denied {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0.into_response()
    }
}

impl ResponseError for Denied {
    fn status_code(&self) -> StatusCode {
        self.error_response().status()
    }

    fn error_response(&self) -> HttpResponse {
        self.0.clone().into_response()
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered with {}", self.0.status())
    }
}

/// The status alone: loggers print the errors of handlers, and the body may repeat the query.
impl fmt::Debug for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denied").field("status", &self.0.status()).finish_non_exhaustive()
    }
}
