//! Walks every interleaving of small worlds through the rules of identity.
//!
//! The rules are the real ones: `ChangeRequest::keys` and `ChangeRequest::apply` of `incode-core`. The vendor, the
//! people in front of it, the workers and the store are made up here. `docs/model.md` says what is explored and what
//! is not.

#![allow(clippy::indexing_slicing, reason = "every index is one of a world's own, and a wrong one ends a test")]

pub mod broken;
pub mod choices;
pub mod explorer;
pub mod names;
pub mod properties;
pub mod rows;
pub mod step;
pub mod world;
pub mod worlds;
