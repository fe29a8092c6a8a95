//! The tables, and how rows of people get from them into the rules and back.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::identity::transition::{After, Before, ChangeRequest, JobCause, Keys, NewAudit, NewJob, UsedToken, Write};
use crate::identity::{Confirmation, Field, Identity, Link, PendingLink, RefusedLink, RetainedField};
use crate::store::dedupe::{self, DedupeIndex, EventKeys, Key};
use crate::store::{AUDITS_KEPT, Audit, AuditAction, AuditId, Changed, EventId, JobFailure, JobId, JobState, NewEvent};
use crate::{IdentityId, ObjectId, Subject, Timestamp, TokenHash};

#[derive(Default)]
pub(super) struct Rows {
    pub(super) is_closed: bool,
    pub(super) last_event: i64,
    pub(super) events: BTreeMap<EventId, StoredEvent>,
    /// The pending events by class (plausible ones first) and by when they are due. A lease moves the due time to its
    /// end.
    pub(super) due: BTreeSet<(bool, Timestamp, EventId)>,
    pub(super) index: DedupeIndex,
    pub(super) last_job: i64,
    pub(super) jobs: BTreeMap<JobId, StoredJob>,
    /// The pending jobs of each handler by when they are due.
    pub(super) jobs_due: BTreeSet<(Arc<str>, Timestamp, JobId)>,
    pub(super) identities: HashMap<IdentityId, Identity>,
    /// The identities by the verification in their row.
    pub(super) verified: HashMap<ObjectId, BTreeSet<IdentityId>>,
    /// The retained fields, each with the instant of the request for it.
    pub(super) fields: HashMap<IdentityId, BTreeMap<Field, (RetainedField, Timestamp)>>,
    pub(super) links: HashMap<Subject, Link>,
    /// The subjects by the identity that they are linked to.
    pub(super) linked: HashMap<IdentityId, BTreeSet<Subject>>,
    pub(super) pending_links: HashMap<Subject, PendingLink>,
    /// The subjects by the identity that their pending link names.
    pub(super) pending: HashMap<IdentityId, BTreeSet<Subject>>,
    pub(super) refused_links: HashMap<Subject, RefusedLink>,
    /// Of each subject, newest first.
    pub(super) confirmations: HashMap<Subject, Vec<Confirmation>>,
    /// When each identity was forgotten.
    pub(super) tombstones: HashMap<IdentityId, Timestamp>,
    /// Correlation ids that were used, with when they may be pruned.
    pub(super) used_nonces: HashMap<[u8; 24], Timestamp>,
    /// Tokens that were used, with the subject and when they may be pruned.
    pub(super) used_tokens: HashMap<TokenHash, (Subject, Timestamp)>,
    pub(super) last_audit: i64,
    /// Oldest first, without erasures: the oldest go when there are too many.
    pub(super) audits: VecDeque<Audit>,
    /// Oldest first. They go by age.
    pub(super) erasures: VecDeque<Audit>,
    /// Check values of secrets.
    pub(super) secrets: HashMap<&'static str, [u8; 16]>,
}

/// An event with what the inbox keeps beside it.
pub(super) struct StoredEvent {
    pub(super) event: NewEvent,
    pub(super) keys: EventKeys,
    /// What it was applied to, once it is done.
    pub(super) applied: Option<Key>,
    pub(super) lease: i64,
    pub(super) attempts: u32,
    pub(super) due_at: Timestamp,
    pub(super) settled_at: Option<Timestamp>,
}

/// A job with its lease.
pub(super) struct StoredJob {
    pub(super) handler: Arc<str>,
    /// `None` once it is done, where it names a subject.
    pub(super) cause: Option<JobCause>,
    /// `None` once it is done, or its identity was forgotten.
    pub(super) identity_id: Option<IdentityId>,
    pub(super) state: JobState,
    pub(super) failure: Option<JobFailure>,
    pub(super) lease: i64,
    pub(super) attempts: u32,
    pub(super) caused_at: Timestamp,
    pub(super) due_at: Timestamp,
    pub(super) settled_at: Option<Timestamp>,
}

impl Rows {
    /// Runs a command. Also says the key under which its object is known as applied from now on, if it has one.
    pub(super) fn change(&mut self, request: &ChangeRequest) -> (Changed, Option<Key>) {
        let keys = request.keys();
        let identity = self.identity_of(&keys);
        let applied = keys.object.as_ref().zip(identity.as_ref());
        let applied = applied.map(|((kind, object), identity)| dedupe::applied_key(kind, object, identity));
        let after = request.apply(&self.load(&keys, identity.as_ref(), applied));
        let changed = Changed { outcome: after.outcome.clone(), change: after.change.clone() };
        self.write(identity.as_ref(), after);
        (changed, applied)
    }

    /// The identity of a command: the one it names, else that of the subject's link, else of its pending link.
    fn identity_of(&self, keys: &Keys) -> Option<IdentityId> {
        let of_subject = |subject: &Subject| {
            let linked = self.links.get(subject).map(|link| &link.identity_id);
            linked.or_else(|| self.pending_links.get(subject).map(|pending| &pending.identity_id))
        };
        keys.identity.clone().or_else(|| keys.subject.as_ref().and_then(of_subject).cloned())
    }

