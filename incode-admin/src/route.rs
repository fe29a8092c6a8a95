use incode_core::IdentityId;
use incode_core::adapter::{Problem, RequestHead};
use incode_core::store::{EventId, JobId};
use percent_encoding::percent_decode_str;

use crate::lists::{AuditList, EventList, JobList, PersonView};
use crate::params::Params;
use crate::{cross_site, not_found};

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) call: Call,
    pub(crate) root: &'static str,
}

#[derive(Debug)]
pub(crate) enum Call {
    Events(EventList),
    Event(EventId),
    ReplayEvent(EventId),
    /// With the filter of the query; the form's is added.
    ReplayEvents(Params),
    Jobs(JobList),
    Job(JobId),
    ReplayJob(JobId),
    /// As [`Call::ReplayEvents`].
    ReplayJobs(Params),
    /// Whom to look for; `None` shows the form alone.
    People(Option<String>),
    Person(PersonView),
    /// With the query; the form's fields are added.
    Unlink(Params),
    /// As [`Call::Unlink`].
    ExportPerson(Params),
    Identity(IdentityId),
    Forget(IdentityId),
    ExportIdentity(IdentityId),
    Audit(AuditList),
}

impl Call {
    pub(crate) fn has_body(&self) -> bool {
        matches!(
            self,
            Self::ReplayEvent(_)
                | Self::ReplayEvents(_)
                | Self::ReplayJob(_)
                | Self::ReplayJobs(_)
                | Self::Unlink(_)
                | Self::ExportPerson(_)
                | Self::Forget(_)
                | Self::ExportIdentity(_)
        )
    }
}

/// Decides by path, then method, then where a writing request comes from, then its query.
pub(crate) fn find(head: &dyn RequestHead, path: &str) -> Result<Route, Problem> {
    let path: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let get = || allow(head, matches!(head.method(), "GET" | "HEAD"), "GET, HEAD");
    let post = || allow(head, head.method() == "POST", "POST").and_then(|()| cross_site::check(head));
    let query = || Params::parse(head.query().unwrap_or_default().as_bytes());
    let (call, root) = match path.as_slice() {
        ["inbox"] => {
            get()?;
            (Call::Events(query()?.event_list()?), "")
        }
        ["inbox", "replay"] => {
            post()?;
            (Call::ReplayEvents(query()?), "../")
        }
        ["inbox", id] => {
            get()?;
            (Call::Event(EventId(number(id)?)), "../")
        }
        ["inbox", id, "replay"] => {
            post()?;
            (Call::ReplayEvent(EventId(number(id)?)), "../../")
        }
        ["jobs"] => {
            get()?;
            (Call::Jobs(query()?.job_list()?), "")
        }
        ["jobs", "replay"] => {
            post()?;
            (Call::ReplayJobs(query()?), "../")
        }
        ["jobs", id] => {
            get()?;
            (Call::Job(JobId(number(id)?)), "../")
        }
        ["jobs", id, "replay"] => {
            post()?;
            (Call::ReplayJob(JobId(number(id)?)), "../../")
        }
        ["people"] => {
            get()?;
            (Call::People(query()?.searched()?), "")
        }
        ["person"] => {
            get()?;
            (Call::Person(query()?.person()?), "")
        }
        ["person", "unlink"] => {
            post()?;
            (Call::Unlink(query()?), "../")
        }
        ["person", "export"] => {
            post()?;
            (Call::ExportPerson(query()?), "../")
        }
        ["identities", id] => {
            get()?;
            (Call::Identity(identity_id(id)?), "../")
        }
        ["identities", id, "forget"] => {
            post()?;
            (Call::Forget(identity_id(id)?), "../../")
        }
        ["identities", id, "export"] => {
            post()?;
            (Call::ExportIdentity(identity_id(id)?), "../../")
        }
        ["audit"] => {
            get()?;
            (Call::Audit(query()?.audit_list()?), "")
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

fn number(segment: &str) -> Result<i64, Problem> {
    segment.parse().map_err(|_| not_found())
}

fn identity_id(segment: &str) -> Result<IdentityId, Problem> {
    let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| not_found())?;
    IdentityId::new(decoded).map_err(|_| not_found())
}
