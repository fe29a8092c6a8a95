use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use bytes::Bytes;

/// A reply's body that keeps what was left unread of the request until the reply is sent.
///
/// actix-web closes the connection when it answers while the payload is alive and unfinished. When the payload is gone
/// it reads a chunked one to its end instead, and a refused sender could go on for ever.
pub(crate) struct ReplyBody {
    bytes: Bytes,
    _unread: Payload,
}

impl ReplyBody {
    pub(crate) fn new(bytes: Bytes, unread: Payload) -> Self {
        Self { bytes, _unread: unread }
    }
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
