use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::EitherBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use incode_core::adapter::GRANTED_CACHE_CONTROL;
use pin_project_lite::pin_project;

pin_project! {
    /// The response future of [`Gate`](super::Gate).
    pub struct GateFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Pass { #[pin] response: F },
        Deny { response: Option<ServiceResponse> },
    }
}

impl<F> GateFuture<F> {
    pub(super) fn pass(response: F) -> Self {
        Self { state: State::Pass { response } }
    }

    pub(super) fn deny(response: ServiceResponse) -> Self {
        Self { state: State::Deny { response: Some(response) } }
    }
}

impl<F, B, E> Future for GateFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, E>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Pass { response } => {
                let mut response = ready!(response.poll(cx))?;
                let headers = response.headers_mut();
                // Looked for once: most handlers say nothing themselves.
                let own = headers.insert(CACHE_CONTROL, const { HeaderValue::from_static(GRANTED_CACHE_CONTROL) });
                if !own.is_empty() {
                    headers.remove(CACHE_CONTROL);
                    own.for_each(|value| headers.append(CACHE_CONTROL, value));
                }
                Poll::Ready(Ok(response.map_into_left_body()))
            }
            StateProjection::Deny { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map_into_right_body())),
                // Polled again after it was ready, which no caller does.
                None => Poll::Pending,
            },
        }
    }
}

impl<F> fmt::Debug for GateFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
