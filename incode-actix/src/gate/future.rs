use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use incode_core::adapter::GRANTED_CACHE_CONTROL;
use incode_core::gate::GatePolicy;
use pin_project_lite::pin_project;

use crate::head::ActixHead;
use crate::identify::{Answer, Later};

pin_project! {
    /// The response future of [`Gate`](super::Gate). A visitor that is there already passes without a box.
    pub struct GateFuture<S>
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
        Resolve { resolving: Resolving, waiting: Option<(GatePolicy, Rc<S>, ServiceRequest)> },
        Deny { response: Option<ServiceResponse> },
    }
}

type Resolving = Pin<Box<dyn Future<Output = Result<(), Answer>>>>;

impl<S: Service<ServiceRequest>> GateFuture<S> {
    pub(super) fn pass(response: S::Future) -> Self {
        Self { state: State::Pass { response } }
    }

    pub(super) fn resolve(later: Later, policy: GatePolicy, service: Rc<S>, request: ServiceRequest) -> Self {
        let resolving = Box::pin(later.resolve_into(request.request().clone()));
        Self { state: State::Resolve { resolving, waiting: Some((policy, service, request)) } }
    }

    pub(super) fn deny(response: ServiceResponse) -> Self {
        Self { state: State::Deny { response: Some(response) } }
    }
}

impl<S, B> Future for GateFuture<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Pass { response } => {
                    let mut response = ready!(response.poll(cx))?;
                    let headers = response.headers_mut();
                    // Looked for once: most handlers say nothing themselves.
                    let own = headers.insert(CACHE_CONTROL, const { HeaderValue::from_static(GRANTED_CACHE_CONTROL) });
                    if !own.is_empty() {
                        headers.remove(CACHE_CONTROL);
                        own.for_each(|value| headers.append(CACHE_CONTROL, value));
                    }
                    return Poll::Ready(Ok(response.map_into_left_body()));
                }
                StateProjection::Resolve { resolving, waiting } => {
                    let resolved = ready!(resolving.as_mut().poll(cx));
                    // Taken once: the state is replaced right below.
                    let Some((policy, service, request)) = waiting.take() else { return Poll::Pending };
                    // The future that has ended may hold the request still, and routing needs the only one.
                    this.state.set(State::Deny { response: None });
                    let state = match resolved.and_then(|()| check(&policy, &request)) {
                        Ok(()) => State::Pass { response: service.call(request) },
                        Err(answer) => {
                            let (request, unread) = request.into_parts();
                            let response = ServiceResponse::new(request, answer.over_unread(unread));
                            State::Deny { response: Some(response) }
                        }
                    };
                    this.state.set(state);
                }
                StateProjection::Deny { response } => {
                    return match response.take() {
                        Some(response) => Poll::Ready(Ok(response.map_into_right_body())),
                        // Polled again after it was ready, which no caller does.
                        None => Poll::Pending,
                    };
                }
            }
        }
    }
}

/// The gate's decision on a request whose visitor is resolved.
fn check(policy: &GatePolicy, request: &ServiceRequest) -> Result<(), Answer> {
    let head = ActixHead::from(request.request());
    policy.check(head.visitor(), &head).map_err(Answer::Core)
}

impl<S: Service<ServiceRequest>> fmt::Debug for GateFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
