use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::header::EXPECT;
use http::request::Parts;
use http::{Request, Version};
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

/// The data of a request body, chunk by chunk as it arrives; trailers are passed over.
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Discard {
    Always,
    /// The client waits for `100 Continue`. To read before the answer is sent would be to ask for the body.
    OncePolled,
    /// HTTP/2 and later end one stream, not the connection, and lose no answer.
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
        let discard = Discard::of(parts);
        Self { body: (!body.is_end_stream()).then(|| Box::pin(body)), discard }
    }
}

impl<B> Stream for Chunks<B>
where
    B: Body + Send + 'static,
{
    type Item = Result<Bytes, B::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.discard == Discard::OncePolled {
            self.discard = Discard::Always;
        }
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let frame = ready!(body.as_mut().poll_frame(cx));
            if !matches!(frame, Some(Ok(_))) {
                self.body = None;
            }
            match frame.transpose()?.map(Frame::into_data) {
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
        if let Some(body) = self.body.take().filter(|body| self.discard == Discard::Always && !body.is_end_stream()) {
            // Not to be discarded again: that task is the last to read.
            BodyLimit::after_refusal().discard(Self { body: Some(body), discard: Discard::Never });
        }
    }
}

impl Discard {
    fn of(parts: &Parts) -> Self {
        if parts.version > Version::HTTP_11 {
            Self::Never
        } else if parts.headers.contains_key(EXPECT) {
            Self::OncePolled
        } else {
            Self::Always
        }
    }
}
