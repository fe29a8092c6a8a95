use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use incode_core::adapter::PendingVisitor;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::{LeftUnread, ResponseBody};
use crate::identify::Answering;

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
        Pass { #[pin] response: F, left: LeftUnread },
        PendingVisitor { load: PendingVisitor, waiting: Option<(S, Request<B>, LeftUnread)> },
        Answer { answer: Answering },
    }
}

impl<S: Service<Request<B>>, B> IncodeFuture<S, B> {
    pub(super) fn pass(response: S::Future, left: LeftUnread) -> Self {
        Self { state: State::Pass { response, left } }
    }

    pub(super) fn load(load: PendingVisitor, ready: S, request: Request<B>, left: LeftUnread) -> Self {
        Self { state: State::PendingVisitor { load, waiting: Some((ready, request, left)) } }
    }

    pub(super) fn answer(answer: Answering) -> Self {
        Self { state: State::Answer { answer } }
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
                StateProjection::Pass { response, left } => {
                    let mut response = ready!(response.poll(cx))?.map(ResponseBody::service);
                    left.say_in(&mut response);
                    return Poll::Ready(Ok(response));
                }
                StateProjection::PendingVisitor { load, waiting } => {
                    let visitor = ready!(Pin::new(load).poll(cx));
                    // Taken once: the state is replaced right below.
                    let Some((mut service, mut request, left)) = waiting.take() else { return Poll::Pending };
                    request.extensions_mut().insert(visitor);
                    let response = service.call(request);
                    this.state.set(State::Pass { response, left });
                }
                StateProjection::Answer { answer } => {
                    return Poll::Ready(Ok(ready!(answer.as_mut().poll(cx)).map(ResponseBody::reply)));
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
