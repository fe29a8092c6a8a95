//! The rows of a store, in memory and hashable. It decides nothing, as an engine.

use std::hash::{Hash, Hasher};

use incode_core::identity::transition::{After, Before, Keys, Write};
use incode_core::identity::{Confirmation, Identity, Link, PendingLink};
use incode_core::store::dedupe::{Admission, EventKeys, Key, applied_key};
use incode_core::store::{EventState, NewEvent};
use incode_core::{IdentityId, Subject, Timestamp, TokenHash};

use crate::names::{self, PEOPLE};

/// Every row.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Identities by person.
    pub identities: [Option<Identity>; PEOPLE],
    /// Tombstones by person.
    pub tombstones: [Option<Timestamp>; PEOPLE],
    /// Links by subject.
    pub links: [Option<Link>; PEOPLE],
    /// Pending links by subject.
    pub pending: [Option<PendingLink>; PEOPLE],
    /// Confirmations by subject.
    pub confirmations: [Vec<Confirmation>; PEOPLE],
    /// Used correlation ids.
    pub nonces: Vec<[u8; 24]>,
    /// Used tokens, each with its subject.
    pub tokens: Vec<(TokenHash, u8)>,
    /// The inbox, in the order of acceptance.
    pub inbox: Vec<Event>,
}

/// An event of the inbox.
#[derive(Clone, Debug, Hash)]
pub struct Event {
    /// The object it names.
    pub object: u8,
    /// The sender proved to be the vendor.
    pub authenticated: bool,
    /// When it was accepted, by our clock.
    pub received_at: Timestamp,
    /// The same by the number of the clock's last jump: the true order.
    pub era: u8,
    /// Pending, done or dead.
    pub state: EventState,
    /// How often it was leased; the newest lease's number.
    pub leases: u8,
    /// How often a lease of it was settled.
    pub settled: u8,
    /// What [`EventKeys::of`] gave.
    pub keys: Keys3,
    /// The key of the object with the identity it was applied to.
    pub applied: Option<Key>,
}

/// [`EventKeys`], hashable: object, delivery, done.
pub type Keys3 = [Key; 3];

impl Rows {
    /// Keeps an event unless it is known; false when it is.
    pub fn accept(&mut self, event: &NewEvent, object: u8, era: u8) -> bool {
        let admission = Admission::of(event);
        let is =
            |row: &Event, state: EventState, key: usize, wanted: Key| row.state == state && row.keys[key] == wanted;
        let is_known = self.inbox.iter().any(|row| {
            is(row, EventState::Done, 2, admission.unless_done)
                || admission.unless_pending.is_some_and(|key| is(row, EventState::Pending, 1, key))
                || admission.unless_ignored.is_some_and(|key| is(row, EventState::Ignored, 0, key))
        });
        if is_known {
            return false;
        }
        let EventKeys { object: of_object, delivery, done } = EventKeys::of(event);
        self.inbox.push(Event {
            object,
            authenticated: event.authenticated,
            received_at: event.received_at,
            era,
            state: event.state,
            leases: 0,
            settled: 0,
            keys: [of_object, delivery, done],
            applied: None,
        });
        true
    }

    /// Whether an event that stands for this one is done.
    pub fn is_done(&self, row: &Event) -> bool {
        self.inbox.iter().any(|other| other.state == EventState::Done && other.keys[2] == row.keys[2])
    }

