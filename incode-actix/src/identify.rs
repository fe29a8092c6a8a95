//! The application's asynchronous code that finds the user of a request, and the visitor that waits for it.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BoxBody, to_bytes_limited};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};
use bytes::Bytes;
use incode_core::Incode;
use incode_core::adapter::{
    FoundUser, IdentifiedVisitor, IdentifyOutcome, LazyVisitor, OWN_ANSWER_CAP, OWN_ANSWER_HEADERS, OnDemandVisitor,
    Reply, RouteRequest, unreadable_answer,
};
use incode_core::gate::Visitor;

use crate::body::{answer, with_body};
use crate::head::ActixHead;
use crate::reply::response;

/// Asks the application for the user of a request.
#[derive(Clone)]
pub(crate) struct Identify(Arc<Ask>);

/// The future may hold the request for as long as it runs, and no longer: actix-web's routing needs the only one.
type Ask = dyn Fn(HttpRequest) -> Asking + Send + Sync;
type Asking = Pin<Box<dyn Future<Output = Result<FoundUser, Answer>>>>;

/// An answer of core's or of the application's own, whole.
#[derive(Clone)]
pub(crate) enum Answer {
    Core(Reply),
    Own(Box<Own>),
}

#[derive(Clone)]
pub(crate) struct Own {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// In the request extensions until a gate or an extractor needs the visitor.
#[derive(Clone)]
pub(crate) struct Later {
    /// The application's own code that finds the user, where it has some.
    identify: Option<Identify>,
    /// What counts where there is no user.
    token: Option<OnDemandVisitor>,
    /// Shared by all who need it: it is resolved once.
    visitor: Rc<LazyVisitor<Answer>>,
}

impl Identify {
    /// By an extractor of actix-web's. It gets no body: that is the handler's.
    pub(crate) fn by_extractor<E, F, Fut>(find: F) -> Self
    where
        E: FromRequest + 'static,
        F: Fn(E) -> Fut + Send + Sync + 'static,
        Fut: Future + 'static,
        Fut::Output: IdentifyOutcome<Answer: Into<actix_web::Error>>,
    {
        let find = Arc::new(find);
        Self(Arc::new(move |request| {
            let find = Arc::clone(&find);
            Box::pin(async move {
                let outcome = match E::extract(&request).await {
                    Ok(extracted) => find(extracted).await.into_found().map_err(Into::into),
                    Err(rejection) => Err(rejection.into()),
                };
                match outcome {
                    Ok(found) => Ok(found),
                    Err(own) => Err(whole(own.error_response()).await),
                }
            })
        }))
    }

    /// What answers a request to a mounted route. `None`: it is the application's, and its user is not asked for yet.
    pub(crate) fn begin(&self, incode: &Incode, request: &HttpRequest) -> Option<Route> {
        let head = ActixHead::from(request);
        if incode.asks_for_user(&head) {
            return Some(Route::Identify(self.clone(), incode.clone()));
        }
        if let Some(route) = incode.open_as(Ok(None), &head) {
            return Some(Route::Open(route));
        }
        let token = incode.visit_later(&head);
        drop(head);
        let mut extensions = request.extensions_mut();
        // A visitor that was there before this layer opens nothing.
        incode.notice_outer(extensions.remove::<Visitor>().as_ref());
        let visitor = Rc::new(LazyVisitor::new(incode.clone()));
        extensions.insert(Later { identify: Some(self.clone()), token, visitor });
        None
    }
}

/// Leaves a bearer token to be asked about when a gate or an extractor needs its visitor.
pub(crate) fn later(incode: &Incode, token: OnDemandVisitor, request: &HttpRequest) {
    let mut extensions = request.extensions_mut();
    // A visitor that was there before this layer opens nothing.
    extensions.remove::<Visitor>();
    let visitor = Rc::new(LazyVisitor::new(incode.clone()));
    extensions.insert(Later { identify: None, token: Some(token), visitor });
}

/// A request to a mounted route.
pub(crate) enum Route {
    /// It needs no user, or its user is known.
    Open(RouteRequest),
    /// The user is to be asked for first.
    Identify(Identify, Incode),
}

impl Route {
    pub(crate) async fn answer(self, request: &HttpRequest, mut payload: Payload) -> HttpResponse {
        let reply = match self.open(request).await {
            Ok(Some(route)) => route.answer(&mut payload).await,
            // Not reached: a route that asks for the user is mounted.
            Ok(None) => Reply::new(404),
            Err(answer) => return answer.over_unread(payload),
        };
        answer(reply, payload)
    }

