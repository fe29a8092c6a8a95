//! What the examples share: settings, the stand-in vendor when no other is named, a login. And the whole site of
//! `axum-gate` and `actix-gate`, so that they answer byte for byte the same.
//!
//! [`Start`] is what every example begins with. Each of the two gate apps routes requests to the methods of [`Site`] and shows how its framework carries the incode layer, gate and
//! extractors; everything that is not about a framework is here. [`run`] reads the settings, starts the stand-in
//! vendor when none is named, and serves until it is told to stop.

mod admin;
mod asked;
mod body;
mod face;
mod journal;
mod notice;
mod prepare;
mod refusal;
mod run;
mod session;
mod settings;
mod site;
mod vendor;
pub mod view;

pub use asked::Asked;
pub use body::form_value;
pub use run::{log_to_stderr, run, stopped};
pub use session::{Sessions, is_user_name};
pub use settings::{Start, WrongSetting};
pub use site::Site;
