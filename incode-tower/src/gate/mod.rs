//! Around what only the right people may reach.

mod future;
mod layer;
mod service;

pub use future::GateFuture;
pub use layer::GateLayer;
pub use service::Gate;
