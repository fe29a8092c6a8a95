use std::collections::{HashMap, HashSet};

use super::*;

/// The rows of one identity and its subjects, and everything that was enqueued: a store as small as the rules need.
#[derive(Default)]
pub(super) struct World {
    pub(super) identity: Option<Identity>,
    forgotten_at: Option<Timestamp>,
    pub(super) links: Vec<Link>,
    pub(super) pending_links: Vec<PendingLink>,
    confirmations: HashMap<Subject, Vec<Confirmation>>,
    nonces: HashSet<[u8; 24]>,
    tokens: HashMap<TokenHash, Subject>,
    applied: HashSet<(EventKind, ObjectId)>,
    pub(super) jobs: Vec<NewJob>,
}

impl World {
    /// Loads, applies and writes, as an engine does.
    pub(super) fn run(&mut self, request: &ChangeRequest) -> Outcome {
        let after = self.decide(request);
        self.applied.extend(request.keys().object);
        let outcome = after.outcome.clone();
        self.write(after);
        outcome
    }

    /// What would be written.
    pub(super) fn decide(&self, request: &ChangeRequest) -> After {
        request.apply(&self.load(&request.keys()))
    }

    pub(super) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.subject.as_str() == name)
    }

    pub(super) fn confirmations(&self, name: &str) -> &[Confirmation] {
        self.confirmations.get(name).map_or(&[], Vec::as_slice)
    }

    fn load(&self, keys: &Keys) -> Before {
        let name = keys.subject.as_ref().map(Subject::as_str);
        let own = |subject: &Subject| Some(subject.as_str()) == name;
        Before {
            identity: self.identity.clone(),
            forgotten_at: self.forgotten_at,
            fields: Vec::new(),
            links: self.links.clone(),
            pending_links: self.pending_links.clone(),
            link: self.links.iter().find(|link| own(&link.subject)).cloned(),
            pending: self.pending_links.iter().find(|pending| own(&pending.subject)).cloned(),
            confirmations: name.map(|name| self.confirmations(name).to_vec()).unwrap_or_default(),
            nonce_used: keys.nonce.is_some_and(|nonce| self.nonces.contains(&nonce)),
            token_subject: keys.token.and_then(|token| self.tokens.get(&token)).cloned(),
            is_applied: keys.object.as_ref().is_some_and(|object| self.applied.contains(object)),
        }
    }

    fn write(&mut self, after: After) {
        match after.identity {
            Write::Keep => {}
            Write::Put(identity) => self.identity = Some(identity),
            Write::Delete => self.identity = None,
        }
        self.forgotten_at = after.forgotten_at.or(self.forgotten_at);
        for (subject, write) in after.links {
            replace(&mut self.links, write, |link| link.subject == subject);
        }
        for (subject, write) in after.pending_links {
            replace(&mut self.pending_links, write, |pending| pending.subject == subject);
        }
        self.confirmations.extend(after.confirmations);
        self.nonces.extend(after.nonce.map(|nonce| nonce.nonce));
        self.tokens.extend(after.token.map(|(token, subject)| (token.hash, subject)));
        self.jobs.extend(after.jobs);
    }
}

fn replace<T>(rows: &mut Vec<T>, write: Write<T>, is_row: impl Fn(&T) -> bool) {
    match write {
        Write::Keep => {}
        Write::Put(row) => {
            rows.retain(|row| !is_row(row));
            rows.push(row);
        }
        Write::Delete => rows.retain(|row| !is_row(row)),
    }
}
