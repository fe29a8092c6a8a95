//! Reading bodies: never more than the route takes, never longer than a person waits.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use incode_core::http::Problem;

use crate::Asked;

/// # Errors
/// 413 over `cap` bytes, 408 when it takes too long, 400 when it breaks off.
pub(crate) async fn read<B, C, E>(asked: &Asked, body: B, cap: usize) -> Result<Bytes, Problem>
where
    B: Stream<Item = Result<C, E>>,
    C: AsRef<[u8]>,
{
    let too_large = || {
        Problem::new(413, "body_too_large", "Too large", format!("Send at most {} KiB.", cap / 1024))
            .header("connection", "close")
    };
    if asked.content_length.is_some_and(|length| length > cap as u64) {
        return Err(too_large());
    }
    let read = async {
        let mut body = pin!(body);
        let mut read = BytesMut::new();
        while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            let chunk = chunk.map_err(|_| {
                Problem::new(400, "body_broken", "Broken off", "The body did not arrive whole. Send it again.")
            })?;
            if read.len() + chunk.as_ref().len() > cap {
                return Err(too_large());
            }
            read.extend_from_slice(chunk.as_ref());
        }
        Ok(read.freeze())
    };
    tokio::time::timeout(DEADLINE, read).await.unwrap_or_else(|_| {
        Err(Problem::new(408, "body_too_slow", "Too slow", "The body took too long to arrive.")
            .header("connection", "close"))
    })
}

/// The one value of `name` in an `application/x-www-form-urlencoded` body. `None` when it is absent or given twice.
pub fn form_value(body: &[u8], name: &str) -> Option<String> {
    let mut values = url::form_urlencoded::parse(body).filter(|(key, _)| key == name);
    let (_, value) = values.next()?;
    values.next().is_none().then(|| value.into_owned())
}

/// 415, naming what would be taken.
pub(crate) fn unsupported(taken: &'static str) -> Problem {
    Problem::new(415, "unsupported_media_type", "Not readable", format!("Send {taken}.")).header("accept", taken)
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

const DEADLINE: Duration = Duration::from_secs(30);
