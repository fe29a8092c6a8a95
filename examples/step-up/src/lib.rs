//! A bank whose transfers ask for a face that was confirmed within five minutes.
//!
//! When there is none, the transfer is not refused but kept, and its owner is sent to a page that shows it and asks for
//! the face. Confirmed there, that very transfer is made: once, with the amount and recipient that were shown.
//!
//! - `transfer_service`: sessions, transfers that wait, transfers that were made. The rules of "exactly once" are there.
//! - `routes`: what each request does, and in which order it is checked.
//! - `session`: the cookie, read by a middleware outside of the incode layer.
//! - `pages`: HTML without script.

mod face;
mod key;
mod pages;
mod refusal;
mod routes;
mod session;
mod transfer;
mod transfer_service;

use std::fmt;
use std::time::Duration;

use incode_core::{Clock, Incode};
use incode_sandbox::Sandbox;
use incode_tower::Requirement;

pub use key::Key;
pub use refusal::render;
pub use routes::app;
pub use transfer::Transfer;
pub use transfer_service::{CompletedTransfer, Session, TransferError, TransferService};

/// What the routes work with.
pub struct Bank {
    incode: Incode,
    transfers: TransferService,
    /// The stand-in vendor, when it runs in this process: it has faces to choose from.
    sandbox: Option<Sandbox>,
    /// Scheme, host and port of the site, as browsers send it in `Origin`.
    origin: String,
}

impl Bank {
    /// A bank without sessions.
    pub fn new(incode: Incode, sandbox: Option<Sandbox>, origin: String, clock: impl Clock) -> Self {
        Self { incode, transfers: TransferService::new(clock), sandbox, origin }
    }

    /// Browsers come over https.
    fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }
}

impl fmt::Debug for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bank").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What a transfer asks for.
pub const TRANSFER: Requirement = Requirement::active().face_authenticated_within(Duration::from_secs(5 * 60));
