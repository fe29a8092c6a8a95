//! What the vendor said of identities that are not ACTIVE, until it is in the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::IdentityId;
use crate::model::IdentityStatus;

use super::merge::LONGEST_UNDER_WAY;
use super::{Cause, Checks, FaceOrigin, Identity, Observation};

/// An answer of the vendor by which an identity is not ACTIVE.
#[derive(Clone, Debug)]
pub(crate) struct NotActive {
    /// The status and when it was asked for. Nothing else of the answer: the rest counts only where the exchange that
    /// it belongs to is recorded.
    seen: Observation,
    cause: Cause,
    heard_at: Instant,
}

/// The answers that are not in the store yet, the newest for each identity.
///
/// Bounded by the vendor's answers during an outage of the store. Each entry is removed when it is written.
#[derive(Default)]
pub(super) struct Unwritten(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    answers: HashMap<IdentityId, Arc<NotActive>>,
    /// A task writes the entries. It ends when there are none.
    has_writer: bool,
}

/// What [`Unwritten::add`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// This answer or a newer one is there already.
    Known,
    /// The task that writes the entries will find it.
    Queued,
    /// No task writes the entries: the caller starts one.
    NeedsWriter,
}

impl NotActive {
    /// `None` where the vendor said ACTIVE.
    pub(crate) fn of(seen: &Observation, cause: Cause) -> Option<Self> {
        let seen = Observation {
            identity_id: seen.identity_id.clone(),
            sent_at: seen.sent_at,
            status: seen.status.clone(),
            attestation: seen.attestation.clone(),
            verified: None,
            face_authenticated_at: None,
            face_origin: FaceOrigin::default(),
            checks: Checks::default(),
            fields: Vec::new(),
        };
        (seen.status != IdentityStatus::Active).then(|| Self { seen, cause, heard_at: Instant::now() })
    }

    /// The status, and when it was asked for.
    pub(crate) fn seen(&self) -> &Observation {
        &self.seen
    }

    pub(super) fn cause(&self) -> Cause {
        self.cause
    }

    /// Whether a row holds this answer or one to a later question.
    pub(crate) fn is_before(&self, row: &Identity) -> bool {
        let is_same = row.checked_at == self.seen.sent_at && row.status != IdentityStatus::Active;
        is_same || row.checked_at > self.seen.sent_at
    }

    /// The same for an answer that is not written. A row that seems to be newer than any question since then was
    /// written before the clock was set back, as in [`Identity::merge`]: it is older.
    pub(crate) fn is_overtaken_by(&self, row: &Identity) -> bool {
        let newest = self.seen.sent_at.after(self.heard_at.elapsed().saturating_add(LONGEST_UNDER_WAY));
        self.is_before(row) && row.checked_at <= newest
    }
}

impl Unwritten {
    pub(super) fn add(&self, answer: &Arc<NotActive>) -> Added {
        let mut entries = self.lock();
        let id = &answer.seen.identity_id;
        if entries.answers.get(id).is_some_and(|known| known.seen.sent_at >= answer.seen.sent_at) {
            return Added::Known;
        }
        entries.answers.insert(id.clone(), Arc::clone(answer));
        if std::mem::replace(&mut entries.has_writer, true) { Added::Queued } else { Added::NeedsWriter }
    }

    /// Removes the answer that an observation covers: it is in the store.
    pub(super) fn remove(&self, seen: &Observation) {
        let mut entries = self.lock();
        if entries.answers.get(&seen.identity_id).is_some_and(|known| known.seen.sent_at <= seen.sent_at) {
            entries.answers.remove(&seen.identity_id);
        }
    }

    /// What the task has to write. `None`: nothing is left, and the task ends.
    pub(super) fn left(&self) -> Option<Vec<Arc<NotActive>>> {
        let mut entries = self.lock();
        entries.has_writer = !entries.answers.is_empty();
        entries.has_writer.then(|| entries.answers.values().cloned().collect())
    }

    /// Held for map operations, never across an await.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the exchange that an answer belongs to has for writing it itself.
pub(super) const FIRST_WRITE: Duration = Duration::from_secs(1);
/// How long a store that does not take an answer is left alone at most.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long one attempt at one answer may take: a store that hangs must not keep the others waiting for ever.
pub(super) const LONGEST_WRITE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