    /// Loads what a command needs.
    pub fn load(&self, keys: &Keys) -> Before {
        let of_subject = keys.subject.as_ref().map(|subject| usize::from(names::number_of(subject)));
        let link = of_subject.and_then(|subject| self.links[subject].clone());
        let pending = of_subject.and_then(|subject| self.pending[subject].clone());
        let by_subject = || {
            let linked = link.as_ref().map(|link| &link.identity_id);
            linked.or(pending.as_ref().map(|pending| &pending.identity_id)).cloned()
        };
        let id: Option<IdentityId> = keys.identity.clone().or_else(by_subject);
        let person = id.as_ref().map(|id| usize::from(names::person_of(id)));
        let is_of = |other: &IdentityId| id.as_ref() == Some(other);
        let used = |hash: &TokenHash| self.tokens.iter().find(|(known, _)| known == hash);
        let is_applied = |key: Key| self.inbox.iter().any(|row| row.applied == Some(key));
        Before {
            identity: person.and_then(|person| self.identities[person].clone()),
            forgotten_at: person.and_then(|person| self.tombstones[person]),
            fields: Vec::new(),
            links: self.links.iter().flatten().filter(|link| is_of(&link.identity_id)).cloned().collect(),
            pending_links: self.pending.iter().flatten().filter(|link| is_of(&link.identity_id)).cloned().collect(),
            confirmations: of_subject.map(|subject| self.confirmations[subject].clone()).unwrap_or_default(),
            nonce_used: keys.nonce.is_some_and(|nonce| self.nonces.contains(&nonce)),
            token_subject: keys.token.as_ref().and_then(used).map(|(_, subject)| names::subject(*subject)),
            is_applied: keys
                .object
                .as_ref()
                .zip(id.as_ref())
                .is_some_and(|((kind, object), id)| is_applied(applied_key(kind, object, id))),
            link,
            pending,
        }
    }

    /// Writes what a command decided. `id` is the identity it is about.
    pub fn write(&mut self, id: Option<&IdentityId>, after: &After) {
        if let Some(person) = id.map(|id| usize::from(names::person_of(id))) {
            write(&mut self.identities[person], &after.identity);
            if after.forgotten_at.is_some() {
                self.tombstones[person] = after.forgotten_at;
            }
        }
        let number = |subject: &Subject| usize::from(names::number_of(subject));
        for (subject, link) in &after.links {
            write(&mut self.links[number(subject)], link);
        }
        for (subject, pending) in &after.pending_links {
            write(&mut self.pending[number(subject)], pending);
        }
        for (subject, confirmations) in &after.confirmations {
            self.confirmations[number(subject)].clone_from(confirmations);
        }
        if let Some(used) = after.nonce
            && !self.nonces.contains(&used.nonce)
        {
            self.nonces.push(used.nonce);
            self.nonces.sort_unstable();
        }
        if let Some((used, subject)) = &after.token
            && !self.tokens.iter().any(|(known, _)| *known == used.hash)
        {
            self.tokens.push((used.hash, names::number_of(subject)));
            self.tokens.sort_unstable_by_key(|(hash, _)| hash.0);
        }
    }
}

fn write<T: Clone>(row: &mut Option<T>, write: &Write<T>) {
    match write {
        Write::Keep => {}
        Write::Put(new) => *row = Some(new.clone()),
        Write::Delete => *row = None,
    }
}

impl Hash for Rows {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for identity in &self.identities {
            state.write_u8(u8::from(identity.is_some()));
            if let Some(row) = identity {
                (row.status.as_str(), row.checked_at, &row.verification_id, row.verified_at).hash(state);
                (row.face_authenticated_at, &row.face_origin.verification_id).hash(state);
                row.checks.hash(state);
            }
        }
        self.tombstones.hash(state);
        for link in &self.links {
            let of = |link: &Link| (names::person_of(&link.identity_id), link.proof, link.linked_at);
            link.as_ref().map(|link| (of(link), link.active_since, link.verified_since)).hash(state);
        }
        for pending in &self.pending {
            let window = |pending: &PendingLink| {
                let window = pending.window;
                (window.began_at, window.vendor_began_at, window.vendor_returned_at)
            };
            pending
                .as_ref()
                .map(|pending| (names::person_of(&pending.identity_id), window(pending), pending.expires_at))
                .hash(state);
        }
        for confirmations in &self.confirmations {
            state.write_usize(confirmations.len());
            for one in confirmations {
                (names::person_of(&one.identity_id), one.session, one.action, one.passed_at).hash(state);
            }
        }
        (&self.nonces, &self.tokens, &self.inbox).hash(state);
    }
}
