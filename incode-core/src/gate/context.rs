use std::fmt;
use std::sync::Arc;

use crate::Clock;
use crate::http::{Head, Problem, Reply};

/// Replaces the body of any rejection, denial or failed flow; `None` keeps the usual problem+json.
pub type Render = dyn Fn(&Problem, Audience) -> Option<Reply> + Send + Sync;

/// Who will read a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audience {
    /// The request accepts HTML, as a person's browser does.
    pub html: bool,
}

impl Audience {
    /// Reads it off a request.
    pub fn of(head: &dyn Head) -> Self {
        Self { html: head.accepts_html() }
    }
}

/// What every visitor needs to be judged and answered: one `Arc`, shared by all.
pub(crate) struct Context {
    pub(crate) clock: Arc<dyn Clock>,
    /// Path of the start route, when the hosted flow is on: where a denied visitor gets verified.
    pub(crate) start_path: Option<String>,
    pub(crate) render: Option<Arc<Render>>,
}

impl Context {
    pub(crate) fn reply(&self, problem: &Problem, audience: Audience) -> Reply {
        self.render.as_ref().and_then(|render| render(problem, audience)).unwrap_or_else(|| problem.reply())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("start_path", &self.start_path).finish_non_exhaustive()
    }
}
