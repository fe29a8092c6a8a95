use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::model::ErrorBody;

/// Why a call gave no usable answer. Ask [`kind`](Self::kind).
///
/// Neither `Display` nor `Debug` repeats anything the vendor wrote but its numeric status, nor any part of the URL.
pub struct Error(Box<Details>);

struct Details {
    kind: ErrorKind,
    status: Option<u16>,
    retry_after: Option<Duration>,
    body: Option<ErrorBody>,
    problem: &'static str,
    cause: Option<Cause>,
}

named! {
    /// What happened, decided by the HTTP status line alone: the `status` inside an error body can look like an HTTP status
    /// without being it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum ErrorKind {
        /// No complete answer: name resolution, connection, TLS, or a connection lost half-way.
        Transport = "transport",
        /// No complete answer in time.
        TimedOut = "timed_out",
        /// 400.
        BadRequest = "bad_request",
        /// 401: the token is missing, dead or unknown.
        Unauthorized = "unauthorized",
        /// 403: the API key is missing or wrong.
        Forbidden = "forbidden",
        /// 404.
        NotFound = "not_found",
        /// 405.
        MethodNotAllowed = "method_not_allowed",
        /// 406.
        NotAcceptable = "not_acceptable",
        /// 429: too many requests; see [`Error::retry_after`].
        TooManyRequests = "too_many_requests",
        /// 5xx.
        Server = "server",
        /// A 2xx whose body is not what the spec describes: empty, HTML, another shape, encoded, or an error.
        Malformed = "malformed",
        /// A 2xx with a body longer than the cap.
        TooLarge = "too_large",
        /// Any other status. A redirect is one: none is followed.
        UnexpectedStatus = "unexpected_status",
        /// The request could not be written; nothing was sent.
        Unsendable = "unsendable",
    }
    /// The name in metrics and logs.
    as_str,
}

impl Error {
    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The HTTP status, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// How long the vendor asked us to wait, on 429 and 503. Never over an hour.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The vendor's error body, when there was one. Its texts may hold personal data.
    pub fn body(&self) -> Option<&ErrorBody> {
        self.0.body.as_ref()
    }

    pub(super) fn transport(error: reqwest::Error) -> Self {
        let kind = if error.is_timeout() { ErrorKind::TimedOut } else { ErrorKind::Transport };
        let mut made = Self::new(kind, "the vendor could not be reached, or hung up");
        made.0.cause = Some(Cause::new(&error.without_url()));
        made
    }

    pub(super) fn timed_out() -> Self {
        Self::new(ErrorKind::TimedOut, "the vendor did not answer in time")
    }

    pub(super) fn unsendable(problem: &'static str) -> Self {
        Self::new(ErrorKind::Unsendable, problem)
    }

    pub(super) fn too_large(status: u16) -> Self {
        Self::new(ErrorKind::TooLarge, "the vendor's answer is too large").at(status)
    }

    pub(super) fn malformed(status: u16, problem: &'static str) -> Self {
        Self::new(ErrorKind::Malformed, problem).at(status)
    }

    /// By the status of an answer that is no 2xx.
    pub(super) fn refused(status: u16, retry_after: Option<Duration>, body: Option<ErrorBody>) -> Self {
        let kind = match status {
            400 => ErrorKind::BadRequest,
            401 => ErrorKind::Unauthorized,
            403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            405 => ErrorKind::MethodNotAllowed,
            406 => ErrorKind::NotAcceptable,
            429 => ErrorKind::TooManyRequests,
            500..=599 => ErrorKind::Server,
            _ => ErrorKind::UnexpectedStatus,
        };
        let mut made = Self::new(kind, "the vendor refused the request").at(status);
        made.0.retry_after = retry_after;
        made.0.body = body;
        made
    }

    pub(super) fn at(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(super) fn with_body(mut self, body: Option<ErrorBody>) -> Self {
        self.0.body = body;
        self
    }

    fn new(kind: ErrorKind, problem: &'static str) -> Self {
        Self(Box::new(Details { kind, status: None, retry_after: None, body: None, problem, cause: None }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.problem)?;
        if let Some(status) = self.0.status {
            write!(f, " (HTTP {status})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("status", &self.0.status)
            .field("problem", &self.0.problem)
            .field("retry_after", &self.0.retry_after)
            .field("body", &self.0.body)
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_ref().map(|cause| cause as _)
    }
}

/// What the HTTP stack said, as text: its types are no part of our interface.
#[derive(Debug)]
struct Cause(String);

impl Cause {
    fn new(error: &dyn StdError) -> Self {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            text.push_str(": ");
            text.push_str(&source.to_string());
            next = source.source();
        }
        Self(text)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}
