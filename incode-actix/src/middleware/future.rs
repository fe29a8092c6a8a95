use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::HttpMessage;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use incode_core::adapter::PendingVisitor;
use pin_project_lite::pin_project;

use crate::body::KeptPayload;
use crate::identify::Route;

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
        Pass { #[pin] response: F, unread: Option<KeptPayload> },
        PendingVisitor { load: PendingVisitor, waiting: Option<(Rc<S>, ServiceRequest)>, unread: Option<KeptPayload> },
        Answer { response: Pin<Box<dyn Future<Output = ServiceResponse>>> },
    }
}

impl<S: Service<ServiceRequest>> IncodeFuture<S> {
    pub(super) fn pass(service: &S, mut request: ServiceRequest) -> Self {
        let unread = KeptPayload::of(&mut request);
        Self { state: State::Pass { response: service.call(request), unread } }
    }

    pub(super) fn load(load: PendingVisitor, service: Rc<S>, mut request: ServiceRequest) -> Self {
        let unread = KeptPayload::of(&mut request);
        Self { state: State::PendingVisitor { load, waiting: Some((service, request)), unread } }
    }

    pub(super) fn answer(route: Route, request: ServiceRequest) -> Self {
        Self { state: State::Answer { response: Box::pin(answer(route, request)) } }
    }
}

impl<S, B> Future for IncodeFuture<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
    B: MessageBody + 'static,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Pass { response, unread } => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(match unread.take() {
                        Some(unread) => unread.kept_by(response).map_into_right_body(),
                        None => response.map_into_left_body(),
                    }));
                }
                StateProjection::PendingVisitor { load, waiting, unread } => {
                    let visitor = ready!(Pin::new(load).poll(cx));
                    // Taken once: the state is replaced right below.
                    let Some((service, request)) = waiting.take() else { return Poll::Pending };
                    request.extensions_mut().insert(visitor);
                    let (response, unread) = (service.call(request), unread.take());
                    this.state.set(State::Pass { response, unread });
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

async fn answer(route: Route, request: ServiceRequest) -> ServiceResponse {
    let (request, payload) = request.into_parts();
    let response = route.answer(&request, payload).await;
    ServiceResponse::new(request, response)
}
