use std::time::Duration;

use crate::Subject;
use crate::http::{Problem, RequestHead, return_to};
use crate::identity::Directory;

use super::{Flow, query};

/// A request to start that passed every check that needs no I/O.
#[derive(Debug)]
pub(crate) struct Start {
    subject: Subject,
    return_to: String,
}

impl Start {
    /// `GET start?return_to=/path`, of a logged-in subject.
    ///
    /// # Errors
    /// 400 `return_to_refused` for a way back that is no local path.
    pub(crate) fn open(flow: &Flow, head: &dyn RequestHead, subject: Subject) -> Result<Self, Problem> {
        match query::one(head, "return_to") {
            Some(target) => Self::new(subject, &target),
            None if !query::has(head, "return_to") => Self::new(subject, &[flow.base(), "/"].concat()),
            // It is there twice, or can't be read.
            None => Err(refused_way_back()),
        }
    }

    /// For a subject that comes back to this path.
    ///
    /// # Errors
    /// 400 `return_to_refused`.
    pub(crate) fn new(subject: Subject, return_to: &str) -> Result<Self, Problem> {
        if !return_to::is_local(return_to) {
            return Err(refused_way_back());
        }
        Ok(Self { subject, return_to: return_to.to_owned() })
    }

    /// The hosted page, with a correlation id of this flow. The flow begins now, by the clock that its return and its
    /// events are compared by: the store's where it has one.
    ///
    /// # Errors
    /// 503 `flow_unavailable` while the store does not answer, and without randomness.
    pub(crate) async fn begin(self, flow: &Flow, directory: &Directory) -> Result<String, Problem> {
        let now = directory.now().await.map_err(|error| {
            tracing::warn!(error.kind = ?error.kind(), error.cause = %error.cause(), "no flow begun");
            unavailable()
        })?;
        let id = flow.correlations.make(&self.subject, &self.return_to, now).ok_or_else(unavailable)?;
        Ok(String::from(flow.page(&id)))
    }
}

fn unavailable() -> Problem {
    let detail = "Verification can't be started right now.";
    Problem::new(503, "flow_unavailable", "Try again soon", detail).retry_after(RETRY_AFTER)
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

/// When a store that did not answer is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(5);
