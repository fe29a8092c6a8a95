//! From acceptance to application: an event is on disk before it is acknowledged, and a worker asks the vendor about it
//! until it is applied or dead. An applied event becomes jobs of the application's handlers, retried until they
//! succeed.

mod apply;
mod at_rest;
mod circuit_breaker;
mod fetch;
mod handler;
mod handlers;
mod jobs;
mod late;
mod linking;
mod pace;
mod reconcile;
mod rule;
mod runner;
mod schedule;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::store::dedupe::object_key;
use crate::store::{Accepted, EventState, NewEvent, Reason, Store, StoreError, StoreErrorKind};
use crate::webhook::{Event, Trust};
use crate::{Clock, TokenHash};

pub(crate) use apply::Applier;
pub(crate) use at_rest::AtRest;
pub use handler::{AppliedEvent, Handler, HandlerError, RevokedSubject, VerifiedSubject};
pub(crate) use handlers::{Handlers, IllegalHandler};
pub(crate) use jobs::{HandlerRunner, JobSettings};
pub(crate) use late::LateAttempts;
pub(crate) use linking::{CorrelationReader, NamedSubject};
pub(crate) use reconcile::{End, Watchers};
pub use reconcile::{RecheckError, RecheckErrorKind};
pub(crate) use rule::ErasedRule;
pub use rule::{LinkRule, LinkRuleError, VerifiedPerson};
pub(crate) use runner::Runner;
pub(crate) use schedule::{claims, expiry_hint, is_plausible, token_times};
pub(crate) use worker::{Worker, WorkerSettings};

/// The durable table of accepted events, with the wakeup that wakes its worker.
pub(crate) struct Inbox {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    at_rest: AtRest,
    /// Rung after each acceptance. A ring that is lost costs one sweep, not the event.
    wakeup: Notify,
    accept_deadline: Duration,
    /// What the two times below count from. Real time: they are about this process, not about events.
    started: Instant,
    /// When the worker last claimed, in milliseconds: events are being worked on.
    claimed_at: AtomicU64,
    /// When the worker's loop last turned, in milliseconds: its sign of life.
    alive_at: AtomicU64,
}

impl Inbox {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        at_rest: AtRest,
        accept_deadline: Duration,
    ) -> Arc<Self> {
        let (started, claimed_at, alive_at) = (Instant::now(), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { store, clock, at_rest, wakeup: Notify::new(), accept_deadline, started, claimed_at, alive_at })
    }

    /// Keeps an authenticated event. Returns once it is durable, or when it can't be in time. Then the sender must be
    /// answered "try again", whatever became of the write.
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

    /// The worker claimed, with or without result.
    fn claimed(&self) {
        self.claimed_at.store(millis(self.started.elapsed()), Ordering::Relaxed);
    }

    /// The worker's loop turned.
    fn alive(&self) {
        self.alive_at.store(millis(self.started.elapsed()), Ordering::Relaxed);
    }

    /// How long ago the worker's loop last turned: a runtime that nothing drives, or a worker that died, shows here.
    pub(crate) fn since_alive(&self) -> Duration {
        Duration::from_millis(millis(self.started.elapsed()).saturating_sub(self.alive_at.load(Ordering::Relaxed)))
    }

    /// How long ago the worker last claimed: a store that refuses claims shows here too.
    pub(crate) fn since_claim(&self) -> Duration {
        Duration::from_millis(millis(self.started.elapsed()).saturating_sub(self.claimed_at.load(Ordering::Relaxed)))
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
        let authenticated = trust == Trust::Authenticated;
        let received_at = self.clock.now();
        let token_hash = event.token.as_ref().map_or(TokenHash([0; 32]), |token| token.hash());
        let token = match (&event.token, state) {
            (Some(token), EventState::Pending) => {
                let row = object_key(&event.kind, event.object_id.as_ref(), authenticated);
                self.at_rest.seal(token, &row)?
            }
            _ => Vec::new(),
        };
        let implausible = !authenticated
            && event.token.as_ref().is_none_or(|token| !is_plausible(token, event.vendor_time, received_at));
        Ok(NewEvent {
            kind: event.kind,
            object_id: event.object_id,
            token,
            token_hash,
            correlation_id: event.correlation_id,
            vendor_time: event.vendor_time,
            received_at,
            authenticated,
            implausible,
            state,
            reason,
        })
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
