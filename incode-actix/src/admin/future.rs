use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use incode_admin::AdminRequest;

use crate::body;

/// The response future of [`AdminService`](super::AdminService).
pub struct AdminFuture {
    response: Pin<Box<dyn Future<Output = ServiceResponse>>>,
}

impl AdminFuture {
    pub(super) fn answer(admin: AdminRequest, request: ServiceRequest) -> Self {
        Self { response: Box::pin(answer(admin, request)) }
    }
}

impl Future for AdminFuture {
    type Output = Result<ServiceResponse, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.response.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for AdminFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminFuture").finish_non_exhaustive()
    }
}

async fn answer(admin: AdminRequest, request: ServiceRequest) -> ServiceResponse {
    let (request, mut payload) = request.into_parts();
    let reply = admin.answer(&mut payload).await;
    ServiceResponse::new(request, body::answer(reply, payload))
}
