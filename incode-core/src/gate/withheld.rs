use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::IdentityId;
use crate::model::IdentityStatus;

/// Identities of which the vendor said that they are not ACTIVE, while the store did not take it.
///
/// Small: one entry for each such answer during an outage of the store, removed when a change of the identity is written.
#[derive(Default)]
pub(super) struct Withheld {
    /// Whether there is any entry: a load reads this alone in the usual case.
    any: AtomicBool,
    /// Held for map operations, never across an await.
    statuses: Mutex<HashMap<IdentityId, IdentityStatus>>,
}

impl Withheld {
    pub(super) fn add(&self, identity: &IdentityId, status: &IdentityStatus) {
        self.lock().insert(identity.clone(), status.clone());
        self.any.store(true, Ordering::SeqCst);
    }

    pub(super) fn remove(&self, identity: &IdentityId) {
        if self.any.load(Ordering::SeqCst) {
            let mut statuses = self.lock();
            statuses.remove(identity);
            self.any.store(!statuses.is_empty(), Ordering::SeqCst);
        }
    }

    /// The status to answer by, instead of the stored one.
    pub(super) fn status_of(&self, identity: &IdentityId) -> Option<IdentityStatus> {
        if !self.any.load(Ordering::SeqCst) {
            return None;
        }
        self.lock().get(identity).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IdentityId, IdentityStatus>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