    fn load(&self, keys: &Keys, identity: Option<&IdentityId>, applied: Option<Key>) -> Before {
        let mut before = Before {
            nonce_used: keys.nonce.is_some_and(|nonce| self.used_nonces.contains_key(&nonce)),
            token_subject: keys.token.and_then(|hash| self.used_tokens.get(&hash)).map(|(subject, _)| subject.clone()),
            is_applied: applied.is_some_and(|key| self.index.is_applied(key)),
            ..Before::default()
        };
        if let Some(id) = identity {
            let each = |subjects: &HashMap<IdentityId, BTreeSet<Subject>>| {
                subjects.get(id).into_iter().flatten().cloned().collect::<Vec<_>>()
            };
            before.identity = self.identities.get(id).cloned();
            before.forgotten_at = self.tombstones.get(id).copied();
            before.fields = self.fields.get(id).into_iter().flat_map(|rows| rows.values()).cloned().collect();
            before.links = each(&self.linked).iter().filter_map(|subject| self.links.get(subject)).cloned().collect();
            let pending = each(&self.pending);
            before.pending_links =
                pending.iter().filter_map(|subject| self.pending_links.get(subject)).cloned().collect();
        }
        if let Some(subject) = &keys.subject {
            before.link = self.links.get(subject).cloned();
            before.pending = self.pending_links.get(subject).cloned();
            before.confirmations = self.confirmations.get(subject).cloned().unwrap_or_default();
        }
        before
    }

    fn write(&mut self, identity: Option<&IdentityId>, after: After) {
        if let Some(id) = identity {
            self.write_identity(id, after.identity);
            if let Some(at) = after.forgotten_at {
                self.tombstones.insert(id.clone(), at);
            }
            if after.erase_fields {
                self.fields.remove(id);
            }
            if !after.fields.is_empty() {
                let rows = self.fields.entry(id.clone()).or_default();
                rows.extend(after.fields.into_iter().map(|(field, sent_at)| (field.field, (field, sent_at))));
            }
            if after.detach_jobs {
                let of_identity = self.jobs.values_mut().filter(|job| job.identity_id.as_ref() == Some(id));
                of_identity.for_each(|job| job.identity_id = None);
            }
        }
        for (subject, write) in after.links {
            self.write_link(subject, write);
        }
        for (subject, write) in after.pending_links {
            self.write_pending(subject, write);
        }
        for (subject, write) in after.refused_links {
            match write {
                Write::Keep => {}
                Write::Put(refused) => drop(self.refused_links.insert(subject, refused)),
                Write::Delete => drop(self.refused_links.remove(&subject)),
            }
        }
        for (subject, confirmations) in after.confirmations {
            if confirmations.is_empty() {
                self.confirmations.remove(&subject);
            } else {
                self.confirmations.insert(subject, confirmations);
            }
        }
        if let Some(used) = after.nonce {
            self.used_nonces.insert(used.nonce, used.expires_at);
        }
        if let Some((UsedToken { hash, expires_at }, subject)) = after.token {
            self.used_tokens.insert(hash, (subject, expires_at));
        }
        for job in after.jobs {
            self.enqueue(job);
        }
        if let Some(NewAudit { at, actor, action, count }) = after.audit {
            self.audit(action, actor, at, count);
        }
    }

    fn write_identity(&mut self, id: &IdentityId, write: Write<Identity>) {
        let new = match write {
            Write::Keep => return,
            Write::Put(identity) => Some(identity),
            Write::Delete => None,
        };
        let verification = |row: &Identity| row.verification_id.clone();
        if let Some(old) = self.identities.remove(id).as_ref().and_then(verification) {
            remove_from(&mut self.verified, &old, id);
        }
        if let Some(identity) = new {
            if let Some(verification) = verification(&identity) {
                self.verified.entry(verification).or_default().insert(id.clone());
            }
            self.identities.insert(id.clone(), identity);
        }
    }

    fn write_link(&mut self, subject: Subject, write: Write<Link>) {
        let new = match write {
            Write::Keep => return,
            Write::Put(link) => Some(link),
            Write::Delete => None,
        };
        if let Some(old) = self.links.remove(&subject) {
            remove_from(&mut self.linked, &old.identity_id, &subject);
        }
        if let Some(link) = new {
            self.linked.entry(link.identity_id.clone()).or_default().insert(subject.clone());
            self.links.insert(subject, link);
        }
    }

    pub(super) fn write_pending(&mut self, subject: Subject, write: Write<PendingLink>) {
        let new = match write {
            Write::Keep => return,
            Write::Put(pending) => Some(pending),
            Write::Delete => None,
        };
        if let Some(old) = self.pending_links.remove(&subject) {
            remove_from(&mut self.pending, &old.identity_id, &subject);
        }
        if let Some(pending) = new {
            self.pending.entry(pending.identity_id.clone()).or_default().insert(subject.clone());
            self.pending_links.insert(subject, pending);
        }
    }

    fn enqueue(&mut self, NewJob { handler, cause, identity_id, caused_at }: NewJob) {
        self.last_job += 1;
        let id = JobId(self.last_job);
        self.jobs_due.insert((Arc::clone(&handler), caused_at, id));
        let job = StoredJob {
            handler,
            cause: Some(cause),
            identity_id: Some(identity_id),
            state: JobState::Pending,
            failure: None,
            lease: 0,
            attempts: 0,
            caused_at,
            due_at: caused_at,
            settled_at: None,
        };
        self.jobs.insert(id, job);
    }

    pub(super) fn audit(&mut self, action: AuditAction, actor: crate::Actor, at: Timestamp, count: u64) {
        self.last_audit += 1;
        let is_erasure = matches!(action, AuditAction::Forget(_));
        let entry = Audit { id: AuditId(self.last_audit), at, actor, action, count };
        if is_erasure {
            self.erasures.push_back(entry);
            return;
        }
        self.audits.push_back(entry);
        if self.audits.len() as u64 > AUDITS_KEPT {
            self.audits.pop_front();
        }
    }
}

fn remove_from<K: std::hash::Hash + Eq, V: Ord>(map: &mut HashMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = map.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            map.remove(key);
        }
    }
}
