//! Reads bodies: never more than the route takes, never longer than a person waits.

use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use incode_core::http::{BodyError, BodyLimit, Problem};

use crate::RequestContext;

/// # Errors
/// 413 over `cap` bytes, 408 when it takes too long, 400 when it breaks off.
pub(crate) async fn read<B, C, E>(request: &RequestContext, body: B, cap: usize) -> Result<Bytes, Problem>
where
    B: Stream<Item = Result<C, E>>,
    C: AsRef<[u8]>,
{
    let is_too_long = request.content_length.is_some_and(|length| length > cap as u64);
    let read = if is_too_long { Err(BodyError::TooLarge) } else { BodyLimit::new(cap, DEADLINE).read(body).await };
    read.map_err(|error| match error {
        BodyError::TooLarge => {
            Problem::new(413, "body_too_large", "Too large", format!("Send at most {} KiB.", cap / 1024))
                .header("connection", "close")
        }
        BodyError::TooSlow => Problem::new(408, "body_too_slow", "Too slow", "The body took too long to arrive.")
            .header("connection", "close"),
        BodyError::Broken => {
            Problem::new(400, "body_broken", "Broken off", "The body did not arrive whole. Send it again.")
        }
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

/// As long as a photograph takes over a slow mobile connection.
pub const DEADLINE: Duration = Duration::from_secs(30);
