use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use incode_core::adapter::{PendingVisitor, Reply};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::ResponseBody;
use crate::reply::response;

pin_project! {
    /// The response future of [`IncodeService`](super::IncodeService). A known visitor passes without a box.
    pub struct IncodeFuture<S, B>
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
        PendingVisitor { load: PendingVisitor, waiting: Option<(S, Request<B>)> },
        Answer { reply: Pin<Box<dyn Future<Output = Reply> + Send>> },
    }
}

impl<S: Service<Request<B>>, B> IncodeFuture<S, B> {
    pub(super) fn pass(response: S::Future) -> Self {
        Self { state: State::Pass { response } }
    }

    pub(super) fn load(load: PendingVisitor, ready: S, request: Request<B>) -> Self {
        Self { state: State::PendingVisitor { load, waiting: Some((ready, request)) } }
    }

    pub(super) fn answer(reply: impl Future<Output = Reply> + Send + 'static) -> Self {
        Self { state: State::Answer { reply: Box::pin(reply) } }
    }
}

impl<S, B, R> Future for IncodeFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Pass { response } => {
                    return Poll::Ready(ready!(response.poll(cx)).map(|response| response.map(ResponseBody::service)));
                }
                StateProjection::PendingVisitor { load, waiting } => {
                    let visitor = ready!(Pin::new(load).poll(cx));
                    // Taken once: the state is replaced right below.
                    let Some((mut service, mut request)) = waiting.take() else { return Poll::Pending };
                    request.extensions_mut().insert(visitor);
                    let response = service.call(request);
                    this.state.set(State::Pass { response });
                }
                StateProjection::Answer { reply } => {
                    let reply = ready!(reply.as_mut().poll(cx));
                    return Poll::Ready(Ok(response(reply).map(ResponseBody::reply)));
                }
            }
        }
    }
}

impl<S: Service<Request<B>>, B> std::fmt::Debug for IncodeFuture<S, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IncodeFuture").finish_non_exhaustive()
    }
}
