use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::HttpMessage;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use incode_core::adapter::{PendingVisitor, RouteRequest};
use pin_project_lite::pin_project;

use crate::body;

pin_project! {
    /// The response future of [`IncodeService`](super::IncodeService). A known visitor passes without a box.
    pub struct IncodeFuture<S>
    where
        S: Service<ServiceRequest>,
    {
        #[pin]
        state: State<S, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F> {
        Pass { #[pin] response: F },
        PendingVisitor { load: PendingVisitor, waiting: Option<(Rc<S>, ServiceRequest)> },
        Answer { response: Pin<Box<dyn Future<Output = ServiceResponse>>> },
    }
}

impl<S: Service<ServiceRequest>> IncodeFuture<S> {
    pub(super) fn pass(response: S::Future) -> Self {
        Self { state: State::Pass { response } }
    }

    pub(super) fn load(load: PendingVisitor, service: Rc<S>, request: ServiceRequest) -> Self {
        Self { state: State::PendingVisitor { load, waiting: Some((service, request)) } }
    }

    pub(super) fn answer(route: RouteRequest, request: ServiceRequest) -> Self {
        Self { state: State::Answer { response: Box::pin(answer(route, request)) } }
    }
}

impl<S, B> Future for IncodeFuture<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Pass { response } => {
                    return Poll::Ready(ready!(response.poll(cx)).map(ServiceResponse::map_into_left_body));
                }
                StateProjection::PendingVisitor { load, waiting } => {
                    let visitor = ready!(Pin::new(load).poll(cx));
                    // Taken once: the state is replaced right below.
                    let Some((service, request)) = waiting.take() else { return Poll::Pending };
                    request.extensions_mut().insert(visitor);
                    let response = service.call(request);
                    this.state.set(State::Pass { response });
                }
                StateProjection::Answer { response } => {
                    return Poll::Ready(Ok(ready!(response.as_mut().poll(cx)).map_into_right_body()));
                }
            }
        }
    }
}

impl<S: Service<ServiceRequest>> fmt::Debug for IncodeFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncodeFuture").finish_non_exhaustive()
    }
}

async fn answer(route: RouteRequest, request: ServiceRequest) -> ServiceResponse {
    let (request, mut payload) = request.into_parts();
    let reply = route.answer(&mut payload).await;
    ServiceResponse::new(request, body::answer(reply, payload))
}
