//! The app's asynchronous code that names the user of a request: a pretended session store, which counts what it is asked.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use incode_core::SessionHash;

/// Names the user; what the layer's own source reads is another header.
pub const ACCOUNT: &str = "x-account";

/// With [`DOWN`]: the session store fails.
pub const STORE: &str = "x-store";

/// A value of [`STORE`].
pub const DOWN: &str = "down";

/// Names the session.
pub const SESSION: &str = "x-session-id";

/// By this header's value it is counted how often a request asked for its user.
pub const COUNTED: &str = "x-counted";

/// The app's own answer while its session store fails: status, a header, its type, its body.
pub const OWN_ANSWER: (u16, (&str, &str), &str, &str) =
    (503, ("x-app", "own"), "text/plain; charset=utf-8", "sessions are down");

/// The session store fails.
#[derive(Debug)]
pub struct StoreDown;

/// How often a request with this value of [`COUNTED`] asked for its user.
pub fn times_asked(value: &str) -> usize {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().get(value).copied().unwrap_or_default()
}

/// What the app knows of a request by then: its headers.
pub(crate) struct Login {
    account: Option<String>,
    session: Option<String>,
    store: Option<String>,
    counted: Option<String>,
}

impl Login {
    /// By a look-up of headers.
    pub(crate) fn of<'a>(header: impl Fn(&str) -> Option<&'a [u8]>) -> Self {
        let text = |name| header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        Self { account: text(ACCOUNT), session: text(SESSION), store: text(STORE), counted: text(COUNTED) }
    }

    /// Asks the store.
    pub(crate) async fn user(self) -> Result<Option<(String, SessionHash)>, StoreDown> {
        if let Some(counted) = self.counted {
            let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
            *asked.get_or_insert_default().entry(counted).or_default() += 1;
        }
        // Pending at least once, as a store is.
        tokio::task::yield_now().await;
        if self.store.as_deref() == Some(DOWN) {
            return Err(StoreDown);
        }
        let session = SessionHash::of(self.session.unwrap_or_default().as_bytes());
        Ok(self.account.map(|account| (account, session)))
    }
}

static ASKED: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);