    async fn open(self, request: &HttpRequest) -> Result<Option<RouteRequest>, Answer> {
        match self {
            Self::Open(route) => Ok(Some(route)),
            Self::Identify(identify, incode) => {
                let found = (identify.0)(request.clone()).await?;
                Ok(incode.open_as(found, &ActixHead::from(request)))
            }
        }
    }
}

/// Resolves the visitor of a request whose user is found by
/// [`IncodeMiddleware::identify`](crate::IncodeMiddleware::identify), or that presents a bearer token, and leaves it in the
/// extensions. For services
/// without extractors, which hand the extensions to the functions of [`gate`](incode_core::gate); gates and extractors do
/// it by themselves. Does nothing where the visitor is there already, or no middleware is.
///
/// ```
/// use actix_web::{HttpRequest, HttpResponse};
/// use incode_actix::core::gate;
/// use incode_actix::{ActixHead, resolve_visitor};
///
/// async fn serve(request: HttpRequest) -> HttpResponse {
///     if let Err(answer) = resolve_visitor(&request).await {
///         return answer;
///     }
///     let head = ActixHead::from(&request);
///     match gate::active(head.visitor(), &head) {
///         Ok(person) => HttpResponse::Ok().body(format!("verified: {:?}", person.identity().verified_at)),
///         Err(reply) => incode_actix::response(reply),
///     }
/// }
/// # let _ = actix_web::web::get().to(serve);
/// ```
///
/// # Errors
/// The answer to send instead: the application's own, or a 500 where it named a key that is no
/// [`Subject`](incode_core::Subject).
pub async fn resolve_visitor(request: &HttpRequest) -> Result<(), HttpResponse> {
    match pending(request) {
        Some(later) => later.resolve_into(request.clone()).await.map_err(Answer::into_response),
        None => Ok(()),
    }
}

/// What is left to resolve. The hit path of the middleware's own sources looks for nothing more than the visitor.
pub(crate) fn pending(request: &HttpRequest) -> Option<Later> {
    let extensions = request.extensions();
    if extensions.contains::<Visitor>() {
        return None;
    }
    extensions.get::<Later>().cloned()
}

impl Later {
    /// Leaves the visitor in the extensions of the request, which is gone afterwards.
    pub(crate) async fn resolve_into(self, request: HttpRequest) -> Result<(), Answer> {
        let (visitor, session) = self.visitor.get_or_resolve(self.resolve(&request)).await?;
        let mut extensions = request.extensions_mut();
        extensions.insert(visitor);
        if let Some(session) = session {
            extensions.insert(session);
        }
        Ok(())
    }

    async fn resolve(&self, request: &HttpRequest) -> Result<IdentifiedVisitor, Answer> {
        let found = match &self.identify {
            Some(identify) => {
                // Taken out meanwhile: an application's code that asks for the visitor in turn is answered with 500, and
                // does not wait for itself.
                request.extensions_mut().remove::<Self>();
                let found = (identify.0)(request.clone()).await;
                request.extensions_mut().insert(self.clone());
                found?
            }
            None => Ok(None),
        };
        let visit = self.visitor.incode().visit_as(&found, self.token.as_ref(), &ActixHead::from(request));
        let visitor = visit.map_err(Answer::Core)?.visitor().await;
        Ok((visitor, found.ok().flatten().and_then(|user| user.session)))
    }
}

/// Reads the body, so that the answer can be given to each extractor of the request.
async fn whole(own: HttpResponse) -> Answer {
    let (head, body) = own.into_parts();
    let Ok(Ok(body)) = to_bytes_limited(body, OWN_ANSWER_CAP).await else {
        return Answer::Core(unreadable_answer());
    };
    let mut headers = head.headers().clone();
    for (name, value) in OWN_ANSWER_HEADERS {
        if !headers.contains_key(name) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
    Answer::Own(Box::new(Own { status: head.status(), headers, body }))
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Core(reply) => reply.status,
            Self::Own(own) => own.status.as_u16(),
        }
    }

    /// As a response to a request of which this much may be unread.
    pub(crate) fn over_unread(self, unread: Payload) -> HttpResponse {
        match self {
            Self::Core(reply) => answer(reply, unread),
            Self::Own(mut own) => {
                let bytes = mem::take(&mut own.body);
                with_body(Self::Own(own).into_response(), bytes, unread)
            }
        }
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        match self {
            Self::Core(reply) => response(reply),
            Self::Own(own) => {
                let Own { status, headers, body } = *own;
                let mut response = HttpResponse::with_body(status, BoxBody::new(body));
                *response.headers_mut() = headers;
                response
            }
        }
    }
}

impl fmt::Debug for Identify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identify")
    }
}
