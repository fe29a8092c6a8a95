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

use crate::body::{ResponseBody, answer_early};
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
        Deny { answer: Option<Answer> },
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

    pub(super) fn deny(answer: Answer) -> Self {
        Self { state: State::Deny { answer: Some(answer) } }
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
                        return Poll::Ready(Ok(answer_early(&parts, body, *own).map(ResponseBody::reply)));
                    }
                    let state = match policy.check(parts.extensions.get(), &HttpHead::from(&parts)) {
                        Ok(()) => State::Pass { response: service.call(Request::from_parts(parts, body)) },
                        Err(reply) => State::Deny { answer: Some(denial(&parts, body, reply)) },
                    };
                    this.state.set(state);
                }
                StateProjection::Deny { answer } => {
                    return match answer.take() {
                        Some(answer) => Poll::Ready(Ok(answer.map(ResponseBody::reply))),
                        // Polled again after it was ready, which no caller does.
                        None => Poll::Pending,
                    };
                }
            }
        }
    }
}

/// The denial of a request, whose body is not read.
pub(super) fn denial<B: Body + Send + 'static>(parts: &Parts, body: B, reply: Reply) -> Answer {
    Box::new(answer_early(parts, body, response(reply)))
}

impl<S: Service<Request<B>>, B> std::fmt::Debug for GateFuture<S, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
