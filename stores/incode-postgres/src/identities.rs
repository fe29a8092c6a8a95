use sha2::{Digest, Sha256};

use super::failure::Failure;
use super::link::Link;
use super::rows::{self, get};
use super::{effects, feed, fields, queries};
use crate::identity::{Change, Identity, Observation};
use crate::store::{Linked, NewLink};
use crate::{IdentityId, Subject, Timestamp};

/// Makes whoever else writes the identity wait until this transaction ends: a row that does not exist yet can't be
/// locked itself. Comes before anything below, and after the lock of an object.
pub(super) async fn lock(tx: &Link, id: &IdentityId) -> Result<(), Failure> {
    lock_name(tx, b"identity", id.as_str().as_bytes()).await
}

/// The same for a name of any kind.
pub(super) async fn lock_name(tx: &Link, kind: &[u8], name: &[u8]) -> Result<(), Failure> {
    tx.query("SELECT pg_advisory_xact_lock($1)", &[&lock_number(tx, kind, name)]).await.map(drop)
}

/// The number that stands for a name among the server's locks.
pub(super) fn lock_number(tx: &Link, kind: &[u8], name: &[u8]) -> i64 {
    let mut digest = Sha256::new();
    for part in [tx.target.schema.as_bytes(), b"\0", kind, b"\0", name] {
        digest.update(part);
    }
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(digest.finalize());
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// `None` when the identity was forgotten since. One that is known anew is not, whatever brings news of it.
pub(super) async fn observe(tx: &Link, seen: &Observation, since: Timestamp) -> Result<Option<Change>, Failure> {
    let known = queries::identity(tx, &seen.identity_id).await?;
    if is_forgotten(tx, &seen.identity_id, if known.is_some() { seen.sent_at } else { since }).await? {
        return Ok(None);
    }
    let (change, is_news) = merge(tx, known, seen).await?;
    if is_news {
        feed::tell(tx, &change).await?;
    }
    Ok(Some(change))
}

pub(super) async fn link(tx: &Link, new: &NewLink, since: Timestamp) -> Result<Linked, Failure> {
    let NewLink { link, seen, spend, shared } = new;
    if is_forgotten(tx, &seen.identity_id, since).await? {
        return Ok(Linked::AlreadySpent);
    }
    if let Some(spend) = spend {
        let sql = "SELECT 1 FROM spent WHERE nonce = $1";
        if tx.query_opt(sql, &[&spend.nonce.as_slice()]).await?.is_some() {
            return Ok(Linked::AlreadySpent);
        }
    }
    let known = linked_to(tx, &link.subject).await?;
    let is_new = known.is_none();
    match known {
        Some(identity) if identity != link.identity_id => return Ok(Linked::SubjectTaken),
        Some(_) => {}
        None => {
            let sql = "SELECT 1 FROM link WHERE identity_id = $1 LIMIT 1";
            if !shared && tx.query_opt(sql, &[&link.identity_id.as_str()]).await?.is_some() {
                return Ok(Linked::IdentityTaken);
            }
        }
    }
    // What another process writes at this very moment shows in the number of rows.
    if let Some(spend) = spend {
        let sql = "INSERT INTO spent (nonce, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        if tx.execute(sql, &[&spend.nonce.as_slice(), &spend.expires_at.as_millis()]).await? == 0 {
            return Ok(Linked::AlreadySpent);
        }
    }
    if is_new {
        let sql = "INSERT INTO link (subject, identity_id, proof, linked_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT DO NOTHING";
        let (subject, identity, proof) = (link.subject.as_str(), link.identity_id.as_str(), link.proof.as_str());
        if tx.execute(sql, &[&subject, &identity, &proof, &link.linked_at.as_millis()]).await? == 0 {
            if let Some(spend) = spend {
                tx.execute("DELETE FROM spent WHERE nonce = $1", &[&spend.nonce.as_slice()]).await?;
            }
            return Ok(Linked::SubjectTaken);
        }
    }
    let (change, is_news) = merge(tx, queries::identity(tx, &seen.identity_id).await?, seen).await?;
    if is_news || is_new {
        feed::tell(tx, &change).await?;
    }
    Ok(Linked::Done(change))
}

