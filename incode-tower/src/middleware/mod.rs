//! Around the whole application: answers the mounted routes, attaches a visitor to every other request.

mod future;
mod layer;
mod service;

pub use future::IncodeFuture;
pub use layer::IncodeLayer;
pub use service::IncodeService;
