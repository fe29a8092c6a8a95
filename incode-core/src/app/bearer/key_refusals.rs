use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::TokenHash;

/// Distinguishes a refused API key from odd tokens: the vendor answers 403 to both.
///
/// One token that gets 403 says nothing of the others. [`MOST_IN_A_ROW`] different tokens in a row, and none accepted in
/// between, look like a refused key: then questions wait for [`PAUSE`], and go on. Nothing is refused meanwhile, so a
/// stranger with as many odd tokens makes a genuine one wait, and no more.
#[derive(Default)]
pub(super) struct KeyRefusals(Mutex<State>);

#[derive(Default)]
struct State {
    /// Tokens that got 403 since one was accepted.
    in_a_row: Vec<TokenHash>,
    /// Nanoseconds, as those of [`MonotonicAge`](crate::gate::MonotonicAge).
    paused_until: u64,
}

impl KeyRefusals {
    /// The vendor answered 403 about this token. True when that begins a pause.
    pub(super) fn add(&self, token: TokenHash, now: u64) -> bool {
        let mut state = self.lock();
        if !state.in_a_row.contains(&token) {
            state.in_a_row.push(token);
        }
        let is_refused = state.in_a_row.len() >= MOST_IN_A_ROW;
        if is_refused {
            state.in_a_row.clear();
            state.paused_until = now.saturating_add(u64::try_from(PAUSE.as_nanos()).unwrap_or(u64::MAX));
        }
        is_refused
    }

    /// The vendor accepted a token, and the key with it.
    pub(super) fn clear(&self) {
        *self.lock() = State::default();
    }

    /// How long a question has to wait.
    pub(super) fn wait(&self, now: u64) -> Duration {
        Duration::from_nanos(self.lock().paused_until.saturating_sub(now))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fewer could be one stranger's handful of odd tokens; more would be too many calls with a key that is refused.
pub(super) const MOST_IN_A_ROW: usize = 8;

/// Shorter than a request waits for its turn.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
