use crate::http::{Problem, Reply, RequestHead, return_to};
use crate::{Subject, Timestamp};

use super::{Flow, query};

/// `GET start?return_to=/path`: sends the logged-in subject to the hosted page, with a correlation id of its own.
///
/// # Errors
/// 401 `authentication_required` without a subject, 400 `return_to_refused` for a way back that is no local path.
pub(crate) fn start(flow: &Flow, head: &dyn RequestHead, subject: &Subject, now: Timestamp) -> Result<Reply, Problem> {
    let return_to = query::one(head, "return_to");
    let home = [flow.base(), "/"].concat();
    let back = match &return_to {
        Some(target) => target,
        None if !query::has(head, "return_to") => home.as_str(),
        // It is there twice, or can't be read.
        None => return Err(refused_way_back()),
    };
    start_url(flow, subject, back, now).map(Reply::see_other)
}

/// Where the redirect of [`start`] leads.
///
/// # Errors
/// 400 `return_to_refused`, and 503 `flow_unavailable` without randomness.
pub(crate) fn start_url(flow: &Flow, subject: &Subject, back: &str, now: Timestamp) -> Result<String, Problem> {
    if !return_to::is_local(back) {
        return Err(refused_way_back());
    }
    let id = flow.correlations.make(subject, back, now).ok_or_else(|| {
        Problem::new(503, "flow_unavailable", "Try again soon", "Verification can't be started right now.")
    })?;
    Ok(String::from(flow.page(&id)))
}

fn refused_way_back() -> Problem {
    let detail = "return_to must be one path on this site, such as /vault.";
    Problem::new(400, "return_to_refused", "Way back refused", detail)
}

pub(crate) fn not_set_up() -> Problem {
    Problem::new(404, "flow_not_set_up", "Not here", "The hosted verification flow is not set up.")
}

pub(crate) fn login_first() -> Problem {
    Problem::new(401, "authentication_required", "Log in first", "Verification belongs to a logged-in user.")
}
