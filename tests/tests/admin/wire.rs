//! HTTP as it is on the wire: a browser's headers are part of what is tested.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Where admin routes are served.
pub(crate) struct Mount {
    pub(crate) address: SocketAddr,
    /// Ends with a slash.
    pub(crate) path: &'static str,
}

pub(crate) struct Request<'a> {
    mount: &'a Mount,
    line: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Mount {
    /// `path` is relative to the mount. The guard of the tests takes the name of the administrator for proof.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request<'_> {
        let line = format!("{method} {}{path} HTTP/1.1", self.path);
        let headers = vec![("host", self.address.to_string()), ("x-admin", "anna".to_owned())];
        Request { mount: self, line, headers, body: String::new() }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path).send()
    }

    pub(crate) fn post(&self, path: &str) -> Response {
        self.request("POST", path).send()
    }
}

impl Request<'_> {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| *own != name);
        self
    }

    /// As a page of this site would send it.
    pub(crate) fn by_browser(self) -> Self {
        self.with("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8").with("sec-fetch-site", "same-origin")
    }

    pub(crate) fn form(self, fields: &str) -> Self {
        self.body("application/x-www-form-urlencoded", fields)
    }

    pub(crate) fn body(mut self, content_type: &str, body: &str) -> Self {
        self.body = body.to_owned();
        self.with("content-type", content_type)
    }

    pub(crate) fn send(self) -> Response {
        let mut socket = TcpStream::connect(self.mount.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let Self { line, body, .. } = self;
        let length = body.len();
        write!(socket, "{line}\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head: head.to_owned(), body: body.to_owned() }
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!((self.status, self.header("content-type")), (200, Some("application/json")), "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}
