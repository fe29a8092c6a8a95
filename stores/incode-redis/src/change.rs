//! Compare and set: load the rows of a command, decide in core, and write while they are unchanged.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use incode_core::identity::transition::{After, Before, ChangeRequest, Keys, Outcome, Write};
use incode_core::identity::{Change, Confirmation, Identity, Link, PendingLink, RefusedLink};
use incode_core::store::AUDITS_KEPT;
use incode_core::store::hub::ChangeHub;
use incode_core::store::{Lease, StoreErrorKind, dedupe};
use incode_core::{IdentityId, Subject, Timestamp};

use crate::connection::{Call, Server};
use crate::error::Failure;
use crate::rows::{self, Row};
use crate::{audit, scripts};

/// What a command came to.
pub(crate) type Decided = (Outcome, Option<Change>);

/// The event whose lease ends with the change.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    /// It must still be held when the change is written: the script checks it in the same step.
    pub(crate) lease: Lease,
    /// When the event was settled.
    pub(crate) at: Timestamp,
}

/// Runs a command. `None`: another holder has the lease, and nothing was written.
pub(crate) async fn run(
    server: &Server,
    hub: &ChangeHub,
    request: &ChangeRequest,
    ending: Option<Ending>,
) -> Result<Option<Decided>, Failure> {
    let keys = request.keys();
    let applied = match (&keys.object, &keys.identity) {
        (Some((kind, object)), Some(identity)) => Some(dedupe::applied_key(kind, object, identity)),
        _ => None,
    };
    for attempt in 0..MOST_TRIES {
        back_off(attempt).await;
        let loaded = Loaded::read(server, &keys, applied.as_ref()).await?;
        let after = request.apply(&loaded.before);
        let operations = Operations::of(&loaded, &after)?;
        if ending.is_none() && operations.is_empty() && writes_nothing_else(&after) {
            return Ok(Some((after.outcome, after.change)));
        }
        let call = server.script(&scripts::WRITE).arg(&loaded.fingerprint);
        let call = name_rows(call, &keys, applied.as_ref());
        let call = match ending {
            Some(Ending { lease, at }) => call.arg(lease.event.0).arg(lease.number).arg(at.as_millis()),
            None => call.arg("").arg("").arg(""),
        };
        let call = add_rest(operations.add_to(call.maybe(applied.as_ref().map(<[u8; 16]>::as_slice))), &after)?;
        let call = match &after.change {
            Some(change) => {
                let payload = hub.payload(change, LONGEST_NOTICE).map_err(|_| Failure::failed("no random bytes"))?;
                call.arg(hub.channel()).arg(payload)
            }
            None => call.arg("").arg(""),
        };
        let unknown = UnknownOnDrop(after.change.is_some().then_some(hub));
        let row: Row = unknown.until_answered(server.run(call)).await?;
        match rows::text(&row, 0)? {
            "written" => {
                if after.change.is_some() {
                    hub.published(rows::flag(&row, 1));
                }
                return Ok(Some((after.outcome, after.change)));
            }
            "lost" => return Ok(None),
            _ => {}
        }
    }
    Err(Failure::new(StoreErrorKind::Busy, "other processes change the same rows"))
}

/// The rows of a command, and what proves that they are unchanged.
struct Loaded {
    /// The identity of the command, or the one that the subject's rows name.
    identity: Option<IdentityId>,
    before: Before,
    /// A hash of all that was loaded, and of what was looked for and is not there.
    fingerprint: String,
}

