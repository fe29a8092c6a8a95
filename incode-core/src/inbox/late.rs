use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::store::EventId;

/// Attempts at events that were made after their time was over, by our clock.
///
/// The clock may jump. An event is given up on after several such attempts, so one look at the clock ends nothing. They
/// are counted in memory: a process that starts again, or another replica, counts anew and tries more often, never less.
#[derive(Debug, Default)]
pub(crate) struct LateAttempts(Mutex<HashMap<EventId, u32>>);

impl LateAttempts {
    /// Counts one more, and says how many there are. Zero where there is no room: then the event goes on being tried
    /// until there is.
    pub(super) fn count(&self, event: EventId) -> u32 {
        // Held for one map operation, never across an await.
        let mut late = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if late.len() >= MOST_COUNTED && !late.contains_key(&event) {
            // Events that another replica settled leave their counts here. Those of the lowest numbers are the oldest.
            let Some(oldest) = late.keys().min_by_key(|event| event.0).copied() else { return 0 };
            if oldest >= event {
                return 0;
            }
            late.remove(&oldest);
        }
        let attempts = late.entry(event).or_default();
        *attempts = attempts.saturating_add(1);
        *attempts
    }

    /// The event was settled for good.
    pub(super) fn forget(&self, event: EventId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&event);
    }
}

/// Bounds the memory: some hundred kilobytes.
const MOST_COUNTED: usize = 10_000;
