//! A request with a JSON body.

use std::any::Any;

use incode_core::Subject;
use incode_core::http::RequestHead;

pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) query: String,
    pub(crate) subject: Option<&'a Subject>,
}

impl RequestHead for Request<'_> {
    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &str {
        self.path
    }

    fn query(&self) -> Option<&str> {
        Some(&self.query)
    }

    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        if name == "content-type" {
            visit(b"application/json");
        }
    }

    fn subject(&self) -> Option<&Subject> {
        self.subject
    }

    fn extensions(&self) -> &dyn Any {
        &()
    }
}
