use std::borrow::Cow;

use bytes::Bytes;

/// An answer, complete and framework-free: adapters copy it into their own response type and decide nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
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
