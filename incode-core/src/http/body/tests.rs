use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use super::{BodyError, BodyLimit};
use crate::webhook::fake_head::FakeHead;

/// Chunks, then the end, an error, or nothing for ever.
struct Body {
    chunks: Vec<&'static [u8]>,
    end: End,
}

#[derive(Clone, Copy)]
enum End {
    Whole,
    Broken,
    Never,
}

impl Stream for Body {
    type Item = Result<&'static [u8], &'static str>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.chunks.is_empty() {
            return Poll::Ready(Some(Ok(self.chunks.remove(0))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            End::Broken => Poll::Ready(Some(Err("reset"))),
            End::Never => Poll::Pending,
        }
    }
}

fn body(chunks: &[&'static [u8]], end: End) -> Body {
    Body { chunks: chunks.to_vec(), end }
}

const LIMIT: BodyLimit = BodyLimit { bytes: 4, deadline: Duration::from_secs(600) };

#[tokio::test]
async fn a_body_is_read_up_to_the_limit_and_no_further() {
    assert_eq!(LIMIT.read(body(&[], End::Whole)).await.unwrap(), "");
    assert_eq!(LIMIT.read(body(&[b"ab", b"", b"cd"], End::Whole)).await.unwrap(), "abcd");
    assert_eq!(LIMIT.read(body(&[b"ab", b"cde"], End::Never)).await, Err(BodyError::TooLarge), "the rest is not read");
    assert_eq!(LIMIT.read(body(&[b"ab"], End::Broken)).await, Err(BodyError::Broken));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_waited_for_until_the_deadline() {
    assert_eq!(LIMIT.read(body(&[b"ab"], End::Never)).await, Err(BodyError::TooSlow));
}

#[tokio::test]
async fn the_first_error_of_the_taker_ends_the_reading() {
    let mut taken = Vec::new();
    let outcome = LIMIT.each(body(&[b"a", b"b", b"c"], End::Never), |chunk| {
        taken.push(chunk);
        if chunk == b"b" { Err(BodyError::Broken) } else { Ok(()) }
    });
    assert_eq!((outcome.await, taken), (Err(BodyError::Broken), vec![&b"a"[..], b"b"]));
    let none = futures_util::stream::empty::<Result<&[u8], Infallible>>();
    assert_eq!(LIMIT.each(none, |_| Err(BodyError::Broken)).await, Ok(()));
}

#[test]
fn an_announced_length_is_compared_where_it_is_one() {
    let check = |length: &str| LIMIT.check_announced(&FakeHead::post().with("content-length", length));
    assert_eq!((check("4"), check("5")), (Ok(()), Err(BodyError::TooLarge)));
    assert_eq!(check("99999999999999999999"), Err(BodyError::TooLarge));
    assert_eq!((check("x"), LIMIT.check_announced(&FakeHead::post())), (Ok(()), Ok(())));
}

/// Keeps what its drop says.
struct Watched {
    body: Body,
    _held: tokio::sync::oneshot::Sender<()>,
}

impl Stream for Watched {
    type Item = Result<&'static [u8], &'static str>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// Dropping it earlier would reset the connection, maybe before the answer was read.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_to_be_discarded_is_kept_until_the_deadline() {
    for (chunks, end, kept) in [
        (&[b"ab".as_slice(), b"cde"][..], End::Whole, true),
        (&[b"ab", b"cde"], End::Never, true),
        (&[b"ab"], End::Never, true),
        (&[b"ab"], End::Whole, false),
        (&[b"ab"], End::Broken, false),
    ] {
        let (held, dropped) = tokio::sync::oneshot::channel();
        let begun = tokio::time::Instant::now();
        LIMIT.discard(Watched { body: body(chunks, end), _held: held });
        dropped.await.unwrap_err();
        assert_eq!(begun.elapsed() >= LIMIT.deadline, kept, "{chunks:?}");
    }
}
