use incode_core::gate::Requirement;
use tower_layer::Layer;

use super::Gate;

/// Lets through who meets the requirement, and answers everybody else with a denial.
///
/// Goes on a route or a router (`route_layer`), inside [`IncodeLayer`](crate::IncodeLayer). There is no gate without a
/// requirement.
#[derive(Clone, Debug)]
pub struct GateLayer {
    requirement: Requirement,
}

impl GateLayer {
    /// A gate that asks for `requirement`.
    pub fn new(requirement: Requirement) -> Self {
        Self { requirement }
    }

    /// A gate that asks for ACTIVE.
    pub fn active() -> Self {
        Self::new(Requirement::active())
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate::new(inner, self.requirement.clone())
    }
}