impl Loaded {
    /// Runs the script `load`: all rows that core's [`Keys`] name, read at one instant, and a fingerprint of them. The
    /// script `write` computes the fingerprint again and writes only if it is the same.
    async fn read(server: &Server, keys: &Keys, applied: Option<&dedupe::Key>) -> Result<Self, Failure> {
        let call = name_rows(server.script(&scripts::LOAD), keys, applied);
        let (one, confirmations, links, pending_links, fields): (Row, Row, Row, Row, Row) = server.run(call).await?;
        let identity = rows::maybe_text(&one, 0)?.filter(|id| !id.is_empty()).map(rows::identity_id).transpose()?;
        let mut before = Before {
            forgotten_at: rows::maybe_time(&one, 2)?,
            fields: rows::fields(&fields)?,
            links: linked(&links, rows::read_link)?,
            pending_links: linked(&pending_links, rows::read_pending)?,
            nonce_used: rows::bytes(&one, 5).is_some(),
            token_subject: rows::maybe_text(&one, 6)?.map(rows::subject).transpose()?,
            is_applied: rows::flag(&one, 7),
            ..Before::default()
        };
        if let (Some(id), Some(row)) = (&identity, rows::bytes(&one, 1)) {
            before.identity = Some(rows::read_identity(id, row)?);
        }
        if let Some(subject) = &keys.subject {
            before.link = rows::bytes(&one, 3).map(|row| rows::read_link(subject.clone(), row)).transpose()?;
            before.pending = rows::bytes(&one, 4).map(|row| rows::read_pending(subject.clone(), row)).transpose()?;
            before.confirmations = rows::confirmations(subject, &confirmations)?;
        }
        Ok(Self { identity, before, fingerprint: rows::text(&one, 8)?.to_owned() })
    }
}

/// Subjects and rows in turn. A subject whose row is gone is passed over.
fn linked<T>(found: &Row, read: fn(Subject, &[u8]) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    let mut all = Vec::new();
    for column in (0..found.len()).step_by(2) {
        if let Some(row) = rows::bytes(found, column + 1) {
            all.push(read(rows::subject(rows::text(found, column)?)?, row)?);
        }
    }
    Ok(all)
}

/// The arguments that `load` and `write` read first.
fn name_rows(call: Call, keys: &Keys, applied: Option<&dedupe::Key>) -> Call {
    call.maybe(keys.identity.as_ref().map(IdentityId::as_str))
        .maybe(keys.subject.as_ref().map(Subject::as_str))
        .maybe(keys.nonce.as_ref().map(<[u8; 24]>::as_slice))
        .maybe(keys.token.as_ref().map(|token| token.0.as_slice()))
        .maybe(applied.map(<[u8; 16]>::as_slice))
}

/// Commands for the server, each with its key and arguments.
#[derive(Default)]
struct Operations(Vec<Vec<Vec<u8>>>);

impl Operations {
    /// Translates what the rules returned into commands. Rows that stay as they are get none, so a change that writes
    /// nothing costs one round trip.
    fn of(loaded: &Loaded, after: &After) -> Result<Self, Failure> {
        let mut all = Self::default();
        all.identity(loaded, &after.identity)?;
        all.fields(loaded, after);
        for (subject, write) in &after.links {
            let known = loaded.before.links.iter().chain(&loaded.before.link);
            let known = known.into_iter().find(|link| link.subject == *subject).map(|link| &link.identity_id);
            all.link(subject, known, write)?;
        }
        for (subject, write) in &after.pending_links {
            let known = loaded.before.pending_links.iter().chain(&loaded.before.pending);
            let known =
                known.into_iter().find(|pending| pending.subject == *subject).map(|pending| &pending.identity_id);
            all.pending(subject, known, write)?;
        }
        for (subject, write) in &after.refused_links {
            all.refused(subject, write)?;
        }
        for (subject, confirmations) in &after.confirmations {
            all.confirmations(subject, confirmations)?;
        }
        if let Some(nonce) = &after.nonce {
            all.add("ZADD", "nonces", &[&score(nonce.expires_at), &nonce.nonce]);
        }
        if let Some((token, subject)) = &after.token {
            all.add("HSET", "used_tokens", &[&token.hash.0, subject.as_str().as_bytes()]);
            all.add("ZADD", "used_tokens:until", &[&score(token.expires_at), &token.hash.0]);
        }
        Ok(all)
    }

