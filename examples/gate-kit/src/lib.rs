//! What the two example apps share, so that `axum-gate` and `actix-gate` answer byte for byte the same.
//!
//! Each app routes requests to the methods of [`Site`] and shows how its framework carries the incode layer, gate and
//! extractors; everything that is not about a framework is here. [`run`] reads the settings, starts the stand-in
//! vendor when none is named, and serves until it is told to stop.

mod admin;
mod asked;
mod body;
mod face;
mod notice;
mod refusal;
mod run;
mod session;
mod settings;
mod site;
mod vendor;
mod view;

pub use asked::Asked;
pub use run::{run, stopped};
pub use site::Site;
