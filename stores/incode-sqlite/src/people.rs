//! The rows of identities and subjects, one statement each.

use incode_core::identity::transition::Refusal;
use incode_core::identity::{
    ActionHash, Checks, Confirmation, FaceOrigin, Field, FlowWindow, Identity, Link, LinkProof, PendingLink,
    RefusedLink, RetainedField, SessionHash,
};
use incode_core::model::{AttestationStatus, IdentityStatus};
use incode_core::store::EventId;
use incode_core::{IdentityId, Subject, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use crate::rows::{self, millis};

/// The row of an identity.
pub(crate) fn identity(conn: &Connection, id: &IdentityId) -> rusqlite::Result<Option<Identity>> {
    let sql = "SELECT identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at,
            face_verification_id, face_source_id, attestation, checks
        FROM identity WHERE identity_id = ?";
    conn.prepare_cached(sql)?.query_row([id.as_str()], read_identity).optional()
}

/// Inserts or replaces the row.
pub(crate) fn put_identity(conn: &Connection, identity: &Identity) -> rusqlite::Result<()> {
    // Every column is in the statement, so replacing the row loses nothing.
    let sql = "INSERT OR REPLACE INTO identity
            (identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at,
            face_verification_id, face_source_id, attestation, checks)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let face = &identity.face_origin;
    conn.prepare_cached(sql)?.execute(params![
        identity.identity_id.as_str(),
        identity.status.as_str(),
        identity.checked_at.as_millis(),
        identity.verification_id.as_ref().map(|id| id.as_str()),
        millis(identity.verified_at),
        millis(identity.face_authenticated_at),
        face.verification_id.as_ref().map(|id| id.as_str()),
        face.source_id,
        identity.attestation.as_ref().map(|status| status.as_str()),
        identity.checks.encode(),
    ])?;
    Ok(())
}

/// Deletes the row. Links and fields are deleted by the writes that the rules return.
pub(crate) fn delete_identity(conn: &Connection, id: &IdentityId) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM identity WHERE identity_id = ?")?.execute([id.as_str()]).map(drop)
}

/// When the identity was forgotten last.
pub(crate) fn tombstone(conn: &Connection, id: &IdentityId) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT forgotten_at FROM tombstone WHERE identity_hash = ?";
    conn.prepare_cached(sql)?.query_row([hash(id).as_slice()], |row| rows::time(row, 0)).optional()
}

/// Keeps when an identity was forgotten, under a hash that names no person.
pub(crate) fn put_tombstone(conn: &Connection, id: &IdentityId, at: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO tombstone (identity_hash, forgotten_at) VALUES (?, ?)";
    conn.prepare_cached(sql)?.execute(params![hash(id).as_slice(), at.as_millis()]).map(drop)
}

/// Every field, each with the instant of the request for it. One that only a newer version knows is left out.
pub(crate) fn fields(conn: &Connection, id: &IdentityId) -> rusqlite::Result<Vec<(RetainedField, Timestamp)>> {
    let sql = "SELECT field, sealed, expires_at, sent_at FROM field WHERE identity_id = ?";
    let mut statement = conn.prepare_cached(sql)?;
    let mut found = statement.query([id.as_str()])?;
    let mut fields = Vec::new();
    while let Some(row) = found.next()? {
        if let Some(field) = Field::parse(rows::text(row, 0)?) {
            let kept = RetainedField { field, sealed: row.get(1)?, expires_at: rows::time(row, 2)? };
            fields.push((kept, rows::time(row, 3)?));
        }
    }
    Ok(fields)
}

/// Replaces the field. The rules have compared the times.
pub(crate) fn put_field(
    conn: &Connection,
    id: &IdentityId,
    field: &RetainedField,
    sent_at: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO field (identity_id, field, sealed, expires_at, sent_at) VALUES (?, ?, ?, ?, ?)";
    let times = (field.expires_at.as_millis(), sent_at.as_millis());
    let params = params![id.as_str(), field.field.as_str(), field.sealed, times.0, times.1];
    conn.prepare_cached(sql)?.execute(params).map(drop)
}

/// Deletes all retained fields of an identity.
pub(crate) fn erase_fields(conn: &Connection, id: &IdentityId) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM field WHERE identity_id = ?")?.execute([id.as_str()]).map(drop)
}

