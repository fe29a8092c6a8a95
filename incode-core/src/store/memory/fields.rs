use super::Rows;
use crate::identity::{Observation, RetainedField};
use crate::{IdentityId, Timestamp};

/// A field with when the request that brought it was sent.
pub(super) struct Row {
    kept: RetainedField,
    sent_at: Timestamp,
}

impl Rows {
    pub(super) fn keep(&mut self, seen: &Observation) {
        if seen.fields.is_empty() {
            return;
        }
        let known = self.fields.entry(seen.identity_id.clone()).or_default();
        for kept in &seen.fields {
            let new = Row { kept: kept.clone(), sent_at: seen.sent_at };
            if known.get(&kept.field).is_none_or(|row| new.key() > row.key()) {
                known.insert(kept.field, new);
            }
        }
    }

    pub(super) fn fields(&self, id: &IdentityId, now: Timestamp) -> Vec<RetainedField> {
        let rows = self.fields.get(id).into_iter().flat_map(|rows| rows.values());
        rows.filter(|row| row.kept.expires_at > now).map(|row| row.kept.clone()).collect()
    }

    pub(super) fn prune_fields(&mut self, now: Timestamp) {
        self.fields.retain(|_, rows| {
            rows.retain(|_, row| row.kept.expires_at > now);
            !rows.is_empty()
        });
    }
}

impl Row {
    fn key(&self) -> (Timestamp, Timestamp, &[u8]) {
        (self.sent_at, self.kept.expires_at, &self.kept.sealed)
    }
}
