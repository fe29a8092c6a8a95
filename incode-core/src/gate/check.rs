use crate::http::{Field, Problem, Reply, RequestHead};

use super::context::reply_of;
use super::order;
use super::requirement::Unmet;
use super::{Audience, Requirement, Visitor};

/// What a gate asks for, and which requests pass unasked: a [`Requirement`] with the gate's own settings. Adapters hold
/// one.
#[derive(Clone, Debug)]
#[must_use]
pub struct GatePolicy {
    requirement: Requirement,
    passes_preflights: bool,
}

impl GatePolicy {
    /// Asks every request for `requirement`.
    pub fn new(requirement: Requirement) -> Self {
        Self { requirement, passes_preflights: false }
    }

    /// Lets CORS preflights by; see [`is_preflight`].
    pub fn passing_preflights(mut self) -> Self {
        self.passes_preflights = true;
        self
    }

    /// Whether the decision depends on the visitor: not for a preflight that is let by.
    pub fn asks_for_visitor(&self, head: &dyn RequestHead) -> bool {
        !(self.passes_preflights && is_preflight(head))
    }

    /// The gate's decision on a request: pass, or the reply to send instead.
    ///
    /// `visitor` is what the layer left in the request extensions. When there is none the layer is missing or inside
    /// the gate: that is a mistake in the program, answered with 500 and a log line that says what to add, and never
    /// open.
    ///
    /// # Errors
    /// The reply to send.
    #[inline]
    pub fn check(&self, visitor: Option<&Visitor>, head: &dyn RequestHead) -> Result<(), Reply> {
        if !self.asks_for_visitor(head) {
            return attached(visitor, head).map(drop);
        }
        check(visitor, &self.requirement, head)
    }
}

/// Decides one requirement; see [`GatePolicy::check`].
///
/// # Errors
/// The reply to send.
#[inline]
pub fn check(visitor: Option<&Visitor>, requirement: &Requirement, head: &dyn RequestHead) -> Result<(), Reply> {
    let visitor = attached(visitor, head)?;
    requirement.check(visitor, Some(head)).map_err(|unmet| denied(visitor, unmet, head))
}

/// Out of line: a request that passes never comes here.
#[cold]
fn denied(visitor: &Visitor, unmet: Unmet, head: &dyn RequestHead) -> Reply {
    if order::is_wrong(visitor, head) {
        return order::reply(visitor, head);
    }
    visitor.denial(unmet).returning_to(head).into_reply()
}

/// What the layer left in the request extensions, for a handler: what it requires later is denied in a way that fits
/// this request.
///
/// # Errors
/// The reply to send when the layer is missing.
pub fn visitor(visitor: Option<&Visitor>, head: &dyn RequestHead) -> Result<Visitor, Reply> {
    let visitor = attached(visitor, head)?;
    order::is_wrong(visitor, head);
    Ok(visitor.asked_by(head))
}

/// Whether a browser asks if a request of another site would be taken: `OPTIONS` with `Origin` and
/// `Access-Control-Request-Method`. It carries no credentials, so no gate would let it pass.
///
/// Any client can send one. A gate that [lets preflights by](GatePolicy::passing_preflights) hands them to what is
/// inside it, for visitors of any standing: right for a CORS layer that answers them, and for a router that takes `OPTIONS` nowhere
/// else. A handler that takes any method is reached by them.
pub fn is_preflight(head: &dyn RequestHead) -> bool {
    let has = |name| head.header(name) != Field::Missing;
    head.method() == "OPTIONS" && has("origin") && has("access-control-request-method")
}

/// `Cache-Control` of a response that a gate let through and whose handler set none: kept by no shared cache, and by a
/// browser only to ask again, so that the gate decides each time.
pub const GRANTED_CACHE_CONTROL: &str = "private, no-cache";

#[inline]
pub(super) fn attached<'a>(visitor: Option<&'a Visitor>, head: &dyn RequestHead) -> Result<&'a Visitor, Reply> {
    visitor.ok_or_else(|| layer_missing(head))
}

#[cold]
fn layer_missing(head: &dyn RequestHead) -> Reply {
    tracing::error!(
        "a gate or extractor ran without the incode layer outside it: add IncodeLayer (tower) or IncodeMiddleware \
         (actix-web) around the routes; where it is there, it is inside the gate: add it after the gate, with `layer` or \
         `wrap`"
    );
    let problem = Problem::new(500, "layer_missing", "Server error", "The server is not set up to answer this.");
    // Without the layer nothing is known of the application's own rendering.
    reply_of(&problem, Audience::of(head), None)
}
