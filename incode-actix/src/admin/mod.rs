//! Pages and JSON for operations, without a guard of its own: the crate `incode-admin`, and the service that mounts it.

mod future;
mod service;

pub use future::AdminFuture;
pub use incode_admin::{Admin, AdminRequest};
pub use service::AdminService;
