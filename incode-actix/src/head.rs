use std::any::Any;
use std::cell::Ref;
use std::net::IpAddr;

use actix_web::dev::{self, Extensions};
use actix_web::http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE};
use actix_web::{HttpMessage, HttpRequest};
use incode_core::adapter::RequestHead;
use incode_core::gate::Visitor;
use incode_core::{Actor, SessionHash, Subject};

/// A request head as core reads it: what services without extractors hand to the functions of
/// [`gate`](incode_core::gate). Holds the request's extensions borrowed: it has to be gone before anything is
/// inserted, and before any other service sees the request.
///
/// ```
/// use actix_web::{HttpRequest, test::TestRequest};
/// use incode_actix::ActixHead;
/// use incode_actix::core::gate;
///
/// fn serve(request: &HttpRequest) -> String {
///     let head = ActixHead::from(request);
///     match gate::active(head.visitor(), &head) {
///         Ok(person) => format!("verified: {:?}", person.identity().verified_at),
///         Err(reply) => format!("to be sent instead: {}", reply.status), // see `incode_actix::response`
///     }
/// }
/// # assert_eq!(serve(&TestRequest::default().to_http_request()), "to be sent instead: 500"); // there is no layer
/// ```
#[derive(Debug)]
pub struct ActixHead<'a> {
    head: &'a dev::RequestHead,
    extensions: Ref<'a, Extensions>,
}

impl ActixHead<'_> {
    /// What the middleware left.
    pub fn visitor(&self) -> Option<&Visitor> {
        self.extensions.get()
    }
}

impl<'a> From<&'a HttpRequest> for ActixHead<'a> {
    fn from(request: &'a HttpRequest) -> Self {
        Self { head: request.head(), extensions: request.extensions() }
    }
}

impl RequestHead for ActixHead<'_> {
    fn method(&self) -> &str {
        self.head.method.as_str()
    }

    /// As it came: what actix-web decodes for its router is kept elsewhere.
    fn path(&self) -> &str {
        self.head.uri.path()
    }

    fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    fn header_values<'h>(&'h self, name: &str, visit: &mut dyn FnMut(&'h [u8])) {
        // What most requests are asked for: a name known beforehand is found at half the cost.
        let headers = &self.head.headers;
        let values = match name {
            "cookie" => headers.get_all(COOKIE),
            "authorization" => headers.get_all(AUTHORIZATION),
            "accept" => headers.get_all(ACCEPT),
            "content-type" => headers.get_all(CONTENT_TYPE),
            "content-length" => headers.get_all(CONTENT_LENGTH),
            _ => headers.get_all(name),
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
        self.head.uri.authority().map(|authority| authority.as_str())
    }

    fn extensions(&self) -> &dyn Any {
        &*self.extensions
    }

    fn peer(&self) -> Option<IpAddr> {
        self.head.peer_addr.map(|address| address.ip())
    }
}

/// What the application's own middleware left in the request extensions, for `SubjectSource::from_fn`:
///
/// ```
/// use incode_actix::{SubjectSource, extension};
/// struct Claims { account: String }
/// let source = SubjectSource::from_fn(|head| extension::<Claims>(head).map(|claims| claims.account.as_str().into()));
/// ```
pub fn extension<T: 'static>(head: &dyn RequestHead) -> Option<&T> {
    head.extensions().downcast_ref::<Extensions>()?.get()
}
