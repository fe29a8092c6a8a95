use std::borrow::Cow;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Reply;

/// Why a request was not served, as an answer: RFC 9457 `application/problem+json` with a stable `code`.
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
    /// Headers beside the usual ones, for instance `retry-after` or `www-authenticate`.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Boxed: few problems have any of it, and results that carry one stay small.
    more: Option<Box<More>>,
}

/// Members that only denials have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct More {
    verify_url: Option<Cow<'static, str>>,
    login_url: Option<Cow<'static, str>>,
    step_up_url: Option<Cow<'static, str>>,
    requirement: Option<&'static str>,
    /// A page may ask again by itself after `Retry-After`.
    reloads: bool,
}

impl Problem {
    /// A problem without further headers.
    pub fn new(status: u16, code: &'static str, title: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, title, detail: detail.into(), headers: Vec::new(), more: None }
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
        self.more.get_or_insert_default().verify_url = Some(url.into());
        self
    }

    /// Names where a person logs in.
    #[must_use]
    pub fn login_at(mut self, url: impl Into<Cow<'static, str>>) -> Self {
        self.more.get_or_insert_default().login_url = Some(url.into());
        self
    }

    /// Names where a person confirms by face.
    #[must_use]
    pub fn step_up_at(mut self, url: impl Into<Cow<'static, str>>) -> Self {
        self.more.get_or_insert_default().step_up_url = Some(url.into());
        self
    }

    /// Names the requirement that was not met.
    #[must_use]
    pub fn of_requirement(mut self, name: &'static str) -> Self {
        self.more.get_or_insert_default().requirement = Some(name);
        self
    }

    /// As [`retry_after`](Self::retry_after), for what passes by itself: a page that shows it asks again then.
    #[must_use]
    pub(crate) fn reloading_after(mut self, wait: Duration) -> Self {
        self.more.get_or_insert_default().reloads = true;
        self.retry_after(wait)
    }

    /// In whole seconds, when a page is to ask again by itself.
    pub(super) fn reloads_after(&self) -> Option<&str> {
        self.more.as_ref().filter(|more| more.reloads)?;
        self.headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, seconds)| &**seconds)
    }

    /// Where a person gets verified, when that would help.
    pub fn verify_url(&self) -> Option<&str> {
        self.more.as_ref()?.verify_url.as_deref()
    }

    /// Where a person logs in, when that would help and the application named a page.
    pub fn login_url(&self) -> Option<&str> {
        self.more.as_ref()?.login_url.as_deref()
    }

    /// Where a person confirms by face, when that would help and the application named a page.
    pub fn step_up_url(&self) -> Option<&str> {
        self.more.as_ref()?.step_up_url.as_deref()
    }

    /// The name of the requirement that was not met, when it has one.
    pub fn requirement(&self) -> Option<&'static str> {
        self.more.as_ref()?.requirement
    }

    /// The reply: problem+json that no cache keeps.
    pub fn reply(&self) -> Reply {
        self.protect(Reply::new(self.status).body("application/problem+json", self.json()))
    }

    /// Written by hand: nearly all of it needs no escape, and is copied whole.
    fn json(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(USUAL_LENGTH);
        let status = self.status.to_string();
        for (before, text) in [
            ("{\"type\":\"urn:incode:problem:", self.code),
            ("\",\"title\":\"", self.title),
            ("\",\"status\":", &status),
            (",\"detail\":\"", &self.detail),
            ("\",\"code\":\"", self.code),
        ] {
            body.extend_from_slice(before.as_bytes());
            extend_escaped(&mut body, text);
        }
        for (before, text) in [
            ("\",\"requirement\":\"", self.requirement()),
            ("\",\"verify_url\":\"", self.verify_url()),
            ("\",\"login_url\":\"", self.login_url()),
            ("\",\"step_up_url\":\"", self.step_up_url()),
        ] {
            if let Some(text) = text {
                body.extend_from_slice(before.as_bytes());
                extend_escaped(&mut body, text);
            }
        }
        body.extend_from_slice(b"\"}");
        body
    }

    /// Completes a reply that the application rendered.
    ///
    /// - No cache may keep it. A `Cache-Control` of the application stays only if it says `no-store` too.
    /// - The headers of the problem are added where the reply has none of that name.
    pub(crate) fn protect(&self, mut reply: Reply) -> Reply {
        reply.headers.retain(|(name, value)| !loosens_no_store(name, value));
        let own = reply.headers.len();
        let no_store = ("cache-control", Cow::Borrowed("no-store"));
        for (name, value) in std::iter::once(&no_store).chain(&self.headers) {
            if !reply.headers.iter().take(own).any(|(own, _)| own.eq_ignore_ascii_case(name)) {
                reply.headers.push((name, value.clone()));
            }
        }
        reply
    }

    /// The reply to a gRPC call: 200 and no body, the outcome in `grpc-status` and `grpc-message`, what gRPC calls
    /// trailers-only. The stable code is in `incode-code`, what a person can do in `incode-verify-url` and its like.
    pub fn grpc_reply(&self, content_type: &'static str) -> Reply {
        let message = utf8_percent_encode(&self.detail, NOT_IN_A_GRPC_MESSAGE).to_string();
        let mut reply = Reply::new(200)
            .header("content-type", content_type)
            .header("grpc-status", self.grpc_status())
            .header("grpc-message", message)
            .header("cache-control", "no-store")
            .header("incode-code", self.code);
        let more = [
            ("incode-verify-url", self.verify_url()),
            ("incode-login-url", self.login_url()),
            ("incode-step-up-url", self.step_up_url()),
            ("incode-requirement", self.requirement()),
        ];
        reply.headers.extend(more.into_iter().filter_map(|(name, url)| Some((name, Cow::Owned(url?.to_owned())))));
        reply.headers.extend(self.headers.iter().cloned());
        reply
    }

    /// As gRPC's own mapping from HTTP has it, where it has one.
    fn grpc_status(&self) -> &'static str {
        match self.status {
            400 | 413 => "3",
            401 => "16",
            403 => "7",
            404 => "5",
            405 => "12",
            408 => "4",
            429 | 502..=504 => "14",
            500 => "13",
            _ => "2",
        }
    }
}

/// True for a header that would let a cache keep the reply: a `Cache-Control` without `no-store` or with
/// `must-understand`, which cancels it (RFC 9111, section 5.2.2.3), and the headers that a CDN reads instead of
/// `Cache-Control` (RFC 9213).
fn loosens_no_store(name: &str, value: &str) -> bool {
    if !name.eq_ignore_ascii_case("cache-control") {
        let name = name.to_ascii_lowercase();
        return name.ends_with("-cache-control") || name == "surrogate-control";
    }
    let says = |wanted: &str| value.split(',').any(|directive| directive.trim().eq_ignore_ascii_case(wanted));
    !says("no-store") || says("must-understand")
}

/// gRPC percent-encodes what is not printable ASCII, and the percent sign.
const NOT_IN_A_GRPC_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// As JSON has it inside of quotes.
fn extend_escaped(body: &mut Vec<u8>, text: &str) {
    // Looks at every byte, so that the compiler takes many at a time.
    let is_plain = |byte: u8| (byte >= b' ') & (byte != b'"') & (byte != b'\\');
    if text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        return body.extend_from_slice(text.as_bytes());
    }
    // Text can always be serialised.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    body.extend_from_slice(inside.unwrap_or_default().as_bytes());
}

/// A denial with a way back takes about that.
const USUAL_LENGTH: usize = 384;

#[cfg(test)]
mod tests;
