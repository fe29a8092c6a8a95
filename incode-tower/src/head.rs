use std::any::Any;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE};
use http::{Extensions, Request};
use incode_core::adapter::RequestHead;
use incode_core::{Actor, SessionHash, Subject};

/// A request head as core reads it: what services without extractors hand to the functions of
/// [`gate`](incode_core::gate).
///
/// ```
/// use incode_tower::HttpHead;
/// use incode_tower::core::gate;
///
/// fn serve(request: &http::Request<()>) -> String {
///     match gate::active(request.extensions().get(), &HttpHead::from(request)) {
///         Ok(person) => format!("verified: {:?}", person.identity().verified_at),
///         Err(reply) => format!("to be sent instead: {}", reply.status), // see `incode_tower::response`
///     }
/// }
/// # assert_eq!(serve(&http::Request::new(())), "to be sent instead: 500"); // there is no layer
/// ```
#[derive(Debug)]
pub struct HttpHead<'a> {
    method: &'a http::Method,
    uri: &'a http::Uri,
    headers: &'a http::HeaderMap,
    extensions: &'a Extensions,
}

impl<'a, B> From<&'a Request<B>> for HttpHead<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

impl<'a> From<&'a http::request::Parts> for HttpHead<'a> {
    fn from(parts: &'a http::request::Parts) -> Self {
        Self { method: &parts.method, uri: &parts.uri, headers: &parts.headers, extensions: &parts.extensions }
    }
}

impl RequestHead for HttpHead<'_> {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn path(&self) -> &str {
        self.uri.path()
    }

    fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// What axum left before it nested routers, which each see the rest of the path alone.
    #[cfg(feature = "axum")]
    fn sent_to(&self) -> (&str, Option<&str>) {
        let uri = self.extensions.get::<axum::extract::OriginalUri>().map_or(self.uri, |original| &original.0);
        (uri.path(), uri.query())
    }

    fn header_values<'h>(&'h self, name: &str, visit: &mut dyn FnMut(&'h [u8])) {
        // Every gated request is asked for its cookies. Looking through a few headers costs half of hashing the name.
        if name == "cookie" && self.headers.len() <= FEW {
            return self
                .headers
                .iter()
                .filter(|(name, _)| *name == COOKIE)
                .for_each(|(_, value)| visit(value.as_bytes()));
        }
        // A name known beforehand is found at half the cost of one that is not.
        let values = match name {
            "cookie" => self.headers.get_all(COOKIE),
            "authorization" => self.headers.get_all(AUTHORIZATION),
            "accept" => self.headers.get_all(ACCEPT),
            "content-type" => self.headers.get_all(CONTENT_TYPE),
            "content-length" => self.headers.get_all(CONTENT_LENGTH),
            _ => self.headers.get_all(name),
        };
        for value in values {
            visit(value.as_bytes());
        }
    }

    fn subject(&self) -> Option<&Subject> {
        self.extensions.get()
    }

    fn actor(&self) -> Option<&Actor> {
        self.extensions.get()
    }

    fn session(&self) -> Option<&SessionHash> {
        self.extensions.get()
    }

    fn authority(&self) -> Option<&str> {
        self.uri.authority().map(http::uri::Authority::as_str)
    }

    fn extensions(&self) -> &dyn Any {
        self.extensions
    }
}

/// What the application's own middleware left in the request extensions, for `SubjectSource::from_fn`:
///
/// ```
/// use incode_tower::{SubjectSource, extension};
/// #[derive(Clone)]
/// struct Claims { account: String }
/// let source = SubjectSource::from_fn(|head| extension::<Claims>(head).map(|claims| claims.account.as_str().into()));
/// ```
pub fn extension<T: Send + Sync + 'static>(head: &dyn RequestHead) -> Option<&T> {
    head.extensions().downcast_ref::<Extensions>()?.get()
}

/// Up to about ten headers are looked through faster than one is looked up.
const FEW: usize = 8;
