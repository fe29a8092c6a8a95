#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
//!
//! # The modules
//!
//! In the order in which they may use each other:
//!
//! | module | what it does |
//! |---|---|
//! | [`model`] | the payloads of the vendor |
//! | [`client`] | calls the vendor's API |
//! | [`webhook`] | takes deliveries, and checks that the vendor sent them |
//! | [`identity`] | what is known of a person, and the rules that change it |
//! | [`store`] | the contract of a store, and [`MemoryStore`](store::MemoryStore) |
//! | [`gate`] | decides whether a request passes |
//! | [`flow`] | sends a browser to the vendor's page and takes it back |
//! | [`http`] | what an adapter has to bring: heads, bodies, replies |
//!
//! [`Incode`] joins the parts. Its worker keeps each event until it is applied.
//!
//! # Quick start
//!
//! An `Incode` against the sandbox, with everything in memory. With the real vendor only the values differ.
//!
//! ```
//! use incode_core::client::Client;
//! use incode_core::flow::HostedFlow;
//! use incode_core::gate::SubjectSource;
//! use incode_core::webhook::Authenticity;
//! use incode_core::{Incode, Secret};
//! use incode_sandbox::Sandbox;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::builder().start().await?;
//! let secret = Secret::from("a flow secret of 32 bytes or more, the same on every replica");
//! let incode = Incode::builder()
//!     .client(Client::builder(&sandbox.url(), sandbox.api_key()).build()?)
//!     .webhook_authenticity(Authenticity::header("x-incode-secret", [Secret::from("a secret that the vendor sends")])?)
//!     .hosted_flow(HostedFlow::new(sandbox.client_id(), &sandbox.web_url(), "http://127.0.0.1:3000", secret)?)
//!     .subjects(SubjectSource::extension())
//!     .memory()
//!     .build()
//!     .await?;
//! // Hand it to the layer of an adapter. At the end of the process:
//! incode.shutdown().await;
//! # Ok(())
//! # }
//! ```

pub mod adapter;
pub mod client;
pub mod flow;
pub mod gate;
pub mod http;
pub mod identity;
pub mod model;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod webhook;

mod app;
mod config_error;
mod ids;
mod inbox;
mod limit;
mod seal;
mod secret;
mod session;
mod time;

pub use app::{
    BearerTokens, Builder, ChangeEvent, ChangeNotice, Changes, Diff, Health, Incode, Inspection, LinkError,
    LinkErrorKind, Reconciled, TokenState,
};
pub use config_error::{ConfigError, ConfigErrorKind};
pub use ids::{Actor, IdentityId, Masked, ObjectId, Subject};
pub use inbox::{
    AppliedEvent, Handler, HandlerError, LinkRule, LinkRuleError, RecheckError, RecheckErrorKind, RevokedSubject,
    VerifiedPerson, VerifiedSubject,
};
pub use secret::{InvalidValue, Secret, Token, TokenHash};
pub use session::SessionHash;
pub use time::{Clock, SystemClock, Timestamp};
