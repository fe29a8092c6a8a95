use std::sync::Arc;

use crate::Timestamp;
use crate::flow::Flow;
use crate::gate::NearCache;
use crate::identity::{Cause, Change};
use crate::inbox::{ProvenSubject, Surroundings};

use super::changes::{ChangeEvent, Feed};

/// Joins the inbox to gate and flow, which it does not know. The one place that makes changes known.
pub(super) struct Joined {
    pub(super) near: Arc<NearCache>,
    pub(super) flow: Option<Arc<Flow>>,
    /// Off: correlation ids of events say nothing.
    pub(super) link_by_webhook: bool,
    pub(super) feed: Feed,
}

impl Joined {
    /// Something changed, and nobody can say what.
    pub(super) fn changed_somehow(&self) {
        self.near.invalidate_all();
        self.feed.publish_gap();
    }
}

impl Surroundings for Joined {
    fn subject_of(&self, correlation_id: &str, received_at: Timestamp) -> Option<ProvenSubject> {
        let flow = self.flow.as_ref().filter(|_| self.link_by_webhook)?;
        let correlation = flow.correlations.open(correlation_id.as_bytes()).ok()?;
        if correlation.is_expired(received_at) {
            return None;
        }
        let mut spend = correlation.spend;
        // The callback and the webhook of one flow each spend the id once; neither uses up the other's turn.
        spend.nonce.reverse();
        Some(ProvenSubject { subject: correlation.subject, spend })
    }

    fn changed(&self, change: &Change, cause: Cause) {
        let before = self.near.stood(change);
        // The cache first: who hears of a change and asks again must not be told what was.
        self.near.invalidate(change);
        self.feed.publish(|| ChangeEvent::new(change, cause, before));
    }
}
