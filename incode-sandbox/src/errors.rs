//! The documented error body, and the errors of the handle.

use std::error::Error;
use std::fmt;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refused call (spec: Error responses).
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: &'static str,
    allow: Option<&'static str>,
    /// Seconds for the `Retry-After` header.
    retry_after: Option<u64>,
}

impl ApiError {
    /// A refusal with the documented body and no further header.
    pub(crate) const fn new(status: StatusCode, message: &'static str) -> Self {
        Self { status, message, allow: None, retry_after: None }
    }

    /// 405 with the `Allow` header.
    pub(crate) const fn wrong_method(allow: &'static str) -> Self {
        let refused = Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
        Self { allow: Some(allow), ..refused }
    }

    /// 429; with `Retry-After` in seconds where the call will fit later.
    pub(crate) const fn too_many_requests(retry_after: Option<u64>) -> Self {
        let refused = Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
        Self { retry_after, ..refused }
    }

    /// The answer to a call of `path`; `now` in milliseconds.
    pub(crate) fn response(self, path: &str, now: i64) -> Response {
        let body = json!({
            "timestamp": now,
            "status": self.status.as_u16(),
            "error": self.status.canonical_reason().unwrap_or("Error"),
            "message": self.message,
            "path": path,
        });
        let mut response =
            (self.status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response();
        if let Some(allow) = self.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Nothing in the sandbox has that id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFound;

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing in the sandbox has that id")
    }
}

impl Error for NotFound {}

/// A sandbox could not start, or refused a setting.
#[derive(Debug)]
pub struct StartError {
    kind: StartErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StartError {
    pub(crate) fn new(kind: StartErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(crate) fn with(kind: StartErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// The kind of the error.
    pub fn kind(&self) -> StartErrorKind {
        self.kind
    }
}

/// Kinds of [`StartError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartErrorKind {
    /// The address could not be bound.
    Bind,
    /// The machine gave no randomness.
    Randomness,
    /// The HTTP client could not be built.
    Client,
    /// A webhook URL is not an absolute http(s) URL.
    WebhookUrl,
    /// A webhook header name or value can't be sent.
    WebhookHeader,
    /// A Standard Webhooks secret is not `whsec_` and base64.
    WebhookSecret,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StartErrorKind::Bind => "the sandbox's address could not be bound",
            StartErrorKind::Randomness => "the machine gave no randomness",
            StartErrorKind::Client => "the HTTP client could not be built",
            StartErrorKind::WebhookUrl => "a webhook URL is not an absolute http or https URL",
            StartErrorKind::WebhookHeader => "a webhook header can't be sent",
            StartErrorKind::WebhookSecret => "a Standard Webhooks secret is not whsec_ and base64",
        })
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
