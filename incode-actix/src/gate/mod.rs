//! Around what only the right people may reach.

mod future;
mod service;
mod transform;

pub use future::GateFuture;
pub use service::Gate;
pub use transform::GateMiddleware;
