use std::any::Any;

use crate::{Actor, SessionHash, Subject};

use super::accept;

/// The head of a request. Adapters implement it over their own request type; everything is borrowed.
pub trait RequestHead {
    /// The method as sent, for instance `POST`.
    fn method(&self) -> &str;

    /// The path without query, still percent-encoded.
    fn path(&self) -> &str;

    /// The query without `?`, still percent-encoded.
    fn query(&self) -> Option<&str>;

    /// Path and query as the client sent them, where a router has cut off since what it matched: the way back for a person.
    fn sent_to(&self) -> (&str, Option<&str>) {
        (self.path(), self.query())
    }

    /// Visits each value of the header `name`, given in lower case. Values are bytes: nothing promises they are text.
    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8]));

    /// The [`Subject`] that the application's own authentication put into the request extensions.
    fn subject(&self) -> Option<&Subject>;

    /// The [`Actor`] that the application's own guard put into the request extensions: the name in the audit trail.
    fn actor(&self) -> Option<&Actor> {
        None
    }

    /// The [`SessionHash`] that the application's own authentication put into the request extensions.
    fn session(&self) -> Option<&SessionHash> {
        None
    }

    /// The adapter's own extension map, for resolvers that know the framework; see each adapter's `extension`.
    fn extensions(&self) -> &dyn Any;

    /// Host and port of the request's target, where the client sent them there: `:authority` of HTTP/2 (RFC 9113, section
    /// 8.3.1). HTTP/2 has no `Host` header as a rule.
    fn authority(&self) -> Option<&str> {
        None
    }

    /// The address of the peer, when the adapter knows it.
    fn peer(&self) -> Option<std::net::IpAddr> {
        None
    }
}

impl dyn RequestHead + '_ {
    /// The header `name` where more than one value would be ambiguous.
    pub fn header(&self, name: &str) -> Field<'_> {
        let mut field = Field::Missing;
        self.header_values(name, &mut |value| {
            field = match field {
                Field::Missing => Field::One(value),
                Field::One(_) | Field::Many => Field::Many,
            };
        });
        field
    }

    /// True when an `Accept` header names HTML and likes it better than JSON, by the weights of RFC 9110. A browser that
    /// shows a page names it; an API client asks for JSON or for anything, and a script for both alike.
    pub fn prefers_html(&self) -> bool {
        let (mut html, mut json) = (0, 0);
        self.header_values("accept", &mut |value| {
            for range in value.split(|byte| *byte == b',') {
                match accept::read(range) {
                    Some((accept::Kind::Html, weight)) => html = html.max(weight),
                    Some((accept::Kind::Json, weight)) => json = json.max(weight),
                    None => {}
                }
            }
        });
        html > json
    }
}

/// One header: absent, given once, or given more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// The request has no such header.
    Missing,
    /// The one value.
    One(&'a [u8]),
    /// Two values or more: a proxy and this process could each read another one, so neither is used.
    Many,
}

impl<'a> Field<'a> {
    /// The value when there is exactly one.
    pub fn one(self) -> Option<&'a [u8]> {
        match self {
            Self::One(value) => Some(value),
            Self::Missing | Self::Many => None,
        }
    }
}
