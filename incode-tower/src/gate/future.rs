use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response};
use http_body::Body;
use incode_core::adapter::{GRANTED_CACHE_CONTROL, Reply};
use pin_project_lite::pin_project;

use crate::body::ResponseBody;
use crate::reply::response;

pin_project! {
    /// The response future of [`Gate`](super::Gate).
    #[derive(Debug)]
    pub struct GateFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        Pass { #[pin] response: F },
        Deny { reply: Option<Reply> },
    }
}

impl<F> GateFuture<F> {
    pub(super) fn pass(response: F) -> Self {
        Self { state: State::Pass { response } }
    }

    pub(super) fn deny(reply: Reply) -> Self {
        Self { state: State::Deny { reply: Some(reply) } }
    }
}

impl<F, R, E> Future for GateFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Pass { response } => {
                let mut response = ready!(response.poll(cx))?;
                let headers = response.headers_mut();
                // Answers have few headers: looking through them costs less than hashing the name once more.
                if !headers.keys().any(|name| name == CACHE_CONTROL) {
                    headers.append(CACHE_CONTROL, const { HeaderValue::from_static(GRANTED_CACHE_CONTROL) });
                }
                Poll::Ready(Ok(response.map(ResponseBody::service)))
            }
            StateProjection::Deny { reply } => match reply.take() {
                Some(reply) => Poll::Ready(Ok(response(reply).map(ResponseBody::reply))),
                // Polled again after it was ready, which no caller does.
                None => Poll::Pending,
            },
        }
    }
}
