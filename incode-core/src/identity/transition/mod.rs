//! The rules of identity, as pure functions: what is stored, a command and the time give what to store next.
//!
//! An engine loads [`Before`] (exactly the rows that [`ChangeRequest::keys`] names), calls [`ChangeRequest::apply`],
//! and writes [`After`]. When a row of `Before` changed in between, it starts again. It decides nothing itself: no
//! status and no two times are compared outside this module.
//!
//! There is no I/O here, no clock and no random number, so every order of commands can be explored: the model checker
//! in `tests/model` does.

mod command;
mod confirm;
mod event;
mod flow;
mod forget;
mod link;
mod observe;
mod rows;

pub use command::{ApplyEvent, ChangeRequest, Command, EventLink, HandlerNames, Keys, Return, Rules, VerifiedHandler};
pub use rows::{After, Before, JobCause, NewAudit, NewJob, Outcome, Refusal, UsedNonce, UsedToken, Write};

use crate::identity::Change;

impl ChangeRequest {
    /// Decides. Calling it again with the same rows gives the same result.
    pub fn apply(&self, before: &Before) -> After {
        let (rules, now) = (&*self.rules, self.now);
        match &self.command {
            Command::ApplyEvent(event) => event::apply(before, event, rules, now),
            Command::Observe(seen) => observe::only(before, seen, rules, now),
            Command::Return(back) => flow::come_back(before, back, rules, now),
            Command::Link { link, by } => link::by_application(before, link, by.as_ref(), rules, now),
            Command::Import(link) => link::import(before, link, rules, now),
            Command::Refuse { subject, refusal } => flow::refuse(subject, *refusal, now),
            Command::Note { action, count, by } => link::note(action, *count, by, now),
            Command::Unlink { subject, by } => link::unlink(before, subject, by.as_ref(), now),
            Command::Forget { identity, by } => forget::forget(before, identity, by, now),
            Command::Confirm { confirmation, seen } => confirm::confirm(before, confirmation, seen, rules, now),
            Command::UseConfirmation { subject, session, action, within } => {
                confirm::use_up(before, subject, *session, *action, *within, now)
            }
        }
    }
}

impl Before {
    /// The subjects whose standing follows from the identity: linked to it, or with a pending link to it.
    fn subjects(&self) -> Vec<crate::Subject> {
        let linked = self.links.iter().map(|link| &link.subject);
        let pending = self.pending_links.iter().map(|pending| &pending.subject);
        let mut subjects: Vec<_> = linked.chain(pending).cloned().collect();
        subjects.sort();
        subjects.dedup();
        subjects
    }

    /// A change of this identity, which concerns everyone linked to it.
    fn change(&self, identity: &crate::IdentityId) -> Change {
        Change { identity_id: identity.clone(), subjects: self.subjects() }
    }

    /// The identity was forgotten at `since` or later.
    fn is_forgotten(&self, since: crate::Timestamp) -> bool {
        self.forgotten_at.is_some_and(|forgotten_at| since <= forgotten_at)
    }
}

#[cfg(test)]
mod tests;
