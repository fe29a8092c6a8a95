//! The order of the application's login layer and ours, and a login that ours does not know of.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::http::{Problem, Reply, RequestHead};

use super::{Audience, Standing, Visitor};

/// Whether the subject is found in the request extensions, where another layer has to leave it before ours.
#[derive(Debug, Default)]
pub(crate) struct LoginOrder {
    is_checked: bool,
    /// Logged already: the mistake is in the program, and every request repeats it.
    is_said: AtomicBool,
    /// Requests without a user that were denied or asked about, until one with a user came.
    anonymous: AtomicU32,
    /// One with a user came, or the warning is logged.
    is_settled: AtomicBool,
}

impl LoginOrder {
    /// `is_checked`: the [`SubjectSource`](super::SubjectSource) reads the extensions.
    pub(crate) fn new(is_checked: bool) -> Self {
        Self { is_checked, ..Self::default() }
    }

    /// An application that never says who its users are is shut for all of them, and nothing else shows it.
    fn look_for_users(&self, is_anonymous: bool) {
        if self.is_settled.load(Ordering::Relaxed) {
            return;
        }
        if !is_anonymous {
            self.is_settled.store(true, Ordering::Relaxed);
        } else if self.anonymous.fetch_add(1, Ordering::Relaxed) + 1 == FIRST {
            self.is_settled.store(true, Ordering::Relaxed);
            tracing::warn!(
                requests = FIRST,
                "none of the first requests at a gate has a user: if people are logged in, name them to the incode layer with \
                 `identify`, or put a `Subject` into the request extensions in a layer outside of it"
            );
        }
    }
}

/// True when a subject is in the extensions by now, and the visitor has none: the layer that put it there runs after
/// ours. Each denied person would be sent to the login, and come back logged in, without end.
pub(super) fn is_wrong(visitor: &Visitor, head: &dyn RequestHead) -> bool {
    let order = &visitor.known().context().login_order;
    order.look_for_users(visitor.standing() == Standing::NoSubject);
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

/// More than one person tries before the first login.
const FIRST: u32 = 20;
