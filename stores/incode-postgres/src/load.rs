//! Loading the rows that a command reads, under locks.

use incode_core::IdentityId;
use incode_core::Subject;
use incode_core::identity::transition::{Before, Keys};
use incode_core::identity::{Field, RetainedField};
use incode_core::store::dedupe::{self, Key};
use sha2::{Digest, Sha256};

use super::connection::{Answer, Statement};
use super::error::Failure;
use super::rows::{self, get, time};
use super::schema::LOCKS;

/// The statements that lock and load, all sent at once: each sees what the one before it waited for.
///
/// The order of locks is the same in every transaction, so none deadlock: rows of `lock` by id, then pending links by
/// subject, then links by subject. What they hold still until the commit:
/// - The identity's rows and tombstone, and whether links to it appear: every writer locks the name of the identity.
/// - The subject's rows, and that it has none: every writer locks the name of the subject, or, when it writes the rows of
///   all subjects of an identity, those rows.
/// - The absence of the correlation id and of the token: by their names.
pub(crate) fn statements(keys: &Keys, identity: Option<&IdentityId>) -> Vec<Statement> {
    let subject = keys.subject.as_ref();
    let hash = identity.map(|id| identity_hash(id).to_vec());
    let nonce = keys.nonce.map(|nonce| nonce.to_vec());
    let token = keys.token.map(|token| token.0.to_vec());
    let applied = applied_key(keys, identity).map(|key| key.to_vec());
    vec![
        (LOCK, params![locks(keys, identity)]),
        (PENDING_LINKS, params![identity, subject]),
        (LINKS, params![identity, subject]),
        (IDENTITY, params![identity]),
        ("SELECT forgotten_at FROM incode.tombstone WHERE identity_hash = $1", params![hash]),
        ("SELECT field, sealed, expires_at, sent_at FROM incode.field WHERE identity_id = $1", params![identity]),
        (CONFIRMATIONS, params![subject]),
        ("SELECT FROM incode.used_nonce WHERE nonce = $1", params![nonce]),
        ("SELECT subject FROM incode.used_token WHERE hash = $1", params![token]),
        ("SELECT FROM incode.event WHERE applied_key = $1 AND state = 'done' LIMIT 1", params![applied]),
    ]
}

/// The rows, from the answers to [`statements`].
pub(crate) fn before(keys: &Keys, identity: Option<&IdentityId>, answers: &[Answer]) -> Result<Before, Failure> {
    let [locked, pending_links, links, known, tombstone, fields, confirmations, nonce, token, applied] = answers else {
        return Err(Failure::unreadable("answers"));
    };
    if locked.rows.len() != locks(keys, identity).len() {
        return Err(Failure::failed("rows of the table lock are missing"));
    }
    let is_own = |subject: &Subject| keys.subject.as_ref() == Some(subject);
    let mut before = Before::default();
    for row in &pending_links.rows {
        let pending = rows::pending_link(row)?;
        if is_own(&pending.subject) {
            before.pending = Some(pending.clone());
        }
        if identity == Some(&pending.identity_id) {
            before.pending_links.push(pending);
        }
    }
    for row in &links.rows {
        let link = rows::link(row, 0)?;
        if is_own(&link.subject) {
            before.link = Some(link.clone());
        }
        if identity == Some(&link.identity_id) {
            before.links.push(link);
        }
    }
    before.identity = known.rows.first().map(|row| rows::identity(row, 0)).transpose()?;
    before.forgotten_at = tombstone.rows.first().map(|row| time(row, 0)).transpose()?;
    for row in &fields.rows {
        if let Some(field) = Field::parse(get(row, 0)?) {
            let retained = RetainedField { field, sealed: get(row, 1)?, expires_at: time(row, 2)? };
            before.fields.push((retained, time(row, 3)?));
        }
    }
    before.confirmations = confirmations.rows.iter().map(rows::confirmation).collect::<Result<_, _>>()?;
    before.nonce_used = !nonce.rows.is_empty();
    before.token_subject = token.rows.first().map(|row| rows::subject(row, 0)).transpose()?;
    before.is_applied = !applied.rows.is_empty();
    Ok(before)
}

/// The identity that the subject's rows name, for a command that names none.
pub(crate) fn identity_of(before: &Before) -> Option<&IdentityId> {
    let linked = before.link.as_ref().map(|link| &link.identity_id);
    linked.or(before.pending.as_ref().map(|pending| &pending.identity_id))
}

/// The key that an event of the object gets when it is applied to this identity.
pub(crate) fn applied_key(keys: &Keys, identity: Option<&IdentityId>) -> Option<Key> {
    let (kind, object_id) = keys.object.as_ref()?;
    Some(dedupe::applied_key(kind, object_id, identity?))
}

/// What a tombstone is found by.
pub(crate) fn identity_hash(id: &IdentityId) -> [u8; 32] {
    Sha256::digest(id.as_str()).into()
}

/// The lock rows of all names of a command, sorted, each once.
fn locks(keys: &Keys, identity: Option<&IdentityId>) -> Vec<i32> {
    let identity = identity.map(|id| lock_of(b"identity", id.as_str().as_bytes()));
    let subject = keys.subject.as_ref().map(|subject| lock_of(b"subject", subject.as_str().as_bytes()));
    let nonce = keys.nonce.map(|nonce| lock_of(b"nonce", &nonce));
    let token = keys.token.map(|token| lock_of(b"token", &token.0));
    let mut locks: Vec<i32> = [identity, subject, nonce, token].into_iter().flatten().collect();
    locks.sort_unstable();
    locks.dedup();
    locks
}

/// The same in every process, whatever its version of the standard library.
fn lock_of(kind: &[u8], name: &[u8]) -> i32 {
    let digest = Sha256::new_with_prefix(kind).chain_update(b"\0").chain_update(name).finalize();
    let [first, second, ..] = <[u8; 32]>::from(digest);
    i32::from(u16::from_be_bytes([first, second])) % LOCKS
}

/// Sorted, so that no two transactions wait for each other.
const LOCK: &str = "SELECT id FROM incode.lock WHERE id = ANY($1) ORDER BY id FOR UPDATE";
/// Sorted by the primary key, which never changes: the order in which rows are locked is that of every transaction.
const PENDING_LINKS: &str = concat!(
    "SELECT ",
    pending_link_columns!(),
    " FROM incode.pending_link WHERE identity_id = $1 OR subject = $2 ORDER BY subject FOR UPDATE"
);
/// After the pending links: a transaction that turns one into a link holds its row.
const LINKS: &str = concat!(
    "SELECT ",
    link_columns!(),
    " FROM incode.link WHERE identity_id = $1 OR subject = $2 ORDER BY subject FOR UPDATE"
);
/// Without a lock: every writer of the row holds the lock of the identity's name.
pub(crate) const IDENTITY: &str =
    concat!("SELECT ", identity_columns!(), " FROM incode.identity WHERE identity_id = $1");
/// Newest first, as the rules read them.
pub(crate) const CONFIRMATIONS: &str =
    concat!("SELECT ", confirmation_columns!(), " FROM incode.confirmation WHERE subject = $1 ORDER BY passed_at DESC");

#[cfg(test)]
mod tests;
