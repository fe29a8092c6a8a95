use std::fmt;
use std::ops::Deref;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use incode_core::adapter::Reply;
use incode_core::gate::{self, Denial, Policy};
use incode_core::identity::Identity;

use crate::head::HttpHead;
use crate::identify::{Answer, resolve_visitor};
use crate::reply::response;

/// Extractor: the visitor of the request and their standing. Rejects no visitor; look at
/// [`standing`](incode_core::gate::Visitor::standing), or ask with [`require`](incode_core::gate::Visitor::require).
///
/// Rejects only where [`IncodeLayer`](crate::IncodeLayer) is missing: 500, and a log line that says so.
#[derive(Clone, Debug)]
pub struct Visitor(pub gate::Visitor);

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        let resolved = resolved(parts).await?;
        gate::visitor(resolved.extensions.get(), &HttpHead::from(resolved)).map(Self).map_err(Denied::of)
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
/// use incode_tower::Active;
/// async fn vault(person: Active) -> String {
///     format!("verified: {:?}", person.identity().verified_at)
/// }
/// # let _: axum::routing::MethodRouter = axum::routing::get(vault);
/// ```
/// Only the extractor creates one, and a `Visitor` can't be used in its place:
/// ```compile_fail,E0308
/// use incode_tower::{Active, Visitor};
/// async fn open(visitor: Visitor) -> String {
///     vault(visitor).await
/// }
/// async fn vault(person: Active) -> String {
///     format!("verified: {:?}", person.identity().verified_at)
/// }
/// ```
/// As `Option<Active>` it is [`MaybeActive`].
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

impl<S: Sync> FromRequestParts<S> for Active {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        let resolved = resolved(parts).await?;
        gate::active(resolved.extensions.get(), &HttpHead::from(resolved)).map(Self).map_err(Denied::of)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Active {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Denied> {
        let resolved = resolved(parts).await?;
        let active = gate::maybe_active(resolved.extensions.get(), &HttpHead::from(resolved));
        active.map(|active| active.map(Self)).map_err(Denied::of)
    }
}

/// Extractor: an [`Active`] if there is one, for open pages that look different to verified visitors.
///
/// `None` without a subject and for a visitor who is not ACTIVE. While the store does not answer it rejects with 503:
/// "not verified" would be a guess.
#[derive(Clone, Debug)]
pub struct MaybeActive(pub Option<Active>);

impl<S: Sync> FromRequestParts<S> for MaybeActive {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Denied> {
        <Active as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await.map(Self)
    }
}

/// Extractor: a visitor who meets the requirement of the policy `R`. No other visitor reaches a handler that takes one,
/// wherever it is mounted.
///
/// ```
/// use std::time::Duration;
/// use incode_tower::{Satisfies, Requirement, Policy};
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
/// # let _: axum::routing::MethodRouter = axum::routing::post(transfer);
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

impl<R: Policy, S: Sync> FromRequestParts<S> for Satisfies<R> {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        let resolved = resolved(parts).await?;
        gate::satisfies(resolved.extensions.get(), &HttpHead::from(resolved)).map(Self).map_err(Denied::of)
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

/// The reply to a visitor who may not pass. Handlers return it from `visitor.require(..)?`.
///
/// An extractor sees the head of a request alone. The body of a refused upload is dropped, and hyper may then reset the
/// connection before the reply is read. On a route that takes uploads, put a [`GateLayer`](crate::GateLayer) in front.
#[derive(Clone)]
pub struct Denied(Answer);

impl Denied {
    fn of(reply: Reply) -> Self {
        Self(Box::new(response(reply)))
    }
}

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        Self::of(denial.into_reply())
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        self.0.map(Body::new)
    }
}

/// With the visitor in its extensions, where the layer left one to be resolved.
async fn resolved(parts: &mut Parts) -> Result<&Parts, Denied> {
    resolve_visitor(parts).await.map_err(Denied)?;
    Ok(parts)
}

/// The status alone: the body may repeat the query of the request.
impl fmt::Debug for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denied").field("status", &self.0.status().as_u16()).finish_non_exhaustive()
    }
}
