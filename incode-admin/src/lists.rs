//! One page of a list, and the link that asks for it.

use std::sync::Arc;

use incode_core::Subject;
use incode_core::model::EventKind;
use incode_core::store::{AuditId, EventFilter, EventId, EventState, JobFilter, JobId, JobState, Reason};
use url::form_urlencoded::Serializer;

/// One page of the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventList {
    pub(crate) state: Option<EventState>,
    pub(crate) reason: Option<Reason>,
    pub(crate) kind: Option<EventKind>,
    pub(crate) before: Option<EventId>,
    pub(crate) limit: u32,
    /// What a replay just did, for the notice.
    pub(crate) replayed: Option<u64>,
}

impl Default for EventList {
    fn default() -> Self {
        Self { state: None, reason: None, kind: None, before: None, limit: PAGE, replayed: None }
    }
}

impl EventList {
    /// One more than fits the page, to know whether there is another.
    pub(crate) fn filter(&self) -> EventFilter {
        let Self { state, reason, before, .. } = *self;
        EventFilter { state, reason, kind: self.kind.clone(), before, limit: self.limit + 1 }
    }

    /// The names and values that ask for this page.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        given([
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("reason", self.reason.map(|reason| reason.as_str().to_owned())),
            ("kind", self.kind.as_ref().map(|kind| kind.as_str().to_owned())),
            ("before", self.before.map(|id| id.0.to_string())),
            ("limit", limit(self.limit)),
            ("replayed", self.replayed.map(|count| count.to_string())),
        ])
    }

    /// Relative to the mount.
    pub(crate) fn link(&self) -> String {
        link("inbox", self.fields())
    }
}

/// The page of a person.
#[derive(Clone, Debug)]
pub(crate) struct PersonView {
    pub(crate) subject: Subject,
    /// Whether a link was there to be ended just now, for the notice.
    pub(crate) unlinked: Option<bool>,
}

impl PersonView {
    /// Relative to the mount. A subject may hold what means something in a path, so it is in the query.
    pub(crate) fn link(&self) -> String {
        let unlinked = self.unlinked.map(|unlinked| u8::from(unlinked).to_string());
        link("person", given([("subject", Some(self.subject.as_str().to_owned())), ("unlinked", unlinked)]))
    }

    pub(crate) fn of(subject: Subject) -> Self {
        Self { subject, unlinked: None }
    }
}

/// One page of the audit trail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuditList {
    pub(crate) before: Option<AuditId>,
    pub(crate) limit: u32,
    /// Whether the erasure that was just requested found an identity. The page shows it as a notice.
    pub(crate) forgotten: Option<bool>,
}

/// One page of the handlers' jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobList {
    pub(crate) state: Option<JobState>,
    pub(crate) handler: Option<Arc<str>>,
    pub(crate) before: Option<JobId>,
    pub(crate) limit: u32,
    /// What a replay just did, for the notice.
    pub(crate) replayed: Option<u64>,
}

impl Default for JobList {
    fn default() -> Self {
        Self { state: None, handler: None, before: None, limit: PAGE, replayed: None }
    }
}

impl JobList {
    /// One more than fits the page, to know whether there is another.
    pub(crate) fn filter(&self) -> JobFilter {
        JobFilter { state: self.state, handler: self.handler.clone(), before: self.before, limit: self.limit + 1 }
    }

    /// The names and values that ask for this page.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        given([
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("handler", self.handler.as_deref().map(str::to_owned)),
            ("before", self.before.map(|id| id.0.to_string())),
            ("limit", limit(self.limit)),
            ("replayed", self.replayed.map(|count| count.to_string())),
        ])
    }

    /// Relative to the mount.
    pub(crate) fn link(&self) -> String {
        link("jobs", self.fields())
    }
}

fn given<const N: usize>(fields: [(&'static str, Option<String>); N]) -> Vec<(&'static str, String)> {
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn limit(limit: u32) -> Option<String> {
    (limit != PAGE).then(|| limit.to_string())
}

fn link(route: &str, fields: Vec<(&'static str, String)>) -> String {
    let query = Serializer::new(String::new()).extend_pairs(fields).finish();
    if query.is_empty() { route.to_owned() } else { format!("{route}?{query}") }
}

/// Rows on a page unless `limit` says otherwise.
pub(crate) const PAGE: u32 = 50;
