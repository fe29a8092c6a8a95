use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use bytes::Bytes;
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
