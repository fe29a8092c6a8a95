use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use incode_admin::Admin;
use incode_core::Incode;
use tower_service::Service;

use super::AdminFuture;
use crate::body::Chunks;
use crate::head::HttpHead;

/// **Has no guard of its own: every caller may read the inbox, replay events and erase identities.** Mount it
/// behind the application's own.
///
/// The routes are those of [`incode_admin`], below wherever it is mounted: with `Router::nest_service`, or bare,
/// where they begin at `/`. A guard that puts an [`Actor`](incode_core::Actor) into the request extensions says who is
/// named in the audit trail.
///
/// ```
/// use axum::http::{Request, StatusCode};
/// use axum::middleware::{Next, from_fn};
/// use axum::{Router, body::Body, response::Response};
/// use incode_tower::core::Actor;
/// use incode_tower::{AdminService, Incode};
///
/// fn app(incode: Incode) -> Router {
///     let admin = Router::new().nest_service("/admin", AdminService::behind_guard(incode)).route_layer(from_fn(guard));
///     Router::new().merge(admin) // beside the application's other routes
/// }
///
/// async fn guard(mut request: Request<Body>, next: Next) -> Result<Response, StatusCode> {
///     let actor = administrator(&request).ok_or(StatusCode::UNAUTHORIZED)?;
///     request.extensions_mut().insert(actor);
///     Ok(next.run(request).await)
/// }
///
/// fn administrator(_: &Request<Body>) -> Option<Actor> {
///     None // by your own session or token
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AdminService {
    admin: Admin,
}

impl AdminService {
    /// The name is a promise: what mounts it has put a guard in front of it.
    pub fn behind_guard(incode: Incode) -> Self {
        Self { admin: Admin::new(incode) }
    }
}

impl<B> Service<Request<B>> for AdminService
where
    B: Body + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = AdminFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> AdminFuture {
        let admin = self.admin.open(&HttpHead::from(&request), request.uri().path());
        AdminFuture::answer(admin.answer(Chunks::new(request)))
    }
}
