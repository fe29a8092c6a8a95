//! Erasure.

use crate::store::AuditAction;
use crate::{Actor, IdentityId, Timestamp};

use super::{After, Before, NewAudit, Outcome, Write};

/// Erases an identity with its fields, links, pending links, refused links and confirmations, and leaves a tombstone: what was
/// received before does not make it known again. Its jobs stay and no longer name it. The audit trail gets an entry
/// also when nothing was known.
pub(super) fn forget(before: &Before, identity: &IdentityId, by: &Actor, now: Timestamp) -> After {
    let subjects = before.subjects();
    let is_known = before.identity.is_some() || !subjects.is_empty();
    let mut after = After::new(Outcome::Forgotten(is_known));
    after.forgotten_at = Some(before.forgotten_at.map_or(now, |known| known.max(now)));
    after.identity = if before.identity.is_some() { Write::Delete } else { Write::Keep };
    after.links = before.links.iter().map(|link| (link.subject.clone(), Write::Delete)).collect();
    after.pending_links = before.pending_links.iter().map(|link| (link.subject.clone(), Write::Delete)).collect();
    after.refused_links = subjects.iter().map(|subject| (subject.clone(), Write::Delete)).collect();
    after.confirmations = subjects.iter().map(|subject| (subject.clone(), Vec::new())).collect();
    after.erase_fields = true;
    after.detach_jobs = true;
    after.change = is_known.then(|| before.change(identity));
    after.audit = Some(NewAudit {
        at: now,
        actor: by.clone(),
        action: AuditAction::Forget(identity.masked()),
        count: u64::from(is_known),
    });
    after
}
