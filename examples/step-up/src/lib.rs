//! A bank that asks for a face for each transfer: one face, one transfer.
//!
//! A transfer is kept, and its owner is sent to a page that shows it and asks for the face. Confirmed there, that very
//! transfer is made: once, with the amount and recipient that were shown. The face counts for this transfer and in this
//! session only. A second session of the same account gains nothing by it.
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
use std::sync::Arc;
use std::time::Duration;

use axum::response::Redirect;
use gate_kit::BasePath;
use incode_core::gate::SessionSource;
use incode_core::{Builder, Incode, RevokedSubject, VerifiedSubject};
use incode_sandbox::Sandbox;

pub use key::Key;
pub use refusal::render;
pub use routes::app;
pub use transfer::Transfer;
pub use transfer_service::{CompletedTransfer, Session, TransferError, TransferService};

/// What the routes work with.
pub struct Bank {
    incode: Incode,
    /// Shared with the handlers of [`set_up`].
    transfers: Arc<TransferService>,
    /// The stand-in vendor, when it runs in this process: it has faces to choose from.
    sandbox: Option<Sandbox>,
    /// Scheme, host and port of the site, as browsers send it in `Origin`.
    origin: String,
    /// Below which browsers reach the site.
    base: BasePath,
}

/// What the bank asks of incode: its own pages, its own sessions, and a call when a person is verified or revoked.
pub fn set_up(builder: Builder, transfers: &Arc<TransferService>, base: &BasePath) -> Builder {
    let (accounts, waiting) = (Arc::clone(transfers), Arc::clone(transfers));
    let base = base.clone();
    builder
        .render(move |problem, audience| render(&base, problem, audience))
        // The session is found by the middleware `session::attach`.
        .sessions(SessionSource::extension())
        .on_verified("open-account", move |verified: VerifiedSubject| {
            let accounts = Arc::clone(&accounts);
            async move {
                // Called again after a crash: an account that is open stays as it is.
                accounts.open_account(verified.subject, verified.verified_at);
                Ok(())
            }
        })
        .on_revoked("drop-transfers", move |revoked: RevokedSubject| {
            let waiting = Arc::clone(&waiting);
            async move {
                waiting.cancel_all(&revoked.subject);
                Ok(())
            }
        })
}

impl Bank {
    /// A bank over an incode that was [`set_up`] with the same transfers.
    pub fn new(
        incode: Incode,
        transfers: Arc<TransferService>,
        sandbox: Option<Sandbox>,
        origin: String,
        base: BasePath,
    ) -> Self {
        Self { incode, transfers, sandbox, origin, base }
    }

    /// A redirect to a path of this site.
    fn go(&self, path: &str) -> Redirect {
        Redirect::to(&self.base.link(path))
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

/// How old the face of a transfer may be when the transfer is made. It is made right after: this is for a slow store.
const FACE_AGE: Duration = Duration::from_secs(5 * 60);
