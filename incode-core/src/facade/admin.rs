use std::sync::PoisonError;

use crate::identity::{Identity, LinkedIdentity};
use crate::store::{EventFilter, EventRow, InboxCounts, Replay, StoreError};
use crate::{IdentityId, Subject};

use super::{Incode, to_the_end};

/// Whether the parts answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The store answered.
    pub store: bool,
}

/// Operations: what an application's own admin pages and commands call.
impl Incode {
    /// Whether the store answers.
    pub async fn health(&self) -> Health {
        Health { store: self.0.store.ping().await.is_ok() }
    }

    /// Events by state.
    ///
    /// # Errors
    /// When the store does not answer; so for all of these.
    pub async fn inbox_counts(&self) -> Result<InboxCounts, StoreError> {
        self.0.store.counts().await
    }

    /// Events, newest first, without tokens.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn inbox_events(&self, filter: EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.0.store.events(filter).await
    }

    /// Makes dead events pending again and wakes the worker. Returns how many; repeating it does no harm.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn replay(&self, which: Replay) -> Result<u64, StoreError> {
        let count = self.0.store.replay(which, self.0.clock.now()).await?;
        tracing::info!(count, "replayed");
        self.0.inbox.ring();
        Ok(count)
    }

    /// The stored row of an identity.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn identity(&self, id: &IdentityId) -> Result<Option<Identity>, StoreError> {
        self.0.store.identity(id.clone()).await
    }

    /// The identity a subject is linked to, past every cache.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn linked(&self, subject: &Subject) -> Result<Option<LinkedIdentity>, StoreError> {
        self.0.store.linked(subject.clone()).await
    }

    /// Removes the link of a subject; the identity stays. Returns the link's end: false when there was none.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn unlink(&self, subject: &Subject) -> Result<bool, StoreError> {
        let (incode, subject) = (self.clone(), subject.clone());
        to_the_end(async move {
            let change = incode.0.store.unlink(subject).await?;
            if let Some(change) = &change {
                incode.0.near.invalidate(change);
            }
            Ok(change.is_some())
        })
        .await
    }

    /// Erases an identity and its links, leaving a tombstone that keeps old events from bringing it back. False when
    /// nothing was known of it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn forget(&self, id: &IdentityId) -> Result<bool, StoreError> {
        let (incode, id) = (self.clone(), id.clone());
        to_the_end(async move {
            let change = incode.0.store.forget(id, incode.0.clock.now()).await?;
            if let Some(change) = &change {
                incode.0.near.invalidate(change);
            }
            tracing::info!(known = change.is_some(), "identity forgotten");
            Ok(change.is_some())
        })
        .await
    }

    /// Stops the worker in good order: what is under way is finished or given back, and the store is closed. Call it
    /// when the server has stopped taking requests. Later calls return at once.
    pub async fn shutdown(&self) {
        self.0.stop.send_replace(true);
        let worker = self.0.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            if let Err(error) = worker.await {
                tracing::error!(panicked = error.is_panic(), "the worker did not end well");
            }
            if let Err(error) = self.0.store.close().await {
                tracing::warn!(error.kind = ?error.kind(), "store not closed");
            }
        }
    }
}
