use std::time::Duration;

use crate::identity::Identity;
use crate::inbox::{End, RecheckError};
use crate::store::{EventFilter, EventId, EventState, Reason, Replay, StoreError};
use crate::{Actor, ObjectId, Token};

use super::Incode;

/// What [`Incode::reconcile`] came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciled {
    /// Events that were applied, each with what it changed.
    pub applied: Vec<Diff>,
    /// Events that were applied and changed nothing: without an identity, of a forgotten identity, or done meanwhile.
    pub nothing_new: u64,
    /// Events that died again.
    pub dead: u64,
    /// Events that are pending still: the worker goes on with them.
    pub pending: u64,
}

/// What was known of an identity, beside what the vendor said when it was asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diff {
    /// What was known; `None` when nothing was.
    pub before: Option<Identity>,
    /// What is known now.
    pub after: Identity,
}

impl Diff {
    /// True when the vendor said something else than was known; the instants of asking do not count.
    pub fn is_change(&self) -> bool {
        let Some(before) = &self.before else { return true };
        let after = self.after.clone();
        Identity { checked_at: after.checked_at, checks: after.checks.clone(), ..before.clone() } != after
    }
}

impl Incode {
    /// Asks again about events that died of an outage and whose token is still kept: they are replayed, go through the
    /// worker like all others, and what they change is reported. Safe to run twice, and at any time.
    ///
    /// Waits for up to half a minute a lot; what is not settled by then stays with the worker.
    ///
    /// # Errors
    /// When the store does not answer. What was replayed by then is the worker's.
    pub async fn reconcile(&self, by: &Actor) -> Result<Reconciled, StoreError> {
        let mut report = Reconciled::default();
        for reason in OUTAGES {
            let mut before = None;
            loop {
                let filter = EventFilter {
                    state: Some(EventState::Dead),
                    reason: Some(reason),
                    before,
                    limit: LOT,
                    ..EventFilter::default()
                };
                let events: Vec<_> = self.inbox_events(filter).await?.into_iter().map(|row| row.id).collect();
                let Some(last) = events.last() else { break };
                before = Some(*last);
                self.reconcile_lot(&events, by, &mut report).await?;
            }
        }
        Ok(report)
    }

    /// Asks about a verification with a fresh token, whatever became of its event, and records the answer.
    ///
    /// # Errors
    /// [`RecheckError`] when there was no answer that belongs together; nothing was recorded then.
    pub async fn recheck(&self, verification: &ObjectId, token: &Token) -> Result<Diff, RecheckError> {
        let (applier, verification, token) = (self.0.applier.clone(), verification.clone(), token.clone());
        let (before, after) = applier.recheck(&verification, &token).await?;
        Ok(Diff { before, after })
    }

    async fn reconcile_lot(&self, events: &[EventId], by: &Actor, report: &mut Reconciled) -> Result<(), StoreError> {
        let watchers = &self.0.applier.watchers;
        let mut waiting = Vec::new();
        for event in events {
            let detail = self.0.store.event(*event).await?;
            if detail.is_some_and(|detail| detail.has_token) {
                // Watched before it is replayed: the worker may be faster than we are.
                waiting.push((*event, watchers.watch(*event)));
                if self.replay(Replay::One(*event), by).await? == 0 {
                    waiting.pop();
                    watchers.forget(*event);
                }
            }
        }
        let give_up = tokio::time::Instant::now() + PATIENCE;
        for (event, end) in waiting {
            match tokio::time::timeout_at(give_up, end).await {
                Ok(Ok(End::Done { before, seen: Some(seen) })) => {
                    let before = before.map(|before| *before);
                    let after = Identity::merge(before.clone(), &seen);
                    report.applied.push(Diff { before, after });
                }
                Ok(Ok(End::Done { seen: None, .. })) => report.nothing_new += 1,
                Ok(Ok(End::Dead)) => report.dead += 1,
                Ok(Err(_)) | Err(_) => {
                    watchers.forget(event);
                    report.pending += 1;
                }
            }
        }
        Ok(())
    }
}

/// What an event dies of when the vendor was out, not the event.
const OUTAGES: [Reason; 4] = [Reason::Exhausted, Reason::Malformed, Reason::VendorUnavailable, Reason::RateLimited];
const LOT: u32 = 256;
const PATIENCE: Duration = Duration::from_secs(30);
