use std::sync::PoisonError;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::identity::transition::{Command, Outcome};
use crate::identity::{Cause, Identity, PersonalData};
use crate::store::{Audit, AuditId, EventFilter, EventId, EventRow, InboxCounts, Replay, StoreError};
use crate::{Actor, IdentityId};

use super::{Incode, Inspection};
use crate::Timestamp;

/// Whether the parts answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The store answered, and takes writes.
    pub store: bool,
    /// The worker and every handler's runner are at work.
    pub worker: bool,
}

/// Operations: what an application's own admin pages and commands call.
impl Incode {
    /// Whether the worker and every handler's runner are at work: liveness. It asks neither store nor vendor, and an outage
    /// of either does not make it false.
    ///
    /// It is false when a runner ended, which does not come back in this process, and when the worker's loop has not turned
    /// for 20 s: nothing drives the tokio runtime that built this, or a call of the store does not come back.
    pub fn is_working(&self) -> bool {
        let runners = self.0.runners.lock().unwrap_or_else(PoisonError::into_inner);
        let is_running = !runners.is_empty() && !runners.iter().any(JoinHandle::is_finished);
        is_running && self.0.inbox.since_alive() < LONGEST_SILENCE
    }

    /// Whether store and worker are well: readiness. The store has to answer within 5 s. Unlike
    /// [`is_working`](Self::is_working), the worker has to have claimed within the last 20 s, which a store that is away keeps
    /// it from. A worker that ended otherwise than by [`Incode::shutdown`] is a fault: events are kept and not applied.
    pub async fn health(&self) -> Health {
        // By the caller's own timer: a store may wait for a runtime that nothing drives.
        let answer = tokio::time::timeout(LONGEST_ANSWER, self.0.store.time()).await;
        Health {
            store: answer.is_ok_and(|answer| answer.is_ok()),
            worker: self.is_working() && self.0.inbox.since_claim() < LONGEST_SILENCE,
        }
    }

    /// Events by state.
    ///
    /// # Errors
    /// When the store does not answer; so for all of these.
    pub async fn inbox_counts(&self) -> Result<InboxCounts, StoreError> {
        Ok(self.0.store.counts().await?.inbox)
    }

    /// Events, newest first, without tokens.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn inbox_events(&self, filter: EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.0.store.events(filter).await
    }

    /// Everything known of one event that may be shown; `None` when there is none, or no longer.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn inspect(&self, id: EventId) -> Result<Option<Inspection>, StoreError> {
        Ok(self.0.store.event(id).await?.map(Inspection::from))
    }

    /// Makes dead events pending again and wakes the worker. Returns how many; repeating it does no harm. The audit
    /// trail keeps `by`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn replay(&self, which: Replay, by: &Actor) -> Result<u64, StoreError> {
        let now = self.0.directory.now().await?;
        let count = self.0.store.replay(which, by.clone(), now).await?;
        tracing::info!(count, "replayed");
        self.0.inbox.notify();
        Ok(count)
    }

    /// The stored row of an identity.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn identity(&self, id: &IdentityId) -> Result<Option<Identity>, StoreError> {
        self.0.store.identity(id.clone()).await
    }

    /// The personal fields that are kept of an identity; see [`Builder::retain`](crate::Builder::retain). Those whose time is
    /// over are not among them, nor those sealed with another key than today's.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn personal(&self, id: &IdentityId) -> Result<PersonalData, StoreError> {
        let kept = self.0.store.fields(id.clone(), self.0.clock.now()).await?;
        Ok(self.0.observer.reveal(id, &kept))
    }

    /// Erases an identity and its links, and writes a tombstone. What was received before has no effect any more: an
    /// answer of the vendor that is under way, a pending event, and a dead event that is replayed. A later event,
    /// callback or token of the person creates the identity again, without its old link. Returns false if the identity
    /// was not known. The audit trail keeps `by`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn forget(&self, id: &IdentityId, by: &Actor) -> Result<bool, StoreError> {
        let command = Command::Forget { identity: id.clone(), by: by.clone() };
        let changed = self.0.directory.change(command, Cause::Forgotten).await?;
        let known = changed.outcome == Outcome::Forgotten(true);
        tracing::info!(known, "identity forgotten");
        Ok(known)
    }

    /// What was done by hand, newest first: at most `limit` entries, only those older than `before`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn audits(&self, limit: u32, before: Option<AuditId>) -> Result<Vec<Audit>, StoreError> {
        self.0.store.audits(limit, before).await
    }

    /// The present by the clock of this [`Incode`]: the application's own where it set one.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Ends every [`Visitor::changed`](crate::gate::Visitor::changed) and every guarded stream. A server that shuts down
    /// gracefully waits for streams that are held open: call this when it begins to, and
    /// [`shutdown`](Self::shutdown), which includes it, when it is done.
    pub fn end_watches(&self) {
        self.0.near.end_watches();
    }

    /// Stops worker and handlers in good order: what is under way is finished or given back, the change stream ends, and
    /// the store is closed. Call it when the server has stopped taking requests. Later calls return at once.
    pub async fn shutdown(&self) {
        self.end_watches();
        self.0.stop.send_replace(true);
        let runners = std::mem::take(&mut *self.0.runners.lock().unwrap_or_else(PoisonError::into_inner));
        if runners.is_empty() {
            return;
        }
        for runner in runners {
            if let Err(error) = runner.await {
                tracing::error!(panicked = error.is_panic(), "a runner did not end well");
            }
        }
        self.0.listeners.feed.close();
        if let Err(error) = self.0.store.close().await {
            tracing::warn!(error.kind = ?error.kind(), error.cause = %error.cause(), "store not closed");
        }
    }
}

/// How long the store may take to say that it is well: longer than the deadline of a call of any engine.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// How long the worker may be silent: ten of its sweeps, so that a busy machine is not taken for a dead worker.
const LONGEST_SILENCE: Duration = Duration::from_secs(20);