/// The link of a subject, to whichever identity.
pub(crate) fn link(conn: &Connection, subject: &Subject) -> rusqlite::Result<Option<Link>> {
    let sql = "SELECT subject, identity_id, proof, linked_at, active_since, verified_since FROM link WHERE subject = ?";
    conn.prepare_cached(sql)?.query_row([subject.as_str()], read_link).optional()
}

/// Every link to an identity.
pub(crate) fn links_of(conn: &Connection, id: &IdentityId) -> rusqlite::Result<Vec<Link>> {
    let sql = "SELECT subject, identity_id, proof, linked_at, active_since, verified_since FROM link
        INDEXED BY link_identity WHERE identity_id = ?";
    conn.prepare_cached(sql)?.query_map([id.as_str()], read_link)?.collect()
}

/// The subjects linked to an identity.
pub(crate) fn subjects_of(conn: &Connection, id: &IdentityId) -> rusqlite::Result<Vec<Subject>> {
    let sql = "SELECT subject FROM link INDEXED BY link_identity WHERE identity_id = ?";
    conn.prepare_cached(sql)?.query_map([id.as_str()], |row| rows::subject(row, 0))?.collect()
}

/// Replaces the link of the subject: a subject has one.
pub(crate) fn put_link(conn: &Connection, link: &Link) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO link (subject, identity_id, proof, linked_at, active_since, verified_since)
        VALUES (?, ?, ?, ?, ?, ?)";
    let params = params![
        link.subject.as_str(),
        link.identity_id.as_str(),
        link.proof.as_str(),
        link.linked_at.as_millis(),
        millis(link.active_since),
        millis(link.verified_since),
    ];
    conn.prepare_cached(sql)?.execute(params).map(drop)
}

/// Deletes the link of the subject, if there is one.
pub(crate) fn delete_link(conn: &Connection, subject: &Subject) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM link WHERE subject = ?")?.execute([subject.as_str()]).map(drop)
}

/// The pending link of a subject, to whichever identity. Void ones are included until they are pruned: the rules look at
/// the time.
pub(crate) fn pending_link(conn: &Connection, subject: &Subject) -> rusqlite::Result<Option<PendingLink>> {
    let sql = "SELECT subject, identity_id, began_at, vendor_began_at, vendor_returned_at, expires_at
        FROM pending_link WHERE subject = ?";
    conn.prepare_cached(sql)?.query_row([subject.as_str()], read_pending_link).optional()
}

/// Every pending link to an identity.
pub(crate) fn pending_links_of(conn: &Connection, id: &IdentityId) -> rusqlite::Result<Vec<PendingLink>> {
    let sql = "SELECT subject, identity_id, began_at, vendor_began_at, vendor_returned_at, expires_at
        FROM pending_link INDEXED BY pending_link_identity WHERE identity_id = ?";
    conn.prepare_cached(sql)?.query_map([id.as_str()], read_pending_link)?.collect()
}

/// Replaces the pending link of the subject: a new flow replaces the older one.
pub(crate) fn put_pending_link(conn: &Connection, pending: &PendingLink) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO pending_link
            (subject, identity_id, began_at, vendor_began_at, vendor_returned_at, expires_at)
        VALUES (?, ?, ?, ?, ?, ?)";
    let params = params![
        pending.subject.as_str(),
        pending.identity_id.as_str(),
        pending.window.began_at.as_millis(),
        pending.window.vendor_began_at.as_millis(),
        pending.window.vendor_returned_at.as_millis(),
        pending.expires_at.as_millis(),
    ];
    conn.prepare_cached(sql)?.execute(params).map(drop)
}

/// Deletes the pending link of the subject, if there is one.
pub(crate) fn delete_pending_link(conn: &Connection, subject: &Subject) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM pending_link WHERE subject = ?")?.execute([subject.as_str()]).map(drop)
}

/// The newest refusal of a subject.
pub(crate) fn refused_link(conn: &Connection, subject: &Subject) -> rusqlite::Result<Option<RefusedLink>> {
    let sql = "SELECT subject, refusal, event_id, refused_at FROM refused_link WHERE subject = ?";
    let read = |row: &Row<'_>| {
        Ok(RefusedLink {
            subject: rows::subject(row, 0)?,
            refusal: rows::required(Refusal::parse(rows::text(row, 1)?), 1, "refusal")?,
            event: row.get::<_, Option<i64>>(2)?.map(EventId),
            refused_at: rows::time(row, 3)?,
        })
    };
    conn.prepare_cached(sql)?.query_row([subject.as_str()], read).optional()
}

