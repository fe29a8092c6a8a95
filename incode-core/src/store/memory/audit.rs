use super::MemoryStore;
use crate::store::{Audit, AuditId, AuditStore, StoreFuture};

impl AuditStore for MemoryStore {
    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        self.locked(|rows| {
            let both = rows.audits.iter().chain(&rows.erasures);
            let mut older: Vec<_> = both.filter(|audit| before.is_none_or(|before| audit.id < before)).collect();
            older.sort_by_key(|audit| std::cmp::Reverse(audit.id));
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            Ok(older.into_iter().take(limit).cloned().collect())
        })
    }
}
