//! Around the whole application: answers the mounted routes, attaches a visitor to every other request.

mod future;
mod service;
mod transform;

pub use future::IncodeFuture;
pub use service::IncodeService;
pub use transform::IncodeMiddleware;
