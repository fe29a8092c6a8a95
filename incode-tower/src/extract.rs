use std::fmt;
use std::ops::Deref;

use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use incode_core::gate::{self, Denial};
use incode_core::http::Reply;
use incode_core::identity::Identity;

use crate::head::RequestHead;
use crate::reply::response;

/// Extractor: who asks, and how they stand. Passes everybody; look at
/// [`standing`](incode_core::gate::Visitor::standing), or ask with [`require`](incode_core::gate::Visitor::require).
///
/// Rejects only where [`IncodeLayer`](crate::IncodeLayer) is missing: 500, and a log line that says so.
#[derive(Clone, Debug)]
pub struct Visitor(pub gate::Visitor);

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        gate::visitor(parts.extensions.get()).cloned().map(Self).map_err(Denied)
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

impl<S: Sync> FromRequestParts<S> for Active {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        gate::active(parts.extensions.get(), &RequestHead::from(&*parts)).map(Self).map_err(Denied)
    }
}

/// The reply to somebody who may not pass. Handlers return it from `visitor.require(..)?`.
#[derive(Clone)]
pub struct Denied(Reply);

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        Self(denial.into_reply())
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        response(self.0).map(Body::new)
    }
}

/// The status alone: the body may repeat the query of the request.
impl fmt::Debug for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denied").field("status", &self.0.status).finish_non_exhaustive()
    }
}
