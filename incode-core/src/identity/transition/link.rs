//! Links that the application makes and ends itself.

use crate::identity::{Change, Identity, Link};
use crate::model::IdentityStatus;
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

/// As [`by_application`] for an identity that need not be known. It is then known as not asked about yet: any answer of
/// the vendor is newer. One that was forgotten is not made known by a list that may be older.
pub(super) fn import(before: &Before, link: &Link, rules: &Rules, now: Timestamp) -> After {
    if before.identity.is_some() {
        return by_application(before, link, None, rules, now);
    }
    if before.forgotten_at.is_some() {
        return After::new(Outcome::Refused(Refusal::Forgotten));
    }
    let never = Timestamp::from_millis(0);
    let identity = Identity::new(link.identity_id.clone(), IdentityStatus::NotYetAsked, never);
    let known = Before { identity: Some(identity.clone()), ..before.clone() };
    let mut after = by_application(&known, link, None, rules, now);
    if !after.links.is_empty() {
        after.identity = Write::Put(identity);
    }
    after
}

/// An entry of the audit trail, and nothing else.
pub(super) fn note(action: &AuditAction, count: u64, by: &Actor, now: Timestamp) -> After {
    let mut after = After::new(Outcome::Noted);
    after.audit = audit(Some(by), action.clone(), now, count);
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
