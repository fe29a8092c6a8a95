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

//!
//! # The control API
//! JSON under `/control/api`, for tests in other languages and for scripts:
//!
//! | call | body and effect |
//! |---|---|
//! | `GET people`, `GET people/{id}` | who exists |
//! | `POST people` | `{identityId, name, email, phone, dateOfBirth, status, userinfo}`, all optional; `userinfo` is served verbatim |
//! | `PATCH people/{id}` | merged into userinfo (RFC 7396) |
//! | `POST people/{id}/revoke`, `POST people/{id}/activate` | sets userinfo's status |
//! | `POST people/{id}/verify` | `{outcome: "pass" or "fail", send: true}`, optional; gives ids, a token, the delivery's number |
//! | `POST tokens` | `{token, identityId, lifetimeSeconds}` |
//! | `POST tokens/expire` | every token so far is dead |
//! | `POST verifications`, `POST authentications` | `{id, identityId, body}`: `body` is served verbatim under `id` (its own when left out), to the tokens of `identityId` (any token when left out) |
//! | `GET deliveries` | webhooks, with every try |
//! | `POST deliveries` | `{verificationId}`, `{authenticationId}` or `{raw}`: sends one |
//! | `POST deliveries/{n}/resend` | `{freshToken: false}`, optional |
//! | `PUT webhook` | `{url}` or `{verificationUrl, authenticationUrl}`, and `auth`: a [`WebhookAuth`] such as `{kind: "hmac", header, secret}` |
//! | `GET calls`, `DELETE calls` | what was asked of the API |
//! | `GET faces` | pictures to authenticate with |
//! | `POST faults` | a [`Fault`]: `{route, times, delayMs, kind, ...}`, such as `{route: "userinfo", kind: "status", status: 503, retryAfter: "2"}` |
//! | `GET faults`, `DELETE faults` | those to come |
//! | `POST clock` | `{advanceSeconds}` |

mod api;
mod behaviour;
mod calls;
mod control;
mod deliveries;
mod env;
mod errors;
mod faces;
mod faults;
mod origin;
mod page;
mod person;
mod rate;
mod sandbox;
mod sender;
mod server;
mod settings;
mod token;
mod vendor;
mod web;
mod world;

pub use behaviour::{Behaviour, DateHeader, FieldOverride, OthersObjects, RateLimit, RetryToken, WebhookToken};
pub use calls::Call;
pub use deliveries::{Attempt, Delivery, DeliveryState, EventKind};
pub use env::EnvError;
pub use errors::{NotFound, StartError, StartErrorKind};
pub use faces::{Face, FaceKind};
pub use faults::{Effect, Fault, RetryAfter, Route};
pub use person::{NewPerson, Person};
pub use sandbox::Sandbox;
pub use settings::{Builder, Webhook, WebhookAuth};
pub use token::NewToken;
pub use world::{Outcome, Verified};
