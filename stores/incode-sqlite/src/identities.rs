use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::failure::Failure;
use super::queries::{self, unreadable};
use super::{effects, fields};
use crate::identity::{Change, Identity, Observation};
use crate::store::{Linked, NewLink};
use crate::{IdentityId, Subject, Timestamp};

/// `None` when the identity was forgotten since. One that is known anew is not, whatever brings news of it.
pub(super) fn observe(conn: &Connection, seen: &Observation, since: Timestamp) -> Result<Option<Change>, Failure> {
    let known = queries::identity(conn, &seen.identity_id)?;
    if is_forgotten(conn, &seen.identity_id, if known.is_some() { seen.sent_at } else { since })? {
        return Ok(None);
    }
    let merged = Identity::merge(known.clone(), seen);
    if known.as_ref() != Some(&merged) {
        write(conn, &merged)?;
    }
    fields::keep(conn, seen)?;
    Ok(Some(change(conn, &seen.identity_id)?))
}

pub(super) fn link(conn: &Connection, new: &NewLink, since: Timestamp) -> Result<Linked, Failure> {
    let NewLink { link, seen, spend, shared } = new;
    if is_forgotten(conn, &seen.identity_id, since)? {
        return Ok(Linked::AlreadySpent);
    }
    if let Some(spend) = spend {
        let mut known = conn.prepare_cached("SELECT 1 FROM spent WHERE nonce = ?")?;
        if known.exists([spend.nonce.as_slice()])? {
            return Ok(Linked::AlreadySpent);
        }
    }
    match linked_to(conn, &link.subject)? {
        Some(identity) if identity != link.identity_id => return Ok(Linked::SubjectTaken),
        Some(_) => {}
        None => {
            let mut taken = conn.prepare_cached("SELECT 1 FROM link WHERE identity_id = ?")?;
            if !shared && taken.exists([link.identity_id.as_str()])? {
                return Ok(Linked::IdentityTaken);
            }
            conn.prepare_cached("INSERT INTO link (subject, identity_id, proof, linked_at) VALUES (?, ?, ?, ?)")?
                .execute(params![
                    link.subject.as_str(),
                    link.identity_id.as_str(),
                    link.proof.as_str(),
                    link.linked_at.as_millis()
                ])?;
        }
    }
    if let Some(spend) = spend {
        conn.prepare_cached("INSERT INTO spent (nonce, expires_at) VALUES (?, ?)")?
            .execute(params![spend.nonce.as_slice(), spend.expires_at.as_millis()])?;
    }
    observe(conn, seen, since)?;
    Ok(Linked::Done(change(conn, &link.identity_id)?))
}

pub(super) fn unlink(conn: &Connection, subject: &Subject) -> Result<Option<Change>, Failure> {
    let Some(identity) = linked_to(conn, subject)? else { return Ok(None) };
    let change = change(conn, &identity)?;
    conn.prepare_cached("DELETE FROM link WHERE subject = ?")?.execute([subject.as_str()])?;
    Ok(Some(change))
}

pub(super) fn forget(conn: &Connection, id: &IdentityId, at: Timestamp) -> Result<Option<Change>, Failure> {
    let change = change(conn, id)?;
    let identities = conn.prepare_cached("DELETE FROM identity WHERE identity_id = ?")?.execute([id.as_str()])?;
    let links = conn.prepare_cached("DELETE FROM link WHERE identity_id = ?")?.execute([id.as_str()])?;
    fields::forget(conn, id)?;
    effects::disown(conn, id)?;
    let tombstone = "INSERT INTO forgotten (identity_hash, forgotten_at) VALUES (?, ?)
        ON CONFLICT DO UPDATE SET forgotten_at = max(forgotten_at, excluded.forgotten_at)";
    conn.prepare_cached(tombstone)?.execute(params![hash(id).as_slice(), at.as_millis()])?;
    Ok((identities + links > 0).then_some(change))
}

fn write(conn: &Connection, identity: &Identity) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO identity
        (identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at, attestation,
            face_verification_id, face_source_id)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    conn.prepare_cached(sql)?.execute(params![
        identity.identity_id.as_str(),
        identity.status.as_str(),
        identity.checked_at.as_millis(),
        identity.verification_id.as_ref().map(|id| id.as_str()),
        identity.verified_at.map(Timestamp::as_millis),
        identity.face_authenticated_at.map(Timestamp::as_millis),
        identity.attestation.as_ref().map(|status| status.as_str()),
        identity.face_origin.verification_id.as_ref().map(|id| id.as_str()),
        identity.face_origin.source_id,
    ])?;
    Ok(())
}

pub(super) fn change(conn: &Connection, id: &IdentityId) -> rusqlite::Result<Change> {
    let mut statement = conn.prepare_cached("SELECT subject FROM link WHERE identity_id = ?")?;
    let subjects = statement
        .query_map([id.as_str()], |row| Subject::new(row.get_ref(0)?.as_str()?).map_err(|_| unreadable(0, "subject")))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Change { identity_id: id.clone(), subjects })
}

fn linked_to(conn: &Connection, subject: &Subject) -> rusqlite::Result<Option<IdentityId>> {
    conn.prepare_cached("SELECT identity_id FROM link WHERE subject = ?")?
        .query_row([subject.as_str()], |row| {
            IdentityId::new(row.get_ref(0)?.as_str()?).map_err(|_| unreadable(0, "identity id"))
        })
        .optional()
}

/// At this instant or later.
fn is_forgotten(conn: &Connection, id: &IdentityId, since: Timestamp) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM forgotten WHERE identity_hash = ? AND forgotten_at >= ?")?
        .exists(params![hash(id).as_slice(), since.as_millis()])
}

fn hash(id: &IdentityId) -> [u8; 32] {
    Sha256::digest(id.as_str()).into()
}
