//! A subject comes back from the hosted flow.

use crate::identity::{Link, LinkProof, PendingLink};
use crate::{Subject, Timestamp};

use super::{After, Before, Outcome, Refusal, Return, Rules, Write, observe};

/// Makes a pending link, or a link where the vendor has said already that the check of this flow passed.
///
/// The callback shows that the token was given to the subject, and the token whom the vendor's page had in front of
/// it. That they passed is another question: only a check made during the flow answers it.
///
/// A refusal is kept, but for that of a used correlation id: such a callback is a reload, and the first one has an
/// outcome already.
pub(super) fn come_back(before: &Before, back: &Return, rules: &Rules, now: Timestamp) -> After {
    let mut after = decide(before, back, rules, now);
    match after.outcome {
        Outcome::Refused(Refusal::NonceUsed) => {}
        Outcome::Refused(refusal) => after.keep_refusal(&back.subject, refusal, None, now),
        _ => {}
    }
    after
}

/// Keeps a refusal that needed no rule.
pub(super) fn refuse(subject: &Subject, refusal: Refusal, now: Timestamp) -> After {
    let mut after = After::new(Outcome::Refused(refusal));
    after.keep_refusal(subject, refusal, None, now);
    after
}

fn decide(before: &Before, back: &Return, rules: &Rules, now: Timestamp) -> After {
    let identity_id = &back.seen.identity_id;
    let own = before.link.as_ref();
    let is_linked = own.is_some_and(|link| link.identity_id == *identity_id);
    if before.nonce_used {
        return observe::merge_known(before, &back.seen, again(before, back, is_linked, now), rules, now);
    }
    if let Some(refusal) = refusal(before, back, rules) {
        return observe::merge_known(before, &back.seen, Outcome::Refused(refusal), rules, now);
    }
    let mut after = observe::merge(before, &back.seen, back.seen.sent_at, rules, now);
    let Write::Put(identity) = after.identity.clone() else {
        return After::new(Outcome::Refused(Refusal::Forgotten));
    };
    after.nonce = Some(back.nonce);
    after.token = Some((back.token, back.subject.clone()));
    after.concerns(&back.subject);
    // An old tab that comes back late does not end the flow that the subject began since.
    let is_newer = |other: &PendingLink| other.window.began_at > back.window.began_at && now < other.expires_at;
    let is_overtaken = !is_linked && before.pending.as_ref().is_some_and(is_newer);
    if before.pending.is_some() && !is_overtaken {
        after.pending_links.push((back.subject.clone(), Write::Delete));
    }
    let has_passed = back.window.has_pass(&identity.checks, &back.subject);
    let has_failed = back.window.has_failure(&identity.checks, &back.subject);
    if is_linked {
        after.outcome = Outcome::Linked;
    } else if has_failed && !rules.trust_userinfo_alone {
        after.outcome = Outcome::Refused(Refusal::CheckFailed);
    } else if has_passed || rules.trust_userinfo_alone {
        after.outcome = Outcome::Linked;
        if is_overtaken {
            after.pending_links.push((back.subject.clone(), Write::Delete));
        }
        let link = Link::new(back.subject.clone(), identity_id.clone(), LinkProof::Flow, now);
        observe::insert_link(&mut after, link, rules, now);
    } else if is_overtaken {
        after.outcome = Outcome::Pending;
    } else {
        after.outcome = Outcome::Pending;
        let pending = PendingLink {
            subject: back.subject.clone(),
            identity_id: identity_id.clone(),
            window: back.window,
            expires_at: back.pending_until,
        };
        after.pending_links.retain(|(subject, _)| *subject != back.subject);
        after.pending_links.push((back.subject.clone(), Write::Put(pending)));
    }
    after
}

/// The same callback once more, a reload or a second press: it gets the answer of the first where that still holds.
fn again(before: &Before, back: &Return, is_linked: bool, now: Timestamp) -> Outcome {
    let is_same = |pending: &PendingLink| {
        pending.identity_id == back.seen.identity_id && pending.window.began_at == back.window.began_at
    };
    if is_linked {
        Outcome::Linked
    } else if before.pending.as_ref().is_some_and(|pending| is_same(pending) && now < pending.expires_at) {
        Outcome::Pending
    } else {
        Outcome::Refused(Refusal::NonceUsed)
    }
}

fn refusal(before: &Before, back: &Return, rules: &Rules) -> Option<Refusal> {
    let identity_id = &back.seen.identity_id;
    let is_other = |link: &Link| link.subject != back.subject;
    if before.is_forgotten(back.seen.sent_at) {
        Some(Refusal::Forgotten)
    } else if before.token_subject.as_ref().is_some_and(|subject| *subject != back.subject) {
        Some(Refusal::TokenUsed)
    } else if back.token_is_older {
        Some(Refusal::TokenOlder)
    } else if before.link.as_ref().is_some_and(|link| link.identity_id != *identity_id) {
        Some(Refusal::SubjectTaken)
    } else if before.link.is_none() && !rules.shared_identities && before.links.iter().any(is_other) {
        Some(Refusal::IdentityTaken)
    } else {
        None
    }
}
