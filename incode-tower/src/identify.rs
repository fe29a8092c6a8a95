//! The application's asynchronous code that finds the user of a request, and the visitor that waits for it.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use incode_core::Incode;
use incode_core::adapter::{
    FoundUser, IdentifiedVisitor, IdentifyOutcome, LazyVisitor, OWN_ANSWER_CAP, OWN_ANSWER_HEADERS, OnDemandVisitor,
    Reply, RouteRequest, unreadable_answer,
};
use incode_core::gate::Visitor;

use crate::body::{Chunks, LeftUnread, answer_early, discard_unread};
use crate::head::HttpHead;
use crate::reply::response;

/// Asks the application for the user of a request.
#[derive(Clone)]
pub(crate) struct Identify(Arc<Ask>);

type Ask = dyn for<'a> Fn(&'a mut Parts) -> Asking<'a> + Send + Sync;
type Asking<'a> = Pin<Box<dyn Future<Output = Result<FoundUser, Answer>> + Send + 'a>>;

/// An answer of core's or of the application's own, whole. Boxed, because most results hold none.
pub(crate) type Answer = Box<Response<Full<Bytes>>>;

/// In the request extensions until a gate or an extractor needs the visitor.
#[derive(Clone)]
struct Later {
    /// The application's own code that finds the user, where it has some.
    identify: Option<Identify>,
    /// What counts where there is no user.
    token: Option<OnDemandVisitor>,
    /// Shared by all who need it: it is resolved once.
    visitor: Arc<LazyVisitor<Answer>>,
}

impl Identify {
    /// By a function of the head, which takes out what its future needs.
    pub(crate) fn by_head<F, Fut>(find: F) -> Self
    where
        F: Fn(&Parts) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IdentifyOutcome<Answer: Into<Reply>>,
    {
        Self(Arc::new(move |parts| {
            let found = find(parts);
            Box::pin(async move {
                let outcome = found.await.into_found().map_err(|own| response(own.into()));
                match outcome {
                    Ok(found) => Ok(found),
                    Err(own) => Err(whole(own).await),
                }
            })
        }))
    }

    /// By an extractor of axum's.
    #[cfg(feature = "axum")]
    pub(crate) fn by_extractor<E, S, F, Fut>(state: S, find: F) -> Self
    where
        E: axum_core::extract::FromRequestParts<S> + 'static,
        S: Send + Sync + 'static,
        F: Fn(E) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IdentifyOutcome<Answer: axum_core::response::IntoResponse>,
    {
        use axum_core::response::IntoResponse;

        let shared = Arc::new((state, find));
        Self(Arc::new(move |parts| {
            let shared = Arc::clone(&shared);
            Box::pin(async move {
                let (state, find) = &*shared;
                let asked = E::from_request_parts(parts, state).await.map(find).map_err(IntoResponse::into_response);
                let outcome = match asked {
                    Ok(found) => found.await.into_found().map_err(IntoResponse::into_response),
                    Err(own) => Err(own),
                };
                match outcome {
                    Ok(found) => Ok(found),
                    Err(own) => Err(whole(own).await),
                }
            })
        }))
    }

    /// `Err`: the answer of a mounted route. `Ok`: the request for the application, whose user is not asked for yet.
    pub(crate) fn begin<B>(
        &self,
        incode: &Incode,
        mut request: Request<B>,
    ) -> Result<(Request<B>, LeftUnread), Answering>
    where
        B: Body + Send + 'static,
    {
        let head = HttpHead::from(&request);
        if incode.asks_for_user(&head) {
            return Err(Box::pin(answer(self.clone(), incode.clone(), request)));
        }
        if let Some(route) = incode.open_as(Ok(None), &head) {
            let body = Chunks::new(request);
            return Err(answer_route(route, body));
        }
        let token = incode.visit_later(&head);
        // A visitor that was there before this layer opens nothing.
        incode.notice_outer(request.extensions_mut().remove::<Visitor>().as_ref());
        let visitor = Arc::new(LazyVisitor::new(incode.clone()));
        request.extensions_mut().insert(Later { identify: Some(self.clone()), token, visitor });
        Ok(discard_unread(request))
    }
}

/// The answer of a mounted route whose user is known, or that needs none.
pub(crate) fn answer_route<B: Body + Send + 'static>(route: RouteRequest, body: Chunks<B>) -> Answering {
    Box::pin(async move {
        let left = body.left_unread();
        let mut response = response(route.answer(body).await);
        left.say_in(&mut response);
        response
    })
}

