//! What the vendor said, merged into what is known.

use crate::identity::{Identity, Link, Observation, RetainedField};
use crate::model::IdentityStatus;
use crate::{Subject, Timestamp};

use super::{After, Before, JobCause, NewJob, Outcome, Rules, Write};

/// The vendor was asked without an event.
pub(super) fn only(before: &Before, seen: &Observation, rules: &Rules, now: Timestamp) -> After {
    merge(before, seen, seen.sent_at, rules, now)
}

/// Merges an observation, and does what follows from the new row for every link.
///
/// `since` is the instant from which the observation dates. An identity that was forgotten then or later does not
/// become known by it. One that is known again is held against the tombstone by `sent_at` alone.
pub(super) fn merge(before: &Before, seen: &Observation, since: Timestamp, rules: &Rules, now: Timestamp) -> After {
    let seen = &seen.as_of(now);
    let since = if before.identity.is_some() { seen.sent_at } else { since.min(seen.sent_at) };
    if before.is_forgotten(since) {
        return After::new(Outcome::Dropped);
    }
    let identity = Identity::merge(before.identity.clone(), seen);
    let mut after = After::new(Outcome::Observed);
    after.change = Some(before.change(&seen.identity_id));
    after.fields = newer_fields(before, seen);
    if becomes_revoked(before.identity.as_ref(), &identity) {
        after.jobs.extend(before.links.iter().flat_map(|link| revoked(link, &identity, rules, now)));
    }
    for link in &before.links {
        let completed = complete(link.clone(), &identity, rules, now, &mut after.jobs);
        if completed != *link {
            after.links.push((link.subject.clone(), Write::Put(completed)));
        }
    }
    after.identity = Write::Put(identity);
    after
}

/// As [`merge`] for a refused exchange: the vendor's answer about a known identity counts all the same, or a revocation
/// would wait. It creates no row of an identity that is not known.
pub(super) fn merge_known(
    before: &Before,
    seen: &Observation,
    outcome: Outcome,
    rules: &Rules,
    now: Timestamp,
) -> After {
    let mut after = match before.identity {
        Some(_) => merge(before, seen, seen.sent_at, rules, now),
        None => After::new(Outcome::Dropped),
    };
    after.outcome = outcome;
    after
}

/// Adds a link to what is written, and enqueues what it completes.
pub(super) fn insert_link(after: &mut After, link: Link, rules: &Rules, now: Timestamp) {
    let Write::Put(identity) = after.identity.clone() else { return };
    after.concerns(&link.subject);
    let subject = link.subject.clone();
    let completed = complete(link, &identity, rules, now, &mut after.jobs);
    after.links.push((subject, Write::Put(completed)));
}

/// Notes when link and ACTIVE, and link, ACTIVE and VERIFIED, are first true together, and enqueues the handlers that
/// wait for it. In whichever order the conditions come, the one that completes the set lands here.
pub(super) fn complete(
    mut link: Link,
    identity: &Identity,
    rules: &Rules,
    now: Timestamp,
    jobs: &mut Vec<NewJob>,
) -> Link {
    if identity.status != IdentityStatus::Active || rules.handlers_unknown {
        return link;
    }
    let owed = |needs_verification: bool, link: &Link| {
        let handlers = rules.handlers.on_verified.iter();
        let waiting = handlers.filter(move |handler| handler.needs_verification == needs_verification);
        let (subject, linked_at) = (link.subject.clone(), link.linked_at);
        waiting
            .map(move |handler| NewJob {
                handler: handler.name.clone(),
                cause: JobCause::Verified { subject: subject.clone(), linked_at },
                identity_id: identity.identity_id.clone(),
                caused_at: now,
            })
            .collect::<Vec<_>>()
    };
    if link.active_since.is_none() {
        jobs.extend(owed(false, &link));
        link.active_since = Some(now);
    }
    if link.verified_since.is_none() && identity.verification_id.is_some() {
        jobs.extend(owed(true, &link));
        link.verified_since = Some(now);
    }
    link
}

fn becomes_revoked(before: Option<&Identity>, after: &Identity) -> bool {
    let was_revoked = before.is_some_and(|before| before.status == IdentityStatus::Revoked);
    after.status == IdentityStatus::Revoked && !was_revoked
}

fn revoked<'a>(
    link: &'a Link,
    identity: &'a Identity,
    rules: &'a Rules,
    now: Timestamp,
) -> impl Iterator<Item = NewJob> + use<'a> {
    let subject: &Subject = &link.subject;
    rules.handlers.on_revoked.iter().map(move |handler| NewJob {
        handler: handler.clone(),
        cause: JobCause::Revoked { subject: subject.clone(), checked_at: identity.checked_at },
        identity_id: identity.identity_id.clone(),
        caused_at: now,
    })
}

/// Each field follows the newest sent observation that has it. At a tie the later `expires_at` wins, then the greater
/// bytes, so that any order of observations ends the same way. What an answer leaves out removes nothing.
fn newer_fields(before: &Before, seen: &Observation) -> Vec<(RetainedField, Timestamp)> {
    let rank = |field: &RetainedField, sent_at: Timestamp| (sent_at, field.expires_at, field.sealed.clone());
    let is_newer = |field: &RetainedField| {
        let known = before.fields.iter().find(|(known, _)| known.field == field.field);
        known.is_none_or(|(known, sent_at)| rank(field, seen.sent_at) > rank(known, *sent_at))
    };
    seen.fields.iter().filter(|field| is_newer(field)).map(|field| (field.clone(), seen.sent_at)).collect()
}
