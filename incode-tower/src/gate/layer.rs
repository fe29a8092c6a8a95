use incode_core::gate::{GatePolicy, Requirement};
use tower_layer::Layer;

use super::Gate;

/// Lets a request through if its visitor meets the requirement, and answers every other request with a denial.
///
/// Goes on a route or a router (`route_layer`), inside [`IncodeLayer`](crate::IncodeLayer). There is no gate without a
/// requirement. What it lets through and whose handler says nothing of caching is marked
/// [`private, no-cache`](incode_core::gate::GRANTED_CACHE_CONTROL).
///
/// ```
/// use std::time::Duration;
/// use incode_tower::{GateLayer, Requirement};
///
/// let vault = GateLayer::active();
/// let transfer = GateLayer::new(Requirement::active().face_authenticated_within(Duration::from_secs(300)));
/// ```
/// A gate without a requirement does not compile:
/// ```compile_fail,E0061
/// let anything = incode_tower::GateLayer::new();
/// ```
#[derive(Clone, Debug)]
pub struct GateLayer {
    policy: GatePolicy,
}

impl GateLayer {
    /// A gate that asks for `requirement`.
    pub fn new(requirement: Requirement) -> Self {
        Self { policy: GatePolicy::new(requirement) }
    }

    /// A gate that asks for ACTIVE.
    pub fn active() -> Self {
        Self::new(Requirement::active())
    }

    /// Lets CORS preflights by, for a CORS layer *inside* of this gate. The better place for one is outside, where it
    /// answers preflights itself and marks denials too; [`is_preflight`](incode_core::gate::is_preflight) says what else
    /// this lets in.
    #[must_use]
    pub fn passing_preflights(self) -> Self {
        Self { policy: self.policy.passing_preflights() }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate::new(inner, self.policy.clone())
    }
}
