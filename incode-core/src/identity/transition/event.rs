//! An event of the vendor, applied.

use crate::Timestamp;
use crate::identity::{Link, PendingLink};

use super::{After, ApplyEvent, Before, EventLink, JobCause, NewJob, Outcome, Refusal, Rules, Write, observe};

/// Merges what the vendor said, decides the pending links that the check belongs to, makes the link that the event
/// asks for, and enqueues the handlers.
pub(super) fn apply(before: &Before, event: &ApplyEvent, rules: &Rules, now: Timestamp) -> After {
    let since = event.seen.dates_from(event.check.received_at);
    let mut after = observe::merge(before, &event.seen, since, rules, now);
    if after.outcome == Outcome::Dropped {
        return after;
    }
    if !before.is_applied {
        after.jobs.extend(rules.handlers.on_event.iter().map(|handler| job(handler.clone(), event, now)));
    }
    decide_pending(&mut after, before, event, rules, now);
    if let Some(link) = &event.link {
        match link_refusal(before, &after, link, since, event, rules) {
            None => make_link(&mut after, before, event, link, rules, now),
            // The event of a flow that has an outcome already.
            Some(Refusal::NonceUsed) => {}
            Some(refusal) => after.keep_refusal(&link.subject, refusal, Some(event.event), now),
        }
    }
    after
}

/// A check that passed confirms the pending link whose flow it belongs to; one that did not ends it.
///
/// Two pending links that one check could confirm are both ended: nothing shows which of the two subjects passed.
fn decide_pending(after: &mut After, before: &Before, event: &ApplyEvent, rules: &Rules, now: Timestamp) {
    let Write::Put(identity) = after.identity.clone() else { return };
    let is_live = |pending: &&PendingLink| now < pending.expires_at;
    let failed = |pending: &PendingLink| {
        let (window, subject) = (&pending.window, &pending.subject);
        window.is_failed_by(&event.check, subject) || window.has_failure(&identity.checks, subject)
    };
    let mut passed = Vec::new();
    for pending in before.pending_links.iter().filter(is_live) {
        if failed(pending) {
            after.pending_links.push((pending.subject.clone(), Write::Delete));
            after.keep_refusal(&pending.subject, Refusal::CheckFailed, Some(event.event), now);
        } else if pending.window.is_passed_by(&event.check, &pending.subject) {
            passed.push(pending);
        }
    }
    let is_taken = |pending: &PendingLink| before.links.iter().any(|link| link.subject != pending.subject);
    let is_ambiguous = passed.len() > 1 && !rules.shared_identities;
    for pending in passed {
        after.pending_links.push((pending.subject.clone(), Write::Delete));
        if is_ambiguous {
            after.keep_refusal(&pending.subject, Refusal::Ambiguous, Some(event.event), now);
        } else if !rules.shared_identities && is_taken(pending) {
            after.keep_refusal(&pending.subject, Refusal::IdentityTaken, Some(event.event), now);
        } else {
            let link =
                Link::new(pending.subject.clone(), pending.identity_id.clone(), crate::identity::LinkProof::Flow, now);
            observe::insert_link(after, link, rules, now);
        }
    }
}

/// Why the event may not link its subject, if it may not: its check has to pass, nothing may be forgotten since, the
/// correlation id not be used, and neither subject nor identity be linked otherwise. A refused link does not undo the
/// rest.
fn link_refusal(
    before: &Before,
    after: &After,
    link: &EventLink,
    since: Timestamp,
    event: &ApplyEvent,
    rules: &Rules,
) -> Option<Refusal> {
    let is_other = |subject: &crate::Subject| *subject != link.subject;
    let is_identity_taken = before.links.iter().any(|other| is_other(&other.subject))
        || after.links.iter().any(|(subject, write)| is_other(subject) && matches!(write, Write::Put(_)));
    if link.nonce.is_some() && before.nonce_used {
        Some(Refusal::NonceUsed)
    } else if !event.check.passed {
        Some(Refusal::CheckFailed)
    } else if before.is_forgotten(since) {
        Some(Refusal::Forgotten)
    } else {
        match &before.link {
            Some(own) => (own.identity_id != event.seen.identity_id).then_some(Refusal::SubjectTaken),
            None => (!rules.shared_identities && is_identity_taken).then_some(Refusal::IdentityTaken),
        }
    }
}

fn make_link(after: &mut After, before: &Before, event: &ApplyEvent, link: &EventLink, rules: &Rules, now: Timestamp) {
    after.outcome = Outcome::Linked;
    after.nonce = link.nonce;
    if before.link.is_some() || after.links.iter().any(|(subject, _)| *subject == link.subject) {
        return;
    }
    if before.pending.is_some() {
        after.pending_links.push((link.subject.clone(), Write::Delete));
    }
    let new = Link::new(link.subject.clone(), event.seen.identity_id.clone(), link.proof, event.seen.sent_at);
    observe::insert_link(after, new, rules, now);
}

fn job(handler: std::sync::Arc<str>, event: &ApplyEvent, now: Timestamp) -> NewJob {
    NewJob {
        handler,
        cause: JobCause::Event { event: event.event, kind: event.kind.clone(), object_id: event.object_id.clone() },
        identity_id: event.seen.identity_id.clone(),
        caused_at: now,
    }
}
