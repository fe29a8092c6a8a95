use std::any::Any;
use std::net::IpAddr;

use incode_core::Subject;
use incode_core::http::RequestHead;

pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// The head of a request as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    /// Names in lower case.
    pub(crate) headers: Headers,
    pub(crate) peer: Option<IpAddr>,
}

impl Written {
    pub(crate) fn new(method: &'static str, target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Self { method, path: path.to_owned(), query, headers: Vec::new(), peer: None }
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }
}

impl RequestHead for Written {
    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.headers.iter().filter(|(own, _)| own == name).for_each(|(_, value)| visit(value));
    }

    fn subject(&self) -> Option<&Subject> {
        None
    }

    fn extensions(&self) -> &dyn Any {
        &()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}
