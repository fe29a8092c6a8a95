use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use incode_core::adapter::{GRANTED_CACHE_CONTROL, Reply};
use incode_core::gate::GatePolicy;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::{Chunks, ResponseBody};
use crate::head::HttpHead;
use crate::identify::{Answer, resolve_visitor};
use crate::reply::response;

pin_project! {
    /// The response future of [`Gate`](super::Gate). A visitor that is there already passes without a box.
    pub struct GateFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Pass { #[pin] response: F },
        Resolve { head: Resolving, waiting: Option<(GatePolicy, S, B)> },
        Deny { reply: Option<Reply> },
    }
}

/// The head comes back when its visitor is resolved.
type Resolving = Pin<Box<dyn Future<Output = (Parts, Result<(), Answer>)> + Send>>;

impl<S: Service<Request<B>>, B> GateFuture<S, B> {
    pub(super) fn pass(response: S::Future) -> Self {
        Self { state: State::Pass { response } }
    }

    pub(super) fn resolve(policy: GatePolicy, ready: S, request: Request<B>) -> Self {
        let (mut parts, body) = request.into_parts();
        let head = Box::pin(async move {
            let resolved = resolve_visitor(&mut parts).await;
            (parts, resolved)
        });
        Self { state: State::Resolve { head, waiting: Some((policy, ready, body)) } }
    }

    pub(super) fn deny(reply: Reply) -> Self {
        Self { state: State::Deny { reply: Some(reply) } }
    }
}

impl<S, B, R> Future for GateFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Body + Send + 'static,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Pass { response } => {
                    let mut response = ready!(response.poll(cx))?;
                    let headers = response.headers_mut();
                    // Answers have few headers: looking through them costs less than hashing the name once more.
                    if !headers.keys().any(|name| name == CACHE_CONTROL) {
                        headers.append(CACHE_CONTROL, const { HeaderValue::from_static(GRANTED_CACHE_CONTROL) });
                    }
                    return Poll::Ready(Ok(response.map(ResponseBody::service)));
                }
                StateProjection::Resolve { head, waiting } => {
                    let (parts, resolved) = ready!(head.as_mut().poll(cx));
                    // Taken once: the state is replaced right below.
                    let Some((policy, mut service, body)) = waiting.take() else { return Poll::Pending };
                    if let Err(own) = resolved {
                        discard(&parts, body);
                        return Poll::Ready(Ok(own.map(ResponseBody::reply)));
                    }
                    let state = match policy.check(parts.extensions.get(), &HttpHead::from(&parts)) {
                        Ok(()) => State::Pass { response: service.call(Request::from_parts(parts, body)) },
                        Err(reply) => {
                            discard(&parts, body);
                            State::Deny { reply: Some(reply) }
                        }
                    };
                    this.state.set(state);
                }
                StateProjection::Deny { reply } => {
                    return match reply.take() {
                        Some(reply) => Poll::Ready(Ok(response(reply).map(ResponseBody::reply))),
                        // Polled again after it was ready, which no caller does.
                        None => Poll::Pending,
                    };
                }
            }
        }
    }
}

/// Discards what comes of the body, so that the answer can be read.
fn discard<B: Body + Send + 'static>(parts: &Parts, body: B) {
    drop(Chunks::of(parts, body));
}

impl<S: Service<Request<B>>, B> std::fmt::Debug for GateFuture<S, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