/// Leaves a bearer token to be asked about when a gate or an extractor needs its visitor.
pub(crate) fn later<B>(incode: &Incode, token: OnDemandVisitor, mut request: Request<B>) -> Request<B> {
    // A visitor that was there before this layer opens nothing.
    request.extensions_mut().remove::<Visitor>();
    let visitor = Arc::new(LazyVisitor::new(incode.clone()));
    request.extensions_mut().insert(Later { identify: None, token: Some(token), visitor });
    request
}

/// The answer of a mounted route.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>;

async fn answer<B>(identify: Identify, incode: Incode, request: Request<B>) -> Response<Full<Bytes>>
where
    B: Body + Send + 'static,
{
    let (mut parts, body) = request.into_parts();
    let found = match (identify.0)(&mut parts).await {
        Ok(found) => found,
        Err(own) => {
            return answer_early(&parts, body, *own);
        }
    };
    let route = incode.open_as(found, &HttpHead::from(&parts));
    match route {
        Some(route) => answer_route(route, Chunks::of(&parts, body)).await,
        // Not reached: a route that asks for the user is mounted.
        None => response(Reply::new(404)),
    }
}

/// Resolves the visitor of a request whose user is found by [`IncodeLayer::identify`](crate::IncodeLayer::identify) or
/// [`identify_by_head`](crate::IncodeLayer::identify_by_head), or that presents a bearer token, and leaves it in the
/// extensions. For services without
/// extractors, which hand the extensions to the functions of [`gate`](incode_core::gate); gates and extractors do it by
/// themselves. Does nothing where the visitor is there already, or no layer is.
///
/// ```
/// use http::Request;
/// use incode_tower::core::gate;
/// use incode_tower::{HttpHead, resolve_visitor};
///
/// async fn serve<B>(request: Request<B>) -> String {
///     let (mut parts, _body) = request.into_parts();
///     if let Err(answer) = resolve_visitor(&mut parts).await {
///         return format!("to be sent instead: {}", answer.status());
///     }
///     match gate::active(parts.extensions.get(), &HttpHead::from(&parts)) {
///         Ok(person) => format!("verified: {:?}", person.identity().verified_at),
///         Err(reply) => format!("to be sent instead: {}", reply.status),
///     }
/// }
/// ```
///
/// # Errors
/// The answer to send instead: the application's own, or a 500 where it named a key that is no
/// [`Subject`](incode_core::Subject).
pub async fn resolve_visitor(parts: &mut Parts) -> Result<(), Box<Response<Full<Bytes>>>> {
    if parts.extensions.get::<Visitor>().is_some() {
        return Ok(());
    }
    // Taken out meanwhile: an application's code that asks for the visitor in turn is answered with 500, and does not
    // wait for itself.
    let Some(later) = parts.extensions.remove::<Later>() else { return Ok(()) };
    let resolved = later.visitor.get_or_resolve(later.resolve(parts)).await;
    parts.extensions.insert(later);
    let (visitor, session) = resolved?;
    parts.extensions.insert(visitor);
    if let Some(session) = session {
        parts.extensions.insert(session);
    }
    Ok(())
}

/// Whether the visitor is still to be resolved. The hit path of the layer's own sources looks for nothing more than it.
pub(crate) fn is_pending(extensions: &Extensions) -> bool {
    extensions.get::<Later>().is_some()
}

impl Later {
    async fn resolve(&self, parts: &mut Parts) -> Result<IdentifiedVisitor, Answer> {
        let found = match &self.identify {
            Some(identify) => (identify.0)(parts).await?,
            None => Ok(None),
        };
        let visit = self.visitor.incode().visit_as(&found, self.token.as_ref(), &HttpHead::from(&*parts));
        let visitor = visit.map_err(|reply| Box::new(response(reply)))?.visitor().await;
        Ok((visitor, found.ok().flatten().and_then(|user| user.session)))
    }
}

/// Reads the body, so that the answer can be given to each extractor of the request.
async fn whole<B>(own: Response<B>) -> Answer
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (parts, body) = own.into_parts();
    let Ok(body) = Limited::new(body, OWN_ANSWER_CAP).collect().await else {
        return Box::new(response(unreadable_answer()));
    };
    let mut own = Response::from_parts(parts, Full::new(body.to_bytes()));
    for (name, value) in OWN_ANSWER_HEADERS {
        own.headers_mut().entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    Box::new(own)
}

impl fmt::Debug for Identify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identify")
    }
}
