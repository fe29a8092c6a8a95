//! Face authentications through the application: recorded for a session and an action, and used up once.

use std::time::Duration;

use crate::identity::{ActionHash, Confirmation, Observation, SessionHash};
use crate::model::IdentityStatus;
use crate::{Subject, Timestamp};

use super::{After, Before, Outcome, Refusal, Rules, observe};

/// Records a pass of the linked subject. It replaces an older one of the same session and action.
pub(super) fn confirm(before: &Before, new: &Confirmation, seen: &Observation, rules: &Rules, now: Timestamp) -> After {
    let is_own = before.link.as_ref().is_some_and(|link| link.identity_id == seen.identity_id);
    if !is_own || new.identity_id != seen.identity_id {
        return observe::merge_known(before, seen, Outcome::Refused(Refusal::NotLinked), rules, now);
    }
    let mut after = observe::merge(before, seen, seen.sent_at, rules, now);
    if after.outcome == Outcome::Dropped {
        after.outcome = Outcome::Refused(Refusal::Forgotten);
        return after;
    }
    let is_replaced = |known: &Confirmation| known.session == new.session && known.action == new.action;
    let mut confirmations: Vec<_> = before.confirmations.iter().filter(|known| !is_replaced(known)).cloned().collect();
    let newest_first = |confirmations: &mut Vec<Confirmation>| {
        confirmations.sort_by_key(|confirmation| std::cmp::Reverse(confirmation.passed_at));
    };
    // The oldest are dropped where one subject holds too many. Never the new one: where the clock was set back, it is
    // the oldest by its time.
    newest_first(&mut confirmations);
    confirmations.truncate(CONFIRMATIONS_KEPT - 1);
    confirmations.push(new.clone());
    newest_first(&mut confirmations);
    after.confirmations.push((new.subject.clone(), confirmations));
    after.concerns(&new.subject);
    after.outcome = Outcome::Confirmed;
    after
}

/// Uses up the confirmation of one action in one session: a second caller finds it gone.
pub(super) fn use_up(
    before: &Before,
    subject: &Subject,
    session: SessionHash,
    action: ActionHash,
    within: Duration,
    now: Timestamp,
) -> After {
    let refused = |refusal| After::new(Outcome::Refused(refusal));
    let (Some(link), Some(identity)) = (&before.link, &before.identity) else { return refused(Refusal::NotLinked) };
    if link.identity_id != identity.identity_id || identity.status != IdentityStatus::Active {
        return refused(Refusal::NotConfirmed);
    }
    let is_meant = |known: &&Confirmation| {
        known.session == session && known.action == Some(action) && known.identity_id == link.identity_id
    };
    let Some(found) = before.confirmations.iter().find(is_meant) else { return refused(Refusal::NotConfirmed) };
    // One from the future was recorded by a clock that was ahead: its age is unknown.
    if found.passed_at > now || now.since(found.passed_at) > within {
        return refused(Refusal::ConfirmationExpired);
    }
    let mut after = After::new(Outcome::Used(found.passed_at));
    let left = before.confirmations.iter().filter(|known| *known != found).cloned().collect();
    after.confirmations.push((subject.clone(), left));
    after.change = Some(before.change(&link.identity_id));
    after.concerns(subject);
    after
}

/// How many confirmations one subject holds: a person has a few sessions and actions at a time, a script has many.
const CONFIRMATIONS_KEPT: usize = 32;
