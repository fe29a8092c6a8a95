use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::header::{CONNECTION, EXPECT};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use incode_core::http::BodyLimit;
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response: the inner service's, or a reply of ours.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        source: Source<B>,
    }
}

pin_project! {
    #[project = SourceProjection]
    #[derive(Debug)]
    enum Source<B> {
        Service { #[pin] body: B },
        Reply { #[pin] body: Full<Bytes> },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn service(body: B) -> Self {
        Self { source: Source::Service { body } }
    }

    pub(crate) fn reply(body: Full<Bytes>) -> Self {
        Self { source: Source::Reply { body } }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().source.project() {
            SourceProjection::Service { body } => body.poll_frame(cx),
            SourceProjection::Reply { body } => body.poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Service { body } => body.is_end_stream(),
            Source::Reply { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Service { body } => body.size_hint(),
            Source::Reply { body } => body.size_hint(),
        }
    }
}

/// The data of a request body, chunk by chunk as it arrives; as a stream it passes trailers over.
///
/// What is unread when this is dropped is [discarded](BodyLimit::discard), while hyper sends the answer: hyper itself closes
/// the connection of a body that is dropped before its end, and the kernel then resets it.
pub(crate) struct Chunks<B>
where
    B: Body + Send + 'static,
{
    /// `None` after its end. In a box, because it moves to another task after it was polled.
    body: Option<Pin<Box<B>>>,
    discard: Discard,
    left: LeftUnread,
}

/// Whether a body was dropped while more of it was unread than is discarded. The connection is then closed, and the answer
/// has to say so: a proxy that has written all of the body would send its next request on it.
///
/// Shared by the body and by the code that makes the answer. `None`: it never is.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftUnread(Option<Arc<AtomicBool>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Discard {
    Always,
    /// The client waits for `100 Continue`. To read before the answer is sent would be to ask for the body.
    OncePolled,
    /// HTTP/2 and later end one stream, not the connection, and lose no answer. Or the body does it by itself.
    Never,
}

impl<B> Chunks<B>
where
    B: Body + Send + 'static,
{
    pub(crate) fn new(request: Request<B>) -> Self {
        let (parts, body) = request.into_parts();
        Self::of(&parts, body)
    }

    pub(crate) fn of(parts: &Parts, body: B) -> Self {
        Self::discarding(body, Discard::of(parts.version, &parts.headers, &parts.extensions))
    }

    fn discarding(body: B, discard: Discard) -> Self {
        let body = (!body.is_end_stream()).then(|| Box::pin(body));
        let is_watched = body.is_some() && discard != Discard::Never;
        Self { body, discard, left: LeftUnread(is_watched.then(Arc::default)) }
    }

    /// To be asked when the answer is there.
    pub(crate) fn left_unread(&self) -> LeftUnread {
        self.left.clone()
    }
}

impl<B> Body for Chunks<B>
where
    B: Body + Send + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if self.discard == Discard::OncePolled {
            self.discard = Discard::Always;
        }
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(body.as_mut().poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), |body| body.size_hint())
    }
}

impl<B> Stream for Chunks<B>
where
    B: Body + Send + 'static,
{
    type Item = Result<Bytes, B::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.as_mut().poll_frame(cx)).transpose()?.map(Frame::into_data) {
                Some(Ok(mut data)) => return Poll::Ready(Some(Ok(data.copy_to_bytes(data.remaining())))),
                Some(Err(_)) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<B> Drop for Chunks<B>
where
    B: Body + Send + 'static,
{
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| self.discard != Discard::Never && !body.is_end_stream()) else {
            return;
        };
        let limit = BodyLimit::after_refusal();
        if self.discard == Discard::OncePolled
            || body.size_hint().upper().is_none_or(|left| left > limit.bytes() as u64)
        {
            self.left.set();
        }
        if self.discard == Discard::Always {
            // Not to be discarded again: that task is the last to read.
            limit.discard(Self { body: Some(body), discard: Discard::Never, left: LeftUnread::default() });
        }
    }
}

impl LeftUnread {
    fn set(&self) {
        if let Some(left) = &self.0 {
            left.store(true, Ordering::Relaxed);
        }
    }

    /// Says that the connection is closed, if it is.
    pub(crate) fn say_in<R>(&self, response: &mut Response<R>) {
        if self.0.as_ref().is_some_and(|left| left.load(Ordering::Relaxed)) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

impl Discard {
    fn of(version: Version, headers: &HeaderMap, extensions: &Extensions) -> Self {
        if version > Version::HTTP_11 || extensions.get::<IsDiscarding>().is_some() {
            Self::Never
        } else if headers.contains_key(EXPECT) {
            Self::OncePolled
        } else {
            Self::Always
        }
    }
}

/// Gives this answer to a request whose body was not read, and discards what comes of the body, so that the client can read
/// the answer: at most 1 MiB, and for a second. For services without extractors that answer for themselves. Gates, mounted
/// routes and, in axum, everything behind [`IncodeLayer`](crate::IncodeLayer) do it without this.
///
/// hyper closes the connection of a body that is dropped before its end. The kernel resets it, which can destroy the answer.
/// A proxy then answers 502. After a body that may be longer than 1 MiB the connection is closed, and the answer says so.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use incode_tower::core::gate;
/// use incode_tower::{HttpHead, answer_early, response};
///
/// async fn upload<B>(request: Request<B>) -> Response<Full<Bytes>>
/// where
///     B: http_body::Body + Send + 'static,
/// {
///     let (parts, body) = request.into_parts();
///     match gate::active(parts.extensions.get(), &HttpHead::from(&parts)) {
///         Ok(_) => Response::new(Full::from("taken")),
///         Err(reply) => answer_early(&parts, body, response(reply)),
///     }
/// }
/// ```
pub fn answer_early<B, R>(parts: &Parts, body: B, mut response: Response<R>) -> Response<R>
where
    B: Body + Send + 'static,
{
    let body = Chunks::of(parts, body);
    let left = body.left_unread();
    drop(body);
    left.say_in(&mut response);
    response
}

/// In the extensions of a request whose body discards by itself what is unread of it when it is dropped.
#[derive(Clone)]
struct IsDiscarding;

/// Has axum's body discard what handlers, extractors and other layers leave unread of it. An extractor sees the head alone
/// and can't do it. Other bodies stay as they are: they can't be wrapped without a change of their type.
#[cfg(feature = "axum")]
pub(crate) fn discard_unread<B: Body + Send + 'static>(mut request: Request<B>) -> (Request<B>, LeftUnread) {
    use std::any::Any;
    use std::mem;

    use axum_core::body::Body as AxumBody;

    let mut left = LeftUnread::default();
    if let Some(request) = (&mut request as &mut dyn Any).downcast_mut::<Request<AxumBody>>()
        && !request.body().is_end_stream()
    {
        let discard = Discard::of(request.version(), request.headers(), request.extensions());
        if discard != Discard::Never {
            let body = Chunks::discarding(mem::take(request.body_mut()), discard);
            left = body.left_unread();
            *request.body_mut() = AxumBody::new(body);
            request.extensions_mut().insert(IsDiscarding);
        }
    }
    (request, left)
}

#[cfg(not(feature = "axum"))]
pub(crate) fn discard_unread<B>(request: Request<B>) -> (Request<B>, LeftUnread) {
    (request, LeftUnread::default())
}
