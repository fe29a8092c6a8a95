use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Once};

use crate::http::{Field, RequestHead};

use super::cookie;

/// How the layer finds the application's user of a request. Reads the request head only, and does no I/O: a
/// session store is asked by the application's own middleware, which leaves a [`Subject`](crate::Subject) in the
/// request extensions. Where the application finds its users by asynchronous code, an extractor for instance, the
/// `identify` of the adapter's layer takes the place of this source.
///
/// ```
/// use incode_core::gate::SubjectSource;
/// // Behind your own authentication, which inserts a `Subject` into the request extensions:
/// let source = SubjectSource::extension();
/// // Or from a cookie that your own code verifies:
/// let source = SubjectSource::cookie("session", |value| value.strip_prefix("signed.").map(Into::into));
/// # fn verify(_: &str) -> Option<String> { None }
/// ```
#[derive(Clone)]
pub struct SubjectSource(Source);

#[derive(Clone)]
enum Source {
    Extension,
    TrustedHeader(Arc<str>),
    Cookie(Arc<str>, Arc<CookieReader>),
    Function(Arc<Function>),
    FirstOf(Arc<[SubjectSource; 2]>),
}

type CookieReader = dyn for<'a> Fn(&'a str) -> Option<Cow<'a, str>> + Send + Sync;
type Function = dyn for<'a> Fn(&'a dyn RequestHead) -> Option<Cow<'a, str>> + Send + Sync;

impl SubjectSource {
    /// The [`Subject`](crate::Subject) in the request extensions.
    pub fn extension() -> Self {
        Self(Source::Extension)
    }

    /// A header that a proxy in front of the application sets, **and strips from what clients send**. A client
    /// that can reach the application past that proxy can name any subject.
    pub fn trusted_header(name: &str) -> Self {
        Self(Source::TrustedHeader(name.to_ascii_lowercase().into()))
    }

    /// A cookie whose value `read` verifies and turns into a subject. A `read` that verifies nothing trusts the client.
    pub fn cookie<F>(name: &str, read: F) -> Self
    where
        F: for<'a> Fn(&'a str) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    {
        Self(Source::Cookie(name.into(), Arc::new(read)))
    }

    /// The application's own rule over the whole head.
    pub fn from_fn<F>(find: F) -> Self
    where
        F: for<'a> Fn(&'a dyn RequestHead) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    {
        Self(Source::Function(Arc::new(find)))
    }

    /// This source, or `other` where this one finds no subject: a browser's cookie, say, or else a program's token.
    ///
    /// ```
    /// # use incode_core::gate::SubjectSource;
    /// # fn verify(_: &str) -> Option<std::borrow::Cow<'_, str>> { None }
    /// let token = SubjectSource::from_fn(|head| {
    ///     let value = std::str::from_utf8(head.header("authorization").one()?).ok()?;
    ///     verify(value.strip_prefix("Bearer ")?)
    /// });
    /// let source = SubjectSource::cookie("session", verify).or(token);
    /// ```
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(Source::FirstOf(Arc::new([self, other])))
    }

    /// Whether another layer has to leave the subject in the request extensions before ours.
    pub(crate) fn reads_extension(&self) -> bool {
        match &self.0 {
            Source::Extension => true,
            Source::FirstOf(sources) => sources.iter().any(Self::reads_extension),
            Source::TrustedHeader(_) | Source::Cookie(..) | Source::Function(_) => false,
        }
    }

    /// The subject's text, unchecked. What is ambiguous (a header that came twice, a cookie with two values) is no subject.
    #[inline]
    pub(crate) fn find<'a>(&self, head: &'a dyn RequestHead) -> Option<Cow<'a, str>> {
        match &self.0 {
            Source::Extension => head.subject().map(|subject| Cow::Borrowed(subject.as_str())),
            Source::TrustedHeader(name) => match head.header(name) {
                Field::One(value) => std::str::from_utf8(value).ok().map(Cow::Borrowed),
                Field::Missing | Field::Many => None,
            },
            Source::Cookie(name, read) => cookie_value(head, name).and_then(|value| read(value)),
            Source::Function(find) => find(head),
            Source::FirstOf(sources) => first_of(&**sources, head),
        }
    }
}

impl fmt::Debug for SubjectSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Extension => "SubjectSource::extension",
            Source::TrustedHeader(_) => "SubjectSource::trusted_header",
            Source::Cookie(..) => "SubjectSource::cookie",
            Source::Function(_) => "SubjectSource::from_fn",
            Source::FirstOf(_) => "SubjectSource::or",
        })
    }
}

/// Out of line, so that the usual sources stay short enough to be inlined.
#[inline(never)]
fn first_of<'a>(sources: &[SubjectSource], head: &'a dyn RequestHead) -> Option<Cow<'a, str>> {
    sources.iter().find_map(|source| source.find(head))
}

#[inline]
pub(super) fn cookie_value<'a>(head: &'a dyn RequestHead, name: &str) -> Option<&'a str> {
    let mut found = Ok(None);
    // HTTP/2 may split cookies over several headers, so each is read; the name may still have only one value in all.
    head.header_values("cookie", &mut |header| {
        found = match (std::mem::replace(&mut found, Ok(None)), cookie::find(header, name.as_bytes())) {
            (Ok(None), this) => this,
            (Ok(found), Ok(None)) => Ok(found),
            (Ok(Some(one)), Ok(Some(other))) if one == other => Ok(Some(one)),
            (Ok(Some(_)), Ok(Some(_))) | (Err(_), _) | (_, Err(_)) => Err(cookie::Ambiguous),
        };
    });
    match found {
        Ok(value) => std::str::from_utf8(value?).ok(),
        Err(cookie::Ambiguous) => {
            warn_of_twins(name);
            None
        }
    }
}

/// Once in the life of the process: every request of that browser has both.
#[cold]
fn warn_of_twins(name: &str) {
    static WARN: Once = Once::new();
    WARN.call_once(|| {
        tracing::warn!(
            cookie = name,
            "a request has two cookies of this name with different values and counts as not logged in: one is stale, for \
             instance set for another Path or Domain"
        );
    });
}
