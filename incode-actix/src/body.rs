use std::cell::RefCell;
use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::{HttpMessage, HttpResponse};
use bytes::Bytes;
use futures_core::Stream;
use incode_core::adapter::Reply;

use crate::reply::response;

/// Core's reply to a request of which this much may be unread. The other side can read the reply, and is read no further
/// than actix-web's `client_disconnect_timeout` after it.
pub(crate) fn answer(mut reply: Reply, unread: Payload) -> HttpResponse {
    let bytes = mem::take(&mut reply.body);
    with_body(response(reply), bytes, unread)
}

/// As [`answer`], for a response of the application's own.
pub(crate) fn with_body(response: HttpResponse, bytes: Bytes, unread: Payload) -> HttpResponse {
    response.set_body(ReplyBody { bytes, _unread: unread }).map_into_boxed_body()
}

/// A reply's body that keeps what was left unread of the request until the reply is sent.
///
/// actix-web closes the connection when it answers while the payload is alive and unfinished. When the payload is gone
/// it reads a chunked one to its end instead, and a refused sender could go on for ever.
struct ReplyBody {
    bytes: Bytes,
    _unread: Payload,
}

impl MessageBody for ReplyBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let bytes = mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
    }
}

/// The payload of a request, shared by the application and the answer to it.
#[derive(Clone)]
pub(crate) struct KeptPayload(Rc<RefCell<Payload>>);

impl KeptPayload {
    /// Of a chunked request: actix-web itself ends the reading of a body whose length is known.
    pub(crate) fn of(request: &mut ServiceRequest) -> Option<Self> {
        // An error is a `Transfer-Encoding` that is no text, which actix-web has refused before.
        if !request.chunked().unwrap_or(false) {
            return None;
        }
        let kept = Self(Rc::new(RefCell::new(request.take_payload())));
        request.set_payload(Payload::Stream { payload: Box::pin(kept.clone()) });
        Some(kept)
    }

    /// Keeps the payload until the answer is sent.
    pub(crate) fn kept_by<B: MessageBody + 'static>(self, response: ServiceResponse<B>) -> ServiceResponse<BoxBody> {
        response.map_body(|_, body| BoxBody::new(KeepingBody { body: Box::pin(body), _unread: self }))
    }
}

impl Stream for KeptPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// The application's body of an answer, which keeps what was left unread of the request: see [`ReplyBody`].
struct KeepingBody<B> {
    /// In a box, because it is polled pinned.
    body: Pin<Box<B>>,
    _unread: KeptPayload,
}

impl<B: MessageBody> MessageBody for KeepingBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>> {
        self.body.as_mut().poll_next(cx)
    }
}
