//! From acceptance to application: an event is on disk before it is acknowledged, and a worker asks the vendor about
//! it until it is applied or beyond hope. What was applied is told to the application's handlers until they succeed.

mod apply;
mod at_rest;
mod circuit_breaker;
mod fetch;
mod handler;
mod handlers;
mod jobs;
mod linking;
mod reconcile;
mod rule;
mod runner;
mod schedule;
mod surroundings;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::store::{Accepted, EventState, NewEvent, Reason, Store, StoreError, StoreErrorKind};
use crate::webhook::{Event, Trust};
use crate::{Clock, Secret, TokenHash};

pub(crate) use apply::Applier;
pub(crate) use at_rest::AtRest;
pub use handler::{AppliedEvent, Handler, HandlerError};
pub(crate) use handlers::{Handlers, IllegalHandler};
pub(crate) use jobs::{Effects, JobSettings};
pub(crate) use reconcile::{End, Watchers};
pub use reconcile::{RecheckError, RecheckErrorKind};
pub(crate) use rule::ErasedRule;
pub use rule::{LinkRule, LinkRuleError, VerifiedPerson};
pub(crate) use runner::Runner;
pub(crate) use schedule::expiry_hint;
pub(crate) use surroundings::{ProvenSubject, Surroundings};
pub(crate) use worker::{Worker, WorkerSettings};

/// The durable table of accepted events, with the wakeup that wakes its worker.
pub(crate) struct Inbox {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    at_rest: AtRest,
    /// Rung after each acceptance. A ring that is lost costs one sweep, not the event.
    wakeup: Notify,
    accept_deadline: Duration,
}

impl Inbox {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        store_key: Option<&Secret>,
        accept_deadline: Duration,
    ) -> Arc<Self> {
        let at_rest = AtRest::new(store_key);
        Arc::new(Self { store, clock, at_rest, wakeup: Notify::new(), accept_deadline })
    }

    /// Keeps an authenticated event. Returns only once it is durable, or can't be in time: then the sender must be told
    /// to come again, whatever became of the write.
    pub(crate) async fn accept(&self, event: Event, trust: Trust) -> Result<Accepted, StoreError> {
        let kind = event.kind.clone();
        let new = self.row(event, trust)?;
        let state = new.state;
        let begun = self.clock.elapsed();
        let accepted = tokio::time::timeout(self.accept_deadline, self.store.accept(new))
            .await
            .unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Busy)))?;
        let took = self.clock.elapsed().saturating_sub(begun);
        metrics::histogram!("incode_accept_seconds").record(took.as_secs_f64());
        match accepted {
            Accepted::New(id) => {
                metrics::counter!("incode_events_accepted_total", "state" => state.as_str()).increment(1);
                tracing::info!(event.id = id.0, event.kind = kind.as_str(), event.state = state.as_str(), "accepted");
                self.wakeup.notify_one();
            }
            Accepted::Duplicate => metrics::counter!("incode_events_duplicate_total").increment(1),
        }
        Ok(accepted)
    }

    pub(crate) fn notify(&self) {
        self.wakeup.notify_one();
    }

    fn row(&self, event: Event, trust: Trust) -> Result<NewEvent, StoreError> {
        let (state, reason) = match (&event.token, event.mismatched) {
            (Some(_), false) => (EventState::Pending, None),
            (Some(_), true) => (EventState::Dead, Some(Reason::BindingMismatch)),
            (None, _) => (EventState::Ignored, Some(Reason::UnknownKind)),
        };
        let token_hash = event.token.as_ref().map_or(TokenHash([0; 32]), |token| token.hash());
        let token = match (&event.token, state) {
            (Some(token), EventState::Pending) => self.at_rest.seal(token)?,
            _ => Vec::new(),
        };
        Ok(NewEvent {
            kind: event.kind,
            object_id: event.object_id,
            token,
            token_hash,
            correlation_id: event.correlation_id,
            vendor_time: event.vendor_time,
            received_at: self.clock.now(),
            authenticated: trust == Trust::Authenticated,
            state,
            reason,
        })
    }
}

#[cfg(test)]
mod tests;
