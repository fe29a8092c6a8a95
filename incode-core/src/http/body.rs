use std::future::{pending, poll_fn};
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::runtime::Handle;

use super::RequestHead;

#[cfg(test)]
mod tests;

/// How many bytes of a body are read, and for how long.
///
/// Every body that this project reads goes through here, so no route can forget one of the two limits.
///
/// ```
/// # async fn serve(body: impl futures_core::Stream<Item = Result<bytes::Bytes, std::io::Error>>) {
/// use std::time::Duration;
/// use incode_core::http::{BodyError, BodyLimit};
///
/// let form = BodyLimit::new(4096, Duration::from_secs(10));
/// match form.read(body).await {
///     Ok(bytes) => { /* at most 4096 */ }
///     Err(BodyError::TooLarge | BodyError::TooSlow) => { /* 413, 408: close the connection, the rest is not read */ }
///     Err(BodyError::Broken) => { /* 400 */ }
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    bytes: usize,
    deadline: Duration,
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyError {
    /// It is longer than the limit, or its `Content-Length` says so. The rest was not read.
    TooLarge,
    /// It did not arrive before the deadline. The rest was not read.
    TooSlow,
    /// The connection or the framing broke before its end.
    Broken,
}

impl BodyLimit {
    /// At most `bytes` bytes, within `deadline` from the first poll on.
    pub fn new(bytes: usize, deadline: Duration) -> Self {
        Self { bytes, deadline }
    }

    /// What is still read of a body whose request was refused: 1 MiB, within a second.
    ///
    /// A connection that is closed with unread bytes is reset, and a reset destroys an answer that the other side has not
    /// read yet. A proxy then answers 502 in our place, and may take the whole application for dead. With this much most
    /// clients have written their body and read the answer. [`discard`](Self::discard) gives the others the rest of the
    /// second.
    pub fn after_refusal() -> Self {
        Self::new(DISCARDED_BYTES, DISCARDED_FOR)
    }

    /// At most how many bytes are read.
    pub fn bytes(self) -> usize {
        self.bytes
    }

    /// Compares `Content-Length` with the limit, to answer before the body arrives. What is read is counted all the same,
    /// so a header that is missing, given twice or no number passes here.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`].
    pub fn check_announced(self, head: &dyn RequestHead) -> Result<(), BodyError> {
        let announced = head.header("content-length").one().and_then(|value| std::str::from_utf8(value).ok());
        match announced.and_then(|text| text.parse::<u128>().ok()) {
            Some(length) if length > self.bytes as u128 => Err(BodyError::TooLarge),
            _ => Ok(()),
        }
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// [`BodyError`].
    pub async fn read<B, C, E>(self, body: B) -> Result<Bytes, BodyError>
    where
        B: Stream<Item = Result<C, E>>,
        C: AsRef<[u8]>,
    {
        let mut read = BytesMut::new();
        self.each(body, |chunk: C| {
            read.extend_from_slice(chunk.as_ref());
            Ok::<_, BodyError>(())
        })
        .await?;
        Ok(read.freeze())
    }

    /// Reads the body in a task of its own and throws it away, while the caller answers. It ends at the end of the body, at
    /// the deadline, or with the connection. Outside of a Tokio runtime the body is dropped unread.
    ///
    /// A longer body is kept until the deadline, and no more of it is read. The client waits for room to write meanwhile,
    /// and reads the answer. Dropping the body would reset the connection.
    pub fn discard<B, C, E>(self, body: B)
    where
        B: Stream<Item = Result<C, E>> + Send + 'static,
        C: AsRef<[u8]>,
    {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let mut body = pin!(body);
                let discarded = async {
                    if self.each(body.as_mut(), |_| Ok(())).await == Err(BodyError::TooLarge) {
                        pending::<()>().await;
                    }
                };
                // However it ended: nothing is needed of the body.
                let _ = tokio::time::timeout(self.deadline, discarded).await;
            });
        }
    }

    /// Hands each chunk to `take` as it comes, and stops at the first error.
    ///
    /// # Errors
    /// [`BodyError`], converted, and what `take` returns.
    pub async fn each<B, C, E, R>(self, body: B, mut take: impl FnMut(C) -> Result<(), R>) -> Result<(), R>
    where
        B: Stream<Item = Result<C, E>>,
        C: AsRef<[u8]>,
        R: From<BodyError>,
    {
        let read = async {
            let mut body = pin!(body);
            let mut left = self.bytes;
            while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
                let chunk = chunk.map_err(|_| BodyError::Broken)?;
                left = left.checked_sub(chunk.as_ref().len()).ok_or(BodyError::TooLarge)?;
                take(chunk)?;
            }
            Ok(())
        };
        tokio::time::timeout(self.deadline, read).await.unwrap_or_else(|_| Err(BodyError::TooSlow.into()))
    }
}

/// As large as an upload that proxies let through by default (nginx: 1 MB). More would help a flood.
const DISCARDED_BYTES: usize = 1024 * 1024;
/// As long as actix-web reads on after an early answer (`client_disconnect_timeout`), so that the adapters behave alike.
const DISCARDED_FOR: Duration = Duration::from_secs(1);