    /// The row of the identity, and its place among the identities of its verification
    /// ([`IdentityStore::verified_as`](incode_core::store::IdentityStore::verified_as)).
    fn identity(&mut self, loaded: &Loaded, write: &Write<Identity>) -> Result<(), Failure> {
        let (id, new) = match (write, &loaded.identity) {
            (Write::Keep, _) | (Write::Delete, None) => return Ok(()),
            (Write::Put(identity), _) => (&identity.identity_id, Some(identity)),
            (Write::Delete, Some(id)) => (id, None),
        };
        let known = loaded.before.identity.as_ref().and_then(|identity| identity.verification_id.as_ref());
        let verification = new.and_then(|identity| identity.verification_id.as_ref());
        if let Some(known) = known.filter(|known| verification != Some(*known)) {
            self.add("ZREM", &format!("v:{}", known.as_str()), &[id.as_str().as_bytes()]);
        }
        if let Some(verification) = verification.filter(|new| known != Some(*new)) {
            // All scores are 0: the order is that of the bytes, and the first is the least id.
            self.add("ZADD", &format!("v:{}", verification.as_str()), &[b"0", id.as_str().as_bytes()]);
        }
        let key = format!("i:{}", id.as_str());
        match new {
            Some(identity) => self.add("SET", &key, &[&rows::write_identity(identity)?]),
            None => self.add("DEL", &key, &[]),
        }
        Ok(())
    }

    /// The retained fields. The set `fields:until` is the index by which `prune` finds expired ones, so both are
    /// written together.
    fn fields(&mut self, loaded: &Loaded, after: &After) {
        let Some(id) = &loaded.identity else { return };
        let (key, member) = (format!("f:{}", id.as_str()), |name: &str| format!("{} {name}", id.as_str()));
        if after.erase_fields && !loaded.before.fields.is_empty() {
            for (field, _) in &loaded.before.fields {
                self.add("ZREM", "fields:until", &[member(field.field.as_str()).as_bytes()]);
            }
            self.add("DEL", &key, &[]);
        }
        for (field, sent_at) in &after.fields {
            let name = field.field.as_str();
            self.add("HSET", &key, &[name.as_bytes(), &rows::write_field(field, *sent_at)]);
            self.add("ZADD", "fields:until", &[&score(field.expires_at), member(name).as_bytes()]);
        }
    }

    /// The link of a subject. `known` is the identity it is linked to now: its index has to lose the subject.
    fn link(&mut self, subject: &Subject, known: Option<&IdentityId>, write: &Write<Link>) -> Result<(), Failure> {
        match write {
            Write::Keep => {}
            Write::Put(link) => {
                self.row("l:", "il:", subject, known, Some((&link.identity_id, rows::write_link(link)?)));
            }
            Write::Delete => self.row("l:", "il:", subject, known, None),
        }
        Ok(())
    }

    /// The pending link of a subject, with its place in the index by expiry.
    fn pending(
        &mut self,
        subject: &Subject,
        known: Option<&IdentityId>,
        write: &Write<PendingLink>,
    ) -> Result<(), Failure> {
        match write {
            Write::Keep => {}
            Write::Put(pending) => {
                let new = (&pending.identity_id, rows::write_pending(pending)?);
                self.row("p:", "ip:", subject, known, Some(new));
                self.add("ZADD", "pending:until", &[&score(pending.expires_at), subject.as_str().as_bytes()]);
            }
            Write::Delete => {
                self.row("p:", "ip:", subject, known, None);
                self.add("ZREM", "pending:until", &[subject.as_str().as_bytes()]);
            }
        }
        Ok(())
    }

    /// The row of a subject, and its place among the subjects of the identity.
    fn row(
        &mut self,
        prefix: &str,
        index: &str,
        subject: &Subject,
        known: Option<&IdentityId>,
        new: Option<(&IdentityId, Vec<u8>)>,
    ) {
        let (key, name) = (format!("{prefix}{}", subject.as_str()), subject.as_str().as_bytes());
        let index = |id: &IdentityId| format!("{index}{}", id.as_str());
        if let Some(known) = known.filter(|known| new.as_ref().is_none_or(|(id, _)| id != known)) {
            self.add("ZREM", &index(known), &[name]);
        }
        match new {
            Some((id, row)) => {
                self.add("SET", &key, &[&row]);
                self.add("ZADD", &index(id), &[b"0", name]);
            }
            None => self.add("DEL", &key, &[]),
        }
    }

    /// Writes or removes why the last link of the subject was refused. The set `refused` holds when, for `prune`.
    fn refused(&mut self, subject: &Subject, write: &Write<RefusedLink>) -> Result<(), Failure> {
        let (key, name) = (format!("d:{}", subject.as_str()), subject.as_str().as_bytes());
        match write {
            Write::Keep => {}
            Write::Put(refused) => {
                self.add("SET", &key, &[&rows::write_refused(refused)?]);
                self.add("ZADD", "refused", &[&score(refused.refused_at), name]);
            }
            Write::Delete => {
                self.add("DEL", &key, &[]);
                self.add("ZREM", "refused", &[name]);
            }
        }
        Ok(())
    }

