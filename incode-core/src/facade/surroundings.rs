use std::sync::Arc;

use crate::Timestamp;
use crate::flow::Flow;
use crate::gate::NearCache;
use crate::identity::Change;
use crate::inbox::{ProvenSubject, Surroundings};

/// Joins the inbox to gate and flow, which it does not know.
pub(super) struct Joined {
    pub(super) near: Arc<NearCache>,
    pub(super) flow: Option<Arc<Flow>>,
}

impl Surroundings for Joined {
    fn subject_of(&self, correlation_id: &str, received_at: Timestamp) -> Option<ProvenSubject> {
        let flow = self.flow.as_ref()?;
        let correlation = flow.correlations.open(correlation_id.as_bytes()).ok()?;
        if correlation.is_expired(received_at) {
            return None;
        }
        let mut spend = correlation.spend;
        // The callback and the webhook of one flow each spend the id once; neither uses up the other's turn.
        spend.nonce.reverse();
        Some(ProvenSubject { subject: correlation.subject, spend, shared: flow.shared_identities })
    }

    fn changed(&self, change: &Change) {
        self.near.invalidate(change);
    }
}
