//! Runs a command: loads the rows that its rules read, and writes what they return.

use incode_core::identity::transition::{After, Before, ChangeRequest, Keys, Write};
use incode_core::store::Changed;
use incode_core::store::dedupe::{self, Key};
use incode_core::{IdentityId, Subject, TokenHash};
use rusqlite::{Connection, OptionalExtension, params};

use crate::batch::Transaction;
use crate::error::Failure;
use crate::{audit, jobs, people, rows};

/// Also returns the applied key of the command's object, if it has one. The writer is the only one that writes, so
/// every row that is loaded holds until the commit.
pub(crate) fn run(tx: &Transaction<'_>, request: &ChangeRequest) -> Result<(Changed, Option<Key>), Failure> {
    let keys = request.keys();
    let mut before = of_subject(tx.conn, &keys)?;
    let linked = before.link.as_ref().map(|link| &link.identity_id);
    let linked = linked.or_else(|| before.pending.as_ref().map(|pending| &pending.identity_id));
    let identity = keys.identity.clone().or_else(|| linked.cloned());
    let applied = keys.object.as_ref().zip(identity.as_ref());
    let applied = applied.map(|((kind, object), identity)| dedupe::applied_key(kind, object, identity));
    before.is_applied = applied.is_some_and(|key| tx.index.is_applied(key));
    if let Some(id) = &identity {
        load_identity(tx.conn, id, &mut before)?;
    }
    let after = request.apply(&before);
    write(tx.conn, identity.as_ref(), &before, &after)?;
    Ok((Changed { outcome: after.outcome, change: after.change }, applied))
}

/// What hangs on the subject, the correlation id and the token.
fn of_subject(conn: &Connection, keys: &Keys) -> Result<Before, Failure> {
    let mut before = Before {
        nonce_used: keys.nonce.map_or(Ok(false), |nonce| is_used(conn, &nonce))?,
        token_subject: keys.token.map_or(Ok(None), |hash| token_subject(conn, &hash))?,
        ..Before::default()
    };
    if let Some(subject) = &keys.subject {
        before.link = people::link(conn, subject)?;
        before.pending = people::pending_link(conn, subject)?;
        before.confirmations = people::confirmations(conn, subject)?;
    }
    Ok(before)
}

/// What hangs on the identity.
fn load_identity(conn: &Connection, id: &IdentityId, before: &mut Before) -> Result<(), Failure> {
    before.identity = people::identity(conn, id)?;
    before.forgotten_at = people::tombstone(conn, id)?;
    before.fields = people::fields(conn, id)?;
    before.links = people::links_of(conn, id)?;
    before.pending_links = people::pending_links_of(conn, id)?;
    Ok(())
}

/// Whether the correlation id was used: its row outlives the flow.
fn is_used(conn: &Connection, nonce: &[u8; 24]) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM used_nonce WHERE nonce = ?")?.exists([nonce.as_slice()])
}

/// The subject that the token linked, if it linked one.
fn token_subject(conn: &Connection, hash: &TokenHash) -> rusqlite::Result<Option<Subject>> {
    let sql = "SELECT subject FROM used_token WHERE token_hash = ?";
    conn.prepare_cached(sql)?.query_row([hash.0.as_slice()], |row| rows::subject(row, 0)).optional()
}

/// Writes what the rules returned; the savepoint of the job makes it all or nothing.
fn write(conn: &Connection, identity: Option<&IdentityId>, before: &Before, after: &After) -> Result<(), Failure> {
    if let Some(id) = identity {
        write_identity(conn, id, before, after)?;
    }
    for (subject, write) in &after.links {
        match write {
            Write::Keep => {}
            Write::Put(link) => people::put_link(conn, link)?,
            Write::Delete => people::delete_link(conn, subject)?,
        }
    }
    for (subject, write) in &after.pending_links {
        match write {
            Write::Keep => {}
            Write::Put(pending) => people::put_pending_link(conn, pending)?,
            Write::Delete => people::delete_pending_link(conn, subject)?,
        }
    }
    for (subject, write) in &after.refused_links {
        match write {
            Write::Keep => {}
            Write::Put(refused) => people::put_refused_link(conn, refused)?,
            Write::Delete => people::delete_refused_link(conn, subject)?,
        }
    }
    for (subject, confirmations) in &after.confirmations {
        people::put_confirmations(conn, subject, confirmations)?;
    }
    if let Some(used) = &after.nonce {
        let sql = "INSERT OR REPLACE INTO used_nonce (nonce, expires_at) VALUES (?, ?)";
        conn.prepare_cached(sql)?.execute(params![used.nonce.as_slice(), used.expires_at.as_millis()])?;
    }
    if let Some((used, subject)) = &after.token {
        let sql = "INSERT OR REPLACE INTO used_token (token_hash, subject, expires_at) VALUES (?, ?, ?)";
        let params = params![used.hash.0.as_slice(), subject.as_str(), used.expires_at.as_millis()];
        conn.prepare_cached(sql)?.execute(params)?;
    }
    jobs::enqueue(conn, &after.jobs)?;
    if let Some(entry) = &after.audit {
        audit::write(conn, entry)?;
    }
    Ok(())
}

/// The rows of the identity, and the detaching of its jobs.
fn write_identity(conn: &Connection, id: &IdentityId, before: &Before, after: &After) -> Result<(), Failure> {
    match &after.identity {
        Write::Keep => {}
        // An answer that changes nothing is the usual one: it does not dirty a page.
        Write::Put(identity) if before.identity.as_ref() == Some(identity) => {}
        Write::Put(identity) => people::put_identity(conn, identity)?,
        Write::Delete => people::delete_identity(conn, id)?,
    }
    if let Some(at) = after.forgotten_at {
        people::put_tombstone(conn, id, at)?;
    }
    if after.erase_fields {
        people::erase_fields(conn, id)?;
    }
    for (field, sent_at) in &after.fields {
        people::put_field(conn, id, field, *sent_at)?;
    }
    if after.detach_jobs {
        jobs::detach(conn, id)?;
    }
    Ok(())
}
