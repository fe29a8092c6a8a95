//! A stand-in for Incode ID: the vendor's API, its hosted web flow and its webhook sender, with faults on demand.
//!
//! Applications that integrate Incode ID test against this instead of the vendor: in the same process through
//! [`Sandbox`], or as the program `incode-sandbox`. It follows the vendor's published document to the letter, oddities
//! included, and shares no code with the crates it helps to test: it is an independent reading of the same text.
//!
//! ```
//! use incode_sandbox::{NewPerson, Sandbox};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::builder().start().await?;
//! let person = sandbox.add_person(NewPerson::named("Ana Flores").email("ana@example.com"));
//! let verified = sandbox.verify(&person.identity_id)?;
//! assert!(!verified.token.is_empty());
//! assert_eq!(sandbox.person(&person.identity_id)?.status, "ACTIVE");
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Tour
//! - `sandbox`: the handle, every method a mirror of the control API.
//! - `settings`, `env`: the builder, and the program's environment.
//! - `world`, `person`, `token`, `faces`: who exists, what they hold, what they look like.
//! - `api`, `errors`, `faults`, `calls`: the four vendor calls, how they refuse, how they misbehave, what was asked.
//! - `sender`, `deliveries`: webhooks, their signatures, their retries.
//! - `web`, `control`: the hosted flow's page; the control page and its JSON API under `/control/api`.
//! - `server`: the accept loop.
//!
//! # What it decides where the vendor's document is silent
//! - A refused verification is `REJECTED`. A person who never passed one is `PENDING`: undocumented on purpose, since a
//!   receiver must cope with any status. An `ACTIVE` person who fails a later verification stays `ACTIVE`.
//! - A face is enrolled by a verification that passed. A revoked person's face still passes: revocation shows in
//!   userinfo only.
//! - A face authentication that failed belongs to nobody: any live token may read it, and the token sent with its
//!   event gets 404 from userinfo.
//! - Checks run in this order: path, method, `api-version`, `x-api-key`, `Accept`, `Content-Type`, token, object.
//! - One object asked for with somebody else's token is 404.
//! - The control page and API have no password: bind to loopback.

mod api;
mod calls;
mod control;
mod deliveries;
mod env;
mod errors;
mod faces;
mod faults;
mod page;
mod person;
mod sandbox;
mod sender;
mod server;
mod settings;
mod token;
mod vendor;
mod web;
mod world;

pub use calls::Call;
pub use deliveries::{Attempt, Delivery, DeliveryState, EventKind};
pub use env::EnvError;
pub use errors::{NotFound, StartError, StartErrorKind};
pub use faces::{Face, FaceKind};
pub use faults::{Effect, Fault, Route};
pub use person::{NewPerson, Person};
pub use sandbox::Sandbox;
pub use settings::{Builder, Webhook, WebhookAuth};
pub use world::{Outcome, Verified};
