//! Links that the application makes and ends itself.

use crate::identity::{Change, Link};
use crate::store::AuditAction;
use crate::{Actor, Subject, Timestamp};

use super::{After, Before, NewAudit, Outcome, Refusal, Rules, Write, observe};

/// Links a subject to an identity that is known. Linking the same two again changes nothing.
pub(super) fn by_application(before: &Before, link: &Link, by: Option<&Actor>, rules: &Rules, now: Timestamp) -> After {
    let refused = |refusal| After::new(Outcome::Refused(refusal));
    let Some(identity) = &before.identity else { return refused(Refusal::UnknownIdentity) };
    match &before.link {
        Some(own) if own.identity_id != link.identity_id => return refused(Refusal::SubjectTaken),
        Some(_) => return After::new(Outcome::Linked),
        None => {}
    }
    if !rules.shared_identities && before.links.iter().any(|other| other.subject != link.subject) {
        return refused(Refusal::IdentityTaken);
    }
    let mut after = After::new(Outcome::Linked);
    after.change = Some(before.change(&link.identity_id));
    after.identity = Write::Put(identity.clone());
    observe::insert_link(&mut after, link.clone(), rules, now);
    after.identity = Write::Keep;
    if before.pending.is_some() {
        after.pending_links.push((link.subject.clone(), Write::Delete));
    }
    after.audit = audit(by, AuditAction::Link(link.identity_id.masked()), now, 1);
    after
}

/// Ends the link of a subject, its pending link and its confirmations. The identity stays.
pub(super) fn unlink(before: &Before, subject: &Subject, by: Option<&Actor>, now: Timestamp) -> After {
    let linked = before.link.as_ref().map(|link| &link.identity_id);
    let identity_id = linked.or(before.pending.as_ref().map(|pending| &pending.identity_id));
    let Some(identity_id) = identity_id else { return After::new(Outcome::Unlinked(false)) };
    let mut after = After::new(Outcome::Unlinked(true));
    after.change = Some(Change { identity_id: identity_id.clone(), subjects: before.subjects() });
    after.concerns(subject);
    if before.link.is_some() {
        after.links.push((subject.clone(), Write::Delete));
    }
    if before.pending.is_some() {
        after.pending_links.push((subject.clone(), Write::Delete));
    }
    if !before.confirmations.is_empty() {
        after.confirmations.push((subject.clone(), Vec::new()));
    }
    after.audit = audit(by, AuditAction::Unlink(identity_id.masked()), now, 1);
    after
}

fn audit(by: Option<&Actor>, action: AuditAction, at: Timestamp, count: u64) -> Option<NewAudit> {
    by.map(|actor| NewAudit { at, actor: actor.clone(), action, count })
}
