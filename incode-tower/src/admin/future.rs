use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use incode_core::adapter::Reply;

use crate::reply::response;

/// The response future of [`AdminService`](super::AdminService).
pub struct AdminFuture {
    reply: Pin<Box<dyn Future<Output = Reply> + Send>>,
}

impl AdminFuture {
    pub(super) fn answer(reply: impl Future<Output = Reply> + Send + 'static) -> Self {
        Self { reply: Box::pin(reply) }
    }
}

impl Future for AdminFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.reply.as_mut().poll(cx).map(|reply| Ok(response(reply)))
    }
}

impl std::fmt::Debug for AdminFuture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminFuture").finish_non_exhaustive()
    }
}
