use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

use super::Reply;

/// Why a request was not served, ready to be told: RFC 9457 `application/problem+json` with a stable `code`.
///
/// Holds only what the other side may see. One type serves rejected deliveries, denied visitors and failed flows, so
/// an application that wants other bodies replaces the rendering in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The HTTP status code.
    pub status: u16,
    /// What programs branch on; never changes for the same cause.
    pub code: &'static str,
    /// One line for people.
    pub title: &'static str,
    /// What the person or the sender can do now.
    pub detail: Cow<'static, str>,
    /// Where a person gets verified, when that would help.
    pub verify_url: Option<Cow<'static, str>>,
    /// Headers beside the usual ones, for instance `retry-after` or `www-authenticate`.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
}

impl Problem {
    /// A problem without further headers.
    pub fn new(status: u16, code: &'static str, title: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, title, detail: detail.into(), verify_url: None, headers: Vec::new() }
    }

    /// Adds a header to the reply.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds `Retry-After` in whole seconds, rounded up, at least one.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let secs = wait.as_millis().div_ceil(1000).max(1);
        self.header("retry-after", secs.to_string())
    }

    /// Names where a person gets verified.
    #[must_use]
    pub fn verify_at(mut self, url: impl Into<Cow<'static, str>>) -> Self {
        self.verify_url = Some(url.into());
        self
    }

    /// The reply: problem+json that no cache keeps.
    pub fn reply(&self) -> Reply {
        let body = Body {
            r#type: format!("urn:incode:problem:{}", self.code),
            title: self.title,
            status: self.status,
            detail: &self.detail,
            code: self.code,
            verify_url: self.verify_url.as_deref(),
        };
        // Strings and numbers only: serialising can't fail, and an empty body would still carry the right status.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut reply =
            Reply::new(self.status).body("application/problem+json", body).header("cache-control", "no-store");
        reply.headers.extend(self.headers.iter().cloned());
        reply
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_url: Option<&'a str>,
}
