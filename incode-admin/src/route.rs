use percent_encoding::percent_decode_str;

use crate::IdentityId;
use crate::http::{Problem, RequestHead};
use crate::model::EventKind;
use crate::store::{AuditId, EventFilter, EventId, EventState, Reason};

use super::cross_site;
use super::not_found;
use super::params::Params;

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) call: Call,
    pub(super) root: &'static str,
}

#[derive(Debug)]
pub(super) enum Call {
    List(List),
    Show(EventId),
    ReplayOne(EventId),
    /// With the filter of the query; the form's is added.
    ReplayDead(Params),
    Identity(IdentityId),
    Forget(IdentityId),
    Audit {
        before: Option<AuditId>,
        limit: u32,
        forgotten: Option<bool>,
    },
}

impl Call {
    pub(super) fn has_body(&self) -> bool {
        matches!(self, Self::ReplayOne(_) | Self::ReplayDead(_) | Self::Forget(_))
    }
}

/// One page of the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) state: Option<EventState>,
    pub(super) reason: Option<Reason>,
    pub(super) kind: Option<EventKind>,
    pub(super) before: Option<EventId>,
    pub(super) limit: u32,
    /// What a replay just did, for the notice.
    pub(super) replayed: Option<u64>,
}

impl Default for List {
    fn default() -> Self {
        Self { state: None, reason: None, kind: None, before: None, limit: PAGE, replayed: None }
    }
}

impl List {
    /// One more than fits the page, to know whether there is another.
    pub(super) fn filter(&self) -> EventFilter {
        let Self { state, reason, before, .. } = *self;
        EventFilter { state, reason, kind: self.kind.clone(), before, limit: self.limit + 1 }
    }

    /// The names and values that ask for this page.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let limit = (self.limit != PAGE).then(|| self.limit.to_string());
        [
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("reason", self.reason.map(|reason| reason.as_str().to_owned())),
            ("kind", self.kind.as_ref().map(|kind| kind.as_str().to_owned())),
            ("before", self.before.map(|id| id.0.to_string())),
            ("limit", limit),
            ("replayed", self.replayed.map(|count| count.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// Relative to the mount.
    pub(super) fn link(&self) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.fields()).finish();
        if query.is_empty() { "inbox".to_owned() } else { format!("inbox?{query}") }
    }
}

/// Decides by path, then method, then where a writing request comes from, then its query.
pub(super) fn find(head: &dyn RequestHead, path: &str) -> Result<Route, Problem> {
    let path: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let get = || allow(head, matches!(head.method(), "GET" | "HEAD"), "GET, HEAD");
    let post = || allow(head, head.method() == "POST", "POST").and_then(|()| cross_site::check(head));
    let query = || Params::parse(head.query().unwrap_or_default().as_bytes());
    let (call, root) = match path.as_slice() {
        ["inbox"] => {
            get()?;
            (Call::List(query()?.listing()?), "")
        }
        ["inbox", "replay"] => {
            post()?;
            (Call::ReplayDead(query()?), "../")
        }
        ["inbox", id] => {
            get()?;
            (Call::Show(event_id(id)?), "../")
        }
        ["inbox", id, "replay"] => {
            post()?;
            (Call::ReplayOne(event_id(id)?), "../../")
        }
        ["identities", id] => {
            get()?;
            (Call::Identity(identity_id(id)?), "../")
        }
        ["identities", id, "forget"] => {
            post()?;
            (Call::Forget(identity_id(id)?), "../../")
        }
        ["audit"] => {
            get()?;
            (query()?.audit()?, "")
        }
        _ => return Err(not_found()),
    };
    Ok(Route { call, root })
}

fn allow(head: &dyn RequestHead, allowed: bool, allow: &'static str) -> Result<(), Problem> {
    if allowed {
        return Ok(());
    }
    let detail = format!("{} is not for this route. Use {allow}.", known_method(head.method()));
    Err(Problem::new(405, "method_not_allowed", "Method not allowed", detail).header("allow", allow))
}

/// A method is any token: only the usual ones are repeated.
fn known_method(method: &str) -> &str {
    let usual = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    usual.into_iter().find(|known| *known == method).unwrap_or("This method")
}

fn event_id(segment: &str) -> Result<EventId, Problem> {
    segment.parse().map(EventId).map_err(|_| not_found())
}

fn identity_id(segment: &str) -> Result<IdentityId, Problem> {
    let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| not_found())?;
    IdentityId::new(decoded).map_err(|_| not_found())
}

/// Rows on a page unless `limit` says otherwise.
pub(super) const PAGE: u32 = 50;
