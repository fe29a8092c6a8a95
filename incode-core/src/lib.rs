//! Everything that decides in incode; knows no web framework.
//!
//! The modules, in the order of their arrows: [`model`] is what the vendor sends and takes; [`client`] asks the vendor,
//! [`webhook`] listens to it; the inbox keeps events until a worker has applied them; [`identity`] is what is known of
//! a person; [`gate`] decides who passes, [`flow`] sends people to the vendor's page and takes them back. [`store`]
//! keeps all rows, [`http`] is the seam to frameworks. [`Incode`] joins the parts; each can be used without it. The
//! feature `admin` adds the inbox as pages and JSON for the people who run it.
//!
//! Applications use an adapter, `incode-tower` or `incode-actix`, which re-export what they need from here.

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
