//! What the examples share: settings, the sandbox where no vendor is named, a login. And the whole site of `axum-gate` and
//! `actix-gate`, so that both give the same answers.
//!
//! - [`Start`]: what every example begins with, from the environment.
//! - [`Site`]: one method for each route of the two gate apps. Each app shows how its framework carries the incode layer,
//!   gate and extractors; everything that is not about a framework is here.
//! - [`run`]: reads the settings, starts the sandbox where no vendor is named, and serves until the process is asked to end.
//! - [`serve`]: HTTP with a deadline for the head of a request, for the examples on axum.

mod admin;
mod base_path;
mod body;
mod face;
mod journal;
mod notice;
mod ops;
mod prepare;
mod refusal;
mod request_context;
mod run;
mod serve;
mod session;
mod settings;
mod site;
mod vendor;
pub mod view;

pub use base_path::BasePath;
pub use body::{DEADLINE as BODY_DEADLINE, form_value};
pub use request_context::RequestContext;
pub use run::{log_to_stderr, run, stopped};
pub use serve::{serve, serve_with_http2};
pub use session::{Sessions, is_user_name};
pub use settings::{Start, WrongSetting};
pub use site::Site;