    /// Replaces all confirmations of the subject. The set `confirmed` holds the oldest of each subject: `prune` reads
    /// only subjects that have one to remove.
    fn confirmations(&mut self, subject: &Subject, all: &[Confirmation]) -> Result<(), Failure> {
        let (key, name) = (format!("c:{}", subject.as_str()), subject.as_str().as_bytes());
        self.add("DEL", &key, &[]);
        for confirmation in all {
            self.add("ZADD", &key, &[&score(confirmation.passed_at), &rows::write_confirmation(confirmation)?]);
        }
        match all.iter().map(|confirmation| confirmation.passed_at).min() {
            Some(oldest) => self.add("ZADD", "confirmed", &[&score(oldest), name]),
            None => self.add("ZREM", "confirmed", &[name]),
        }
        Ok(())
    }

    /// Adds one command of the server. Keys are given without the prefix: the script puts it in front.
    fn add(&mut self, command: &str, key: &str, arguments: &[&[u8]]) {
        let head = [command.as_bytes(), key.as_bytes()];
        self.0.push(head.iter().chain(arguments).map(|part| part.to_vec()).collect());
    }

    /// Whether there is no command. Then the script need not run.
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the commands to a call, each with the number of its parts before them.
    fn add_to(&self, call: Call) -> Call {
        call.counted(&self.0, |call, operation| call.counted(operation, |call, part| call.arg(part.as_slice())))
    }
}

/// Nothing that the script writes by itself: see [`add_rest`].
fn writes_nothing_else(after: &After) -> bool {
    after.forgotten_at.is_none()
        && !after.detach_jobs
        && after.jobs.is_empty()
        && after.audit.is_none()
        && after.change.is_none()
}

/// What needs ids or keys that only the server knows.
fn add_rest(call: Call, after: &After) -> Result<Call, Failure> {
    let forgotten_at = after.forgotten_at.map(Timestamp::as_millis);
    let mut call = call.maybe(forgotten_at).flag(after.detach_jobs).arg(after.jobs.len());
    for job in &after.jobs {
        let (column, cause) = rows::write_cause(&job.cause)?;
        call = call.arg(&*job.handler).arg(job.identity_id.as_str()).arg(job.caused_at.as_millis());
        call = call.arg(column).arg(cause.as_slice());
    }
    call = call.flag(after.audit.is_some());
    if let Some(new) = &after.audit {
        call = call.arg(new.at.as_millis()).arg(new.actor.as_str()).arg(audit::write(&new.action)?);
        call = call.flag(audit::is_erasure(&new.action)).arg(new.count).arg(AUDITS_KEPT);
    }
    Ok(call)
}

/// An instant as the score of a sorted set, in milliseconds. They are below 2^53, so the server's floating point is
/// exact.
fn score(at: Timestamp) -> Vec<u8> {
    at.as_millis().to_string().into_bytes()
}

/// Lets the others write: random, or those that lost together lose together again.
async fn back_off(attempt: u32) {
    if attempt > 1 {
        let longest = 1_u64 << attempt.min(6);
        let millis = RandomState::new().build_hasher().finish() % longest;
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

/// Reports a call that ended without an answer, or whose caller is gone: the server may still write.
struct UnknownOnDrop<'a>(Option<&'a ChangeHub>);

impl UnknownOnDrop<'_> {
    /// Waits for the answer. Every answer but a broken connection settles whether the call wrote; only then the guard
    /// is off.
    async fn until_answered<T>(mut self, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let answer = call.await;
        if !answer.as_ref().is_err_and(|failure| failure.is_broken) {
            self.0 = None;
        }
        answer
    }
}

impl Drop for UnknownOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(hub) = self.0 {
            hub.outcome_unknown();
        }
    }
}

/// One of those who write at the same moment always succeeds; with the pauses this is about three seconds.
const MOST_TRIES: u32 = 100;
/// In bytes. A change of more subjects is published without them.
const LONGEST_NOTICE: usize = 16 * 1024;
