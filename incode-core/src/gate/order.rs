//! The order of the application's login layer and ours.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::http::{Problem, Reply, RequestHead};

use super::{Audience, Standing, Visitor};

/// Whether the subject is found in the request extensions, where another layer has to leave it before ours.
#[derive(Debug, Default)]
pub(crate) struct LoginOrder {
    is_checked: bool,
    /// Logged already: the mistake is in the program, and every request repeats it.
    is_said: AtomicBool,
}

impl LoginOrder {
    /// `is_checked`: the [`SubjectSource`](super::SubjectSource) reads the extensions.
    pub(crate) fn new(is_checked: bool) -> Self {
        Self { is_checked, is_said: AtomicBool::new(false) }
    }
}

/// True when a subject is in the extensions by now, and the visitor has none: the layer that put it there runs after
/// ours. Each denied person would be sent to the login, and come back logged in, without end.
pub(super) fn is_wrong(visitor: &Visitor, head: &dyn RequestHead) -> bool {
    let order = &visitor.known().context().login_order;
    if visitor.standing() != Standing::NoSubject || !order.is_checked || head.subject().is_none() {
        return false;
    }
    if !order.is_said.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "the login layer runs inside the incode layer, so no request has a subject when the incode layer looks: move \
             the login layer outside (add it after the incode layer, with `layer` or `wrap`)"
        );
    }
    true
}

/// What a gate answers then: a mistake in the program, and never open.
#[cold]
pub(super) fn reply(visitor: &Visitor, head: &dyn RequestHead) -> Reply {
    let problem = Problem::new(500, "layer_order", "Server error", "The server is not set up to answer this.");
    visitor.known().context().reply(&problem, Audience::of(head))
}
