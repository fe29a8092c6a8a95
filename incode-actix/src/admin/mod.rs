//! The inbox for the people who run it, without a guard of its own.

mod future;
mod service;

pub use future::AdminFuture;
pub use service::AdminService;
