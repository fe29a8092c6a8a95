use super::Rows;
use crate::identity::{Change, Identity, LinkedIdentity, Observation};
use crate::store::{Linked, NewLink};
use crate::{IdentityId, ObjectId, Subject, Timestamp};

impl Rows {
    /// `None` when the identity was forgotten since. One that is known anew is not, whatever brings news of it.
    pub(super) fn observe(&mut self, seen: &Observation, since: Timestamp) -> Option<Change> {
        let is_known = self.identities.contains_key(&seen.identity_id);
        if self.is_forgotten(&seen.identity_id, if is_known { seen.sent_at } else { since }) {
            return None;
        }
        let known = self.erase(&seen.identity_id);
        let merged = Identity::merge(known, seen);
        if let Some(verification) = &merged.verification_id {
            self.verified.entry(verification.clone()).or_default().insert(merged.identity_id.clone());
        }
        self.identities.insert(seen.identity_id.clone(), merged);
        self.keep(seen);
        Some(self.change(seen.identity_id.clone()))
    }

    pub(super) fn link(&mut self, new: NewLink, since: Timestamp) -> Linked {
        let NewLink { link, seen, spend, shared } = new;
        if self.is_forgotten(&seen.identity_id, since)
            || spend.is_some_and(|spend| self.spent.contains_key(&spend.nonce))
        {
            return Linked::AlreadySpent;
        }
        match self.links.get(&link.subject) {
            Some(known) if known.identity_id != link.identity_id => return Linked::SubjectTaken,
            Some(_) => {}
            None => {
                if !shared && self.subjects.contains_key(&link.identity_id) {
                    return Linked::IdentityTaken;
                }
                self.subjects.entry(link.identity_id.clone()).or_default().insert(link.subject.clone());
                self.links.insert(link.subject.clone(), link.clone());
            }
        }
        if let Some(spend) = spend {
            self.spent.insert(spend.nonce, spend.expires_at);
        }
        self.observe(&seen, since);
        Linked::Done(self.change(link.identity_id))
    }

    pub(super) fn unlink(&mut self, subject: &Subject) -> Option<Change> {
        let link = self.links.remove(subject)?;
        let change = self.change(link.identity_id.clone());
        if let Some(subjects) = self.subjects.get_mut(&link.identity_id) {
            subjects.remove(subject);
            if subjects.is_empty() {
                self.subjects.remove(&link.identity_id);
            }
        }
        Some(change)
    }

    pub(super) fn linked(&self, subject: &Subject) -> Option<LinkedIdentity> {
        let link = self.links.get(subject)?.clone();
        let identity = self.identities.get(&link.identity_id)?.clone();
        Some(LinkedIdentity { link, identity })
    }

    pub(super) fn forget(&mut self, id: IdentityId, at: Timestamp) -> Option<Change> {
        let change = self.change(id.clone());
        let known = self.erase(&id).is_some() || !change.subjects.is_empty();
        for subject in self.subjects.remove(&id).unwrap_or_default() {
            self.links.remove(&subject);
        }
        self.disown_effects(&id);
        self.fields.remove(&id);
        let forgotten_at = self.forgotten.entry(id).or_insert(at);
        *forgotten_at = at.max(*forgotten_at);
        known.then_some(change)
    }

    pub(super) fn verified_as(&self, verification: &ObjectId) -> Option<IdentityId> {
        self.verified.get(verification)?.first().cloned()
    }

    /// Takes a row out, and what leads to it.
    fn erase(&mut self, id: &IdentityId) -> Option<Identity> {
        let row = self.identities.remove(id)?;
        if let Some(verification) = &row.verification_id
            && let Some(identities) = self.verified.get_mut(verification)
        {
            identities.remove(id);
            if identities.is_empty() {
                self.verified.remove(verification);
            }
        }
        Some(row)
    }

    /// At this instant or later.
    fn is_forgotten(&self, id: &IdentityId, since: Timestamp) -> bool {
        self.forgotten.get(id).is_some_and(|forgotten_at| since <= *forgotten_at)
    }

    fn change(&self, identity_id: IdentityId) -> Change {
        let subjects = self.subjects.get(&identity_id).into_iter().flatten().cloned().collect();
        Change { identity_id, subjects }
    }
}
