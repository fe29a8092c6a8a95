//! A store in the memory of one process. Its files are those of every engine: `rows` holds the tables and moves rows
//! between them and the rules, and each part of the contract is in the file of its name.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::{StoreError, StoreErrorKind, StoreFuture};
use rows::Rows;

mod audit;
mod identities;
mod inbox;
mod jobs;
mod life_cycle;
mod rows;

/// A store that forgets everything with the process: for tests, and for trying things out.
///
/// Bounded: when it holds as many events as its capacity, `accept` fails with [`StoreErrorKind::Full`] until some are
/// pruned.
///
/// ```
/// use incode_core::Incode;
/// use incode_core::store::MemoryStore;
///
/// let builder = Incode::builder().store(MemoryStore::new()); // the same as `.memory()`
/// # drop(builder);
/// ```
pub struct MemoryStore {
    /// The most events it holds, of any state.
    capacity: usize,
    /// One lock makes each call a transaction. Held for the length of a map operation and never across an await.
    rows: Mutex<Rows>,
}

impl MemoryStore {
    /// Room for 100,000 events.
    pub fn new() -> Self {
        Self::with_capacity(100_000)
    }

    /// Room for `capacity` events of any state.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { capacity, rows: Mutex::default() }
    }

    /// Runs `work` under the lock, at once: the future that is returned is ready.
    fn locked<T: Send + 'static>(&self, work: impl FnOnce(&mut Rows) -> Result<T, StoreError>) -> StoreFuture<'_, T> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = if rows.is_closed { Err(StoreError::new(StoreErrorKind::Unavailable)) } else { work(&mut rows) };
        Box::pin(std::future::ready(outcome))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
