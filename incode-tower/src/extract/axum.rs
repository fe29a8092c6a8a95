//! The extractors of axum.

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use super::{Active, Denied, MaybeActive, Policy, Satisfies, Visitor};

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        Self::from_parts(parts).await
    }
}

impl<S: Sync> FromRequestParts<S> for Active {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        Self::from_parts(parts).await
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Active {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Denied> {
        MaybeActive::from_parts(parts).await.map(|MaybeActive(active)| active)
    }
}

impl<S: Sync> FromRequestParts<S> for MaybeActive {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        Self::from_parts(parts).await
    }
}

impl<R: Policy, S: Sync> FromRequestParts<S> for Satisfies<R> {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        Self::from_parts(parts).await
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        self.into_http().map(Body::new)
    }
}
