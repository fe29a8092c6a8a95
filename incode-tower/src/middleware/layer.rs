use incode_core::Incode;
use tower_layer::Layer;

use super::IncodeService;

/// Answers the webhook, start and callback routes, and leaves a [`Visitor`](incode_core::gate::Visitor) in the
/// extensions of every other request. Lets everybody through: closing doors is the work of
/// [`GateLayer`](crate::GateLayer).
///
/// Goes around a whole `Router` or service, and outside every gate: with `Router::layer`, or
/// `IncodeLayer::new(incode).layer(service)`.
#[derive(Clone, Debug)]
pub struct IncodeLayer {
    incode: Incode,
}

impl IncodeLayer {
    /// Clones of the layer share everything.
    pub fn new(incode: Incode) -> Self {
        Self { incode }
    }
}

impl<S> Layer<S> for IncodeLayer {
    type Service = IncodeService<S>;

    fn layer(&self, inner: S) -> IncodeService<S> {
        IncodeService::new(inner, self.incode.clone())
    }
}
