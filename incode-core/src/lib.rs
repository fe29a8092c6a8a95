//! Everything that decides in incode; knows no web framework.
//!
//! (The tour of the modules is written with them.)

pub mod client;
pub mod http;
pub mod identity;
pub mod model;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

mod ids;
mod secret;
mod time;

pub use ids::{IdentityId, ObjectId, Subject};
pub use secret::{InvalidValue, Secret, Token, TokenHash};
pub use time::{Clock, SystemClock, Timestamp};
