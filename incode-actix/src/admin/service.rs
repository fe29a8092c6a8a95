use std::future::{Ready, ready};
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse};
use incode_admin::Admin;
use incode_core::Incode;

use super::AdminFuture;
use crate::head::ActixHead;

/// **Has no guard of its own: every caller may read the inbox, replay events and erase identities.** Mount it
/// behind the application's own.
///
/// The routes are those of [`incode_admin`], below wherever it is mounted: as the default service of a scope, or
/// of an `App`, where they begin at `/`. A guard that puts an [`Actor`](incode_core::Actor) into the request extensions
/// says who is named in the audit trail.
///
/// ```
/// use actix_web::body::MessageBody;
/// use actix_web::dev::{ServiceRequest, ServiceResponse};
/// use actix_web::error::ErrorUnauthorized;
/// use actix_web::middleware::{Next, from_fn};
/// use actix_web::{Error, HttpMessage, web};
/// use incode_actix::core::Actor;
/// use incode_actix::{AdminService, Incode};
///
/// fn routes(config: &mut web::ServiceConfig, incode: Incode) {
///     let admin = AdminService::behind_guard(incode);
///     config.service(web::scope("/admin").wrap(from_fn(guard)).default_service(admin));
/// }
///
/// async fn guard<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
///     let actor = administrator(&request).ok_or_else(|| ErrorUnauthorized("administrators only"))?;
///     request.extensions_mut().insert(actor);
///     next.call(request).await
/// }
///
/// fn administrator(_: &ServiceRequest) -> Option<Actor> {
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

impl ServiceFactory<ServiceRequest> for AdminService {
    type Response = ServiceResponse;
    type Error = Error;
    type Config = ();
    type Service = Self;
    type InitError = ();
    type Future = Ready<Result<Self, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        ready(Ok(self.clone()))
    }
}

impl Service<ServiceRequest> for AdminService {
    type Response = ServiceResponse;
    type Error = Error;
    type Future = AdminFuture;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: ServiceRequest) -> AdminFuture {
        let head = ActixHead::from(request.request());
        let admin = self.admin.open(&head, request.match_info().unprocessed());
        drop(head);
        AdminFuture::answer(admin, request)
    }
}
