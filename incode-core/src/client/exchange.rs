//! One exchange with the vendor as it was, for programs that diagnose.

use std::fmt;
use std::time::Instant;

use reqwest::Method;
use reqwest::header::HeaderMap;
use tokio::time::Instant as Deadline;

use super::answer::read_body;
use super::{Client, Error, header_of};
use crate::Token;

/// An answer of the vendor, with whatever status and body. `Debug` shows the status alone: a body holds personal data.
pub struct Exchange {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    sent: Instant,
    answered: Instant,
}

impl Client {
    /// Sends one GET to `path` below `omni/incode-id/`, with the headers of every call, and reads whatever is answered. It
    /// is not tried again. For programs that find out how the vendor behaves: an application asks with the other methods.
    ///
    /// `path` is percent-encoded already.
    ///
    /// # Errors
    /// [`Error`] when there is no complete answer within the limits of a call.
    pub async fn exchange(&self, path: &str, token: &Token) -> Result<Exchange, Error> {
        let request = self.request(Method::GET, self.url(path), header_of(token)?);
        let deadline = Deadline::now() + self.shared.attempt_timeout;
        let sent = Instant::now();
        let answer = tokio::time::timeout_at(deadline, self.shared.http.execute(request)).await;
        let response = answer.map_err(|_| Error::timed_out())?.map_err(Error::transport)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = read_body(response, self.shared.max_answer_bytes, deadline).await?;
        Ok(Exchange { status, headers, body, sent, answered: Instant::now() })
    }
}

impl Exchange {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first value of a header, where it is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The names of all headers, in lower case.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.keys().map(|name| name.as_str())
    }

    /// The body as it was sent. It may hold personal data.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Just before the request was sent.
    pub fn sent(&self) -> Instant {
        self.sent
    }

    /// When the answer was complete.
    pub fn answered(&self) -> Instant {
        self.answered
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("status", &self.status).finish_non_exhaustive()
    }
}
