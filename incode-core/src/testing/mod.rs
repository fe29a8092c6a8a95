//! What this project tests itself with, for its users' tests: no part of a running application.

mod clock;
mod hooked;
mod rows;
pub mod signer;
pub mod store_suite;

pub use clock::ManualClock;
pub use hooked::{Hook, HookedStore, StoreCall};
pub use rows::with_token;