pub(super) async fn unlink(tx: &Link, subject: &Subject) -> Result<Option<Change>, Failure> {
    loop {
        let Some(identity) = linked_to(tx, subject).await? else { return Ok(None) };
        lock(tx, &identity).await?;
        let change = change(tx, &identity).await?;
        let sql = "DELETE FROM link WHERE subject = $1 AND identity_id = $2";
        // Before the lock was ours the subject may have been linked to another one.
        if tx.execute(sql, &[&subject.as_str(), &identity.as_str()]).await? == 1 {
            feed::tell(tx, &change).await?;
            return Ok(Some(change));
        }
    }
}

pub(super) async fn forget(tx: &Link, id: &IdentityId, at: Timestamp) -> Result<Option<Change>, Failure> {
    lock(tx, id).await?;
    let change = change(tx, id).await?;
    let identities = tx.execute("DELETE FROM identity WHERE identity_id = $1", &[&id.as_str()]).await?;
    let links = tx.execute("DELETE FROM link WHERE identity_id = $1", &[&id.as_str()]).await?;
    fields::forget(tx, id).await?;
    effects::disown(tx, id).await?;
    let tombstone = "INSERT INTO forgotten AS known (identity_hash, forgotten_at) VALUES ($1, $2)
        ON CONFLICT (identity_hash) DO UPDATE SET forgotten_at = greatest(known.forgotten_at, excluded.forgotten_at)";
    tx.execute(tombstone, &[&hash(id).as_slice(), &at.as_millis()]).await?;
    if identities + links == 0 {
        return Ok(None);
    }
    feed::tell(tx, &change).await?;
    Ok(Some(change))
}

/// The subjects linked to an identity.
pub(super) async fn change(tx: &Link, id: &IdentityId) -> Result<Change, Failure> {
    let rows = tx.query("SELECT subject FROM link WHERE identity_id = $1", &[&id.as_str()]).await?;
    let subjects = rows.iter().map(|row| rows::subject(row, 0)).collect::<Result<_, _>>()?;
    Ok(Change { identity_id: id.clone(), subjects })
}

/// Merges under the identity's lock. True: the row is another than before.
async fn merge(tx: &Link, known: Option<Identity>, seen: &Observation) -> Result<(Change, bool), Failure> {
    let merged = Identity::merge(known.clone(), seen);
    let is_news = known.as_ref() != Some(&merged);
    if is_news {
        write(tx, &merged).await?;
    }
    fields::keep(tx, seen).await?;
    Ok((change(tx, &seen.identity_id).await?, is_news))
}

async fn write(tx: &Link, identity: &Identity) -> Result<(), Failure> {
    let sql = "INSERT INTO identity (identity_id, status, checked_at, verification_id, verified_at,
            face_authenticated_at, attestation, face_verification_id, face_source_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (identity_id) DO UPDATE SET status = excluded.status, checked_at = excluded.checked_at,
            verification_id = excluded.verification_id, verified_at = excluded.verified_at,
            face_authenticated_at = excluded.face_authenticated_at, attestation = excluded.attestation,
            face_verification_id = excluded.face_verification_id, face_source_id = excluded.face_source_id";
    let origin = &identity.face_origin;
    tx.execute(
        sql,
        &[
            &identity.identity_id.as_str(),
            &rows::word(identity.status.as_str()).as_ref(),
            &identity.checked_at.as_millis(),
            &identity.verification_id.as_ref().map(|id| id.as_str()),
            &identity.verified_at.map(Timestamp::as_millis),
            &identity.face_authenticated_at.map(Timestamp::as_millis),
            &identity.attestation.as_ref().map(|status| rows::word(status.as_str())).as_deref(),
            &origin.verification_id.as_ref().map(|id| id.as_str()),
            &origin.source_id,
        ],
    )
    .await
    .map(drop)
}

async fn linked_to(tx: &Link, subject: &Subject) -> Result<Option<IdentityId>, Failure> {
    let row = tx.query_opt("SELECT identity_id FROM link WHERE subject = $1", &[&subject.as_str()]).await?;
    row.map(|row| rows::identity_id(get(&row, 0)?)).transpose()
}

/// At this instant or later.
async fn is_forgotten(tx: &Link, id: &IdentityId, since: Timestamp) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM forgotten WHERE identity_hash = $1 AND forgotten_at >= $2";
    let row = tx.query_opt(sql, &[&hash(id).as_slice(), &since.as_millis()]).await?;
    Ok(row.is_some())
}

pub(super) fn hash(id: &IdentityId) -> [u8; 32] {
    Sha256::digest(id.as_str()).into()
}
