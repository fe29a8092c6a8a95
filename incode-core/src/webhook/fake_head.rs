//! The head of a request as tests write it.

use std::any::Any;
use std::net::IpAddr;

use crate::Subject;
use crate::http::RequestHead;

#[derive(Clone, Debug)]
pub(crate) struct FakeHead {
    method: &'static str,
    headers: Vec<(String, Vec<u8>)>,
    peer: Option<IpAddr>,
}

impl FakeHead {
    pub(crate) fn post() -> Self {
        Self::new("POST")
    }

    pub(crate) fn new(method: &'static str) -> Self {
        Self { method, headers: Vec::new(), peer: None }
    }

    pub(crate) fn from(mut self, peer: &str) -> Self {
        self.peer = Some(peer.parse().unwrap());
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }
}

impl RequestHead for FakeHead {
    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &str {
        "/incode/webhook"
    }

    fn query(&self) -> Option<&str> {
        None
    }

    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "names are given in lower case: {name}");
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