pub(crate) fn put_refused_link(conn: &Connection, refused: &RefusedLink) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO refused_link (subject, refusal, event_id, refused_at) VALUES (?, ?, ?, ?)";
    let (event, at) = (refused.event.map(|event| event.0), refused.refused_at.as_millis());
    let params = params![refused.subject.as_str(), refused.refusal.as_str(), event, at];
    conn.prepare_cached(sql)?.execute(params).map(drop)
}

pub(crate) fn delete_refused_link(conn: &Connection, subject: &Subject) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM refused_link WHERE subject = ?")?.execute([subject.as_str()]).map(drop)
}

/// Newest first; those of one instant in the order they were given.
pub(crate) fn confirmations(conn: &Connection, subject: &Subject) -> rusqlite::Result<Vec<Confirmation>> {
    let sql = "SELECT subject, identity_id, session, action, passed_at FROM confirmation
        INDEXED BY confirmation_subject WHERE subject = ? ORDER BY passed_at DESC, id";
    let read = |row: &Row<'_>| {
        Ok(Confirmation {
            subject: rows::subject(row, 0)?,
            identity_id: rows::identity_id(row, 1)?,
            session: SessionHash(rows::bytes(row, 2)?),
            action: rows::maybe(row, 3, rows::bytes)?.map(ActionHash),
            passed_at: rows::time(row, 4)?,
        })
    };
    conn.prepare_cached(sql)?.query_map([subject.as_str()], read)?.collect()
}

/// Replaces all confirmations of the subject.
pub(crate) fn put_confirmations(conn: &Connection, subject: &Subject, all: &[Confirmation]) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM confirmation WHERE subject = ?")?.execute([subject.as_str()])?;
    let sql = "INSERT INTO confirmation (subject, identity_id, session, action, passed_at) VALUES (?, ?, ?, ?, ?)";
    let mut insert = conn.prepare_cached(sql)?;
    for confirmation in all {
        let Confirmation { subject, identity_id, session, action, passed_at } = confirmation;
        let (session, action) = (session.0.as_slice(), action.as_ref().map(|action| action.0.as_slice()));
        insert.execute(params![subject.as_str(), identity_id.as_str(), session, action, passed_at.as_millis()])?;
    }
    Ok(())
}

/// The columns of an identity, in the order of the statements above.
fn read_identity(row: &Row<'_>) -> rusqlite::Result<Identity> {
    let status = IdentityStatus::from(rows::text(row, 1)?);
    let mut identity = Identity::new(rows::identity_id(row, 0)?, status, rows::time(row, 2)?);
    identity.verification_id = rows::maybe(row, 3, rows::object_id)?;
    identity.verified_at = rows::maybe_time(row, 4)?;
    identity.face_authenticated_at = rows::maybe_time(row, 5)?;
    identity.face_origin =
        FaceOrigin { verification_id: rows::maybe(row, 6, rows::object_id)?, source_id: row.get(7)? };
    identity.attestation = rows::maybe(row, 8, rows::text_of)?.as_deref().map(AttestationStatus::from);
    identity.checks = rows::required(Checks::decode(rows::text(row, 9)?), 9, "checks")?;
    Ok(identity)
}

/// The columns of a link, in the order of the statements above.
fn read_link(row: &Row<'_>) -> rusqlite::Result<Link> {
    let proof = rows::required(LinkProof::parse(rows::text(row, 2)?), 2, "proof")?;
    let mut link = Link::new(rows::subject(row, 0)?, rows::identity_id(row, 1)?, proof, rows::time(row, 3)?);
    link.active_since = rows::maybe_time(row, 4)?;
    link.verified_since = rows::maybe_time(row, 5)?;
    Ok(link)
}

/// The columns of a pending link, in the order of the statements above.
fn read_pending_link(row: &Row<'_>) -> rusqlite::Result<PendingLink> {
    Ok(PendingLink {
        subject: rows::subject(row, 0)?,
        identity_id: rows::identity_id(row, 1)?,
        window: FlowWindow {
            began_at: rows::time(row, 2)?,
            vendor_began_at: rows::time(row, 3)?,
            vendor_returned_at: rows::time(row, 4)?,
        },
        expires_at: rows::time(row, 5)?,
    })
}

/// What a tombstone is found by.
fn hash(id: &IdentityId) -> [u8; 32] {
    Sha256::digest(id.as_str()).into()
}
