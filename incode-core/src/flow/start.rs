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
        Some(target) if return_to::is_local(target) => &**target,
        None if !query::has(head, "return_to") => home.as_str(),
        _ => {
            let detail = "return_to must be one path on this site, such as /vault.";
            return Err(Problem::new(400, "return_to_refused", "Way back refused", detail));
        }
    };
    let id = flow.correlations.make(subject, back, now).ok_or_else(|| {
        Problem::new(503, "flow_unavailable", "Try again soon", "Verification can't be started right now.")
    })?;
    Ok(Reply::see_other(String::from(flow.page(&id))))
}

pub(crate) fn login_first() -> Problem {
    Problem::new(401, "authentication_required", "Log in first", "Verification belongs to a logged-in user.")
}
