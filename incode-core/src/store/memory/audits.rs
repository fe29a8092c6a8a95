use super::Rows;
use crate::store::audit::AUDITS_KEPT;
use crate::store::{Audit, AuditAction, AuditId};
use crate::{Actor, Timestamp};

impl Rows {
    pub(super) fn audit(&mut self, action: AuditAction, actor: Actor, at: Timestamp, count: u64) {
        let id = AuditId(self.audits.back().map_or(1, |last| last.id.0 + 1));
        self.audits.push_back(Audit { id, at, actor, action, count });
        if self.audits.len() as u64 > AUDITS_KEPT {
            self.audits.pop_front();
        }
    }

    pub(super) fn audits(&self, limit: u32, before: Option<AuditId>) -> Vec<Audit> {
        let older = self.audits.iter().rev().filter(|audit| before.is_none_or(|before| audit.id < before));
        older.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect()
    }
}
