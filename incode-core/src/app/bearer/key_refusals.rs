use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::TokenHash;

/// Distinguishes a refused API key from odd tokens: the vendor answers 403 to both.
///
/// One token that gets 403 says nothing of the others. [`MOST_IN_A_ROW`] different tokens in a row, and none accepted
/// in between, look like a refused key, and that is worth a line in the log. No token waits for it: an attacker with as
/// many odd tokens would make genuine ones wait.
#[derive(Default)]
pub(super) struct KeyRefusals(Mutex<State>);

#[derive(Default)]
struct State {
    /// Tokens that got 403 since one was accepted. Bounded by [`MOST_IN_A_ROW`].
    in_a_row: Vec<TokenHash>,
    /// When it may be logged again, in nanoseconds, as those of [`MonotonicAge`](crate::gate::MonotonicAge).
    quiet_until: u64,
}

impl KeyRefusals {
    /// The vendor answered 403 about this token. True when it is time to log that all are refused.
    pub(super) fn add(&self, token: TokenHash, now: u64) -> bool {
        // Held for a few assignments, never across an await.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.in_a_row.contains(&token) {
            state.in_a_row.push(token);
        }
        if state.in_a_row.len() < MOST_IN_A_ROW {
            return false;
        }
        state.in_a_row.clear();
        let is_due = now >= state.quiet_until;
        if is_due {
            state.quiet_until = now.saturating_add(u64::try_from(LOGGED_EVERY.as_nanos()).unwrap_or(u64::MAX));
        }
        is_due
    }

    /// The vendor accepted a token, and the key with it.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).in_a_row.clear();
    }
}

/// With fewer, the few odd tokens of one caller would look like a refused key.
pub(super) const MOST_IN_A_ROW: usize = 8;

/// Shortest time between two log lines: any caller can cause one, and must not fill the log.
pub(super) const LOGGED_EVERY: Duration = Duration::from_secs(60);
