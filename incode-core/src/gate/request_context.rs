use crate::SessionHash;
use crate::http::{RequestHead, return_to};

use super::{Audience, SessionSource};

/// What a denial has to know of the request it answers. Made only where a denial may follow: a request that passes a gate
/// never pays for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestContext {
    pub(super) audience: Audience,
    /// GET or HEAD: following a redirect asks for the same thing again. Any other method would lose what was sent.
    pub(super) is_safe: bool,
    /// In which session, where the application names sessions.
    pub(super) session: Option<SessionHash>,
    /// Path and query. Whether a person can be sent there is checked where a denial names it: few do.
    target: Option<String>,
}

impl RequestContext {
    pub(super) fn of(head: &dyn RequestHead, sessions: Option<&SessionSource>) -> Self {
        let is_safe = matches!(head.method(), "GET" | "HEAD");
        let (path, query) = head.sent_to();
        // A visitor may live as long as a socket: what is too long to come back to is not kept.
        let is_short = path.len() + query.map_or(0, |query| query.len() + 1) <= return_to::MAX_LEN;
        let target = (is_safe && is_short).then(|| match query {
            Some(query) => [path, "?", query].concat(),
            None => path.to_owned(),
        });
        let session = sessions.and_then(|source| source.find(head));
        Self { audience: Audience::of(head), is_safe, session, target }
    }

    /// The way back, when start and the application's pages would take it: they refuse any other.
    pub(super) fn return_to(&self) -> Option<&str> {
        self.target.as_deref().filter(|target| return_to::is_local(target))
    }
}
