//! What follows a change: the near cache forgets, the change stream publishes, the handlers are woken.

use std::sync::Arc;

use crate::Timestamp;
use crate::flow::Flow;
use crate::gate::NearCache;
use crate::identity::{Cause, Change, ChangeListener, NotActive, Observation};
use crate::inbox::{CorrelationReader, Handlers, NamedSubject};

use super::changes::{ChangeEvent, Feed};

/// Joins the directory to the parts above it, which it does not know.
pub(super) struct Listeners {
    pub(super) near: Arc<NearCache>,
    pub(super) feed: Feed,
    pub(super) handlers: Arc<Handlers>,
}

impl ChangeListener for Listeners {
    fn changed(&self, change: &Change, cause: Cause) {
        let before = self.near.stood(change);
        // The cache first: a reader that learns of the change and asks again must not get the old standing.
        self.near.invalidate(change);
        self.feed.publish(|| ChangeEvent::new(change, cause, before));
    }

    fn changed_unknown(&self) {
        self.near.invalidate_all();
        self.feed.publish_gap();
    }

    fn jobs_enqueued(&self) {
        self.handlers.notify();
    }

    fn withhold(&self, answer: &Arc<NotActive>) {
        self.near.withhold(answer);
    }

    fn written(&self, seen: &Observation) {
        self.near.written(seen);
    }
}

/// Reads the correlation ids that events repeat, for the inbox.
pub(super) struct FlowCorrelations {
    pub(super) flow: Option<Arc<Flow>>,
    /// See [`Builder::link_by_webhook`](crate::Builder::link_by_webhook).
    pub(super) may_link: bool,
}

impl CorrelationReader for FlowCorrelations {
    fn read(&self, correlation_id: &str, received_at: Timestamp) -> Option<NamedSubject> {
        let flow = self.flow.as_ref()?;
        let correlation = flow.correlations.open(correlation_id.as_bytes()).ok()?;
        let may_link = self.may_link && !correlation.is_expired(received_at);
        let mut nonce = correlation.nonce;
        // The callback and the webhook of one flow each use the id once; neither uses up the other's turn.
        nonce.nonce.reverse();
        let began_at = correlation.began_at;
        Some(NamedSubject { subject: correlation.subject, nonce, began_at, may_link })
    }
}
