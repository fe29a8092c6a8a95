use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

use bytes::Bytes;

/// An answer, complete and framework-free: adapters copy it into their own response type and decide nothing.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct Reply {
    /// The HTTP status code.
    pub status: u16,
    /// Header names in lower case, with values.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body; empty for 204.
    pub body: Bytes,
}

impl Reply {
    /// An answer without headers and body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// A 303 that no cache keeps and that hands no referrer on.
    pub fn see_other(location: impl Into<Cow<'static, str>>) -> Self {
        Self::new(303)
            .header("location", location)
            .header("cache-control", "no-store")
            .header("referrer-policy", "no-referrer")
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Replaces the body and names its type.
    pub fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }
}

/// For code that has no answer of its own.
impl From<Infallible> for Reply {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The status, and which headers there are: a `Location` holds a correlation id, a cookie a session, a body anything.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Reply").field("status", &self.status).field("headers", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
