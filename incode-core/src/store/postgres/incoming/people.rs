use std::collections::HashMap;

use super::{Incoming, Outcome, get, number, tell, write};
use crate::identity::{self, Identity};
use crate::store::StoreError;
use crate::store::moving::page::Page;
use crate::store::postgres::failure::Failure;
use crate::store::postgres::identities::{hash, lock_number};
use crate::store::postgres::link::Link;
use crate::store::postgres::rows;
use crate::store::sqlite::snapshot::{AskedLink, Snapshot};
use crate::{IdentityId, Timestamp};

impl Incoming {
    /// Tombstones, and what they erase.
    pub(in crate::store) async fn forgotten(&self, page: Page) -> Result<Outcome, StoreError> {
        let sql =
            "WITH new AS MATERIALIZED (SELECT * FROM unnest($1::bytea[], $2::bigint[]) AS new (hash, at)), kept AS (
                INSERT INTO forgotten AS known (identity_hash, forgotten_at) SELECT hash, at FROM new
                ON CONFLICT (identity_hash) DO UPDATE SET forgotten_at = excluded.forgotten_at
                    WHERE excluded.forgotten_at > known.forgotten_at
                RETURNING identity_hash)
            SELECT (SELECT count(*) FROM kept),
                (SELECT count(*) FROM new JOIN forgotten known ON identity_hash = hash WHERE forgotten_at > at)";
        let known = "SELECT identity_id FROM identity
            WHERE sha256(convert_to(identity_id, 'UTF8')) IN (SELECT unnest($1::bytea[])) ORDER BY identity_id COLLATE \"C\"";
        let erase = "WITH gone AS MATERIALIZED (
                SELECT identity_hash AS hash, forgotten_at AS at FROM forgotten
                WHERE identity_hash IN (SELECT unnest($1::bytea[]))
            ), identities AS (
                DELETE FROM identity USING gone WHERE sha256(convert_to(identity_id, 'UTF8')) = hash AND checked_at <= at
            ), links AS (
                DELETE FROM link USING gone WHERE sha256(convert_to(identity_id, 'UTF8')) = hash AND linked_at <= at
            ), fields AS (
                DELETE FROM field USING gone WHERE sha256(convert_to(identity_id, 'UTF8')) = hash AND sent_at <= at
            )
            UPDATE effect SET identity_id = NULL FROM gone
            WHERE identity_id IS NOT NULL AND sha256(convert_to(identity_id, 'UTF8')) = hash AND applied_at <= at";
        self.transact(async |tx| {
            let outcome = write(tx, sql, &page).await?;
            if outcome.copied > 0 {
                let hashes: Vec<&[u8]> = page.bytes(0).collect();
                let rows = tx.query(known, &[&hashes]).await?;
                lock(tx, rows.iter().map(|row| get(row, 0)).collect::<Result<Vec<&str>, _>>()?).await?;
                tx.execute(erase, &[&hashes]).await?;
            }
            tell(tx, &outcome).await?;
            Ok(outcome)
        })
        .await
    }

    pub(in crate::store) async fn identities(&self, page: Vec<Identity>) -> Result<Outcome, StoreError> {
        self.transact(async |tx| {
            let ids: Vec<&str> = page.iter().map(|identity| identity.identity_id.as_str()).collect();
            lock(tx, ids.iter().copied()).await?;
            let mut known = known(tx, &ids).await?;
            let tombstones = tombstones(tx, page.iter().map(|identity| &identity.identity_id)).await?;
            let (mut outcome, mut merged) = (Outcome::default(), Vec::new());
            for new in &page {
                let forgotten_at = tombstones.get(&hash(&new.identity_id)[..]);
                match known.remove(new.identity_id.as_str()) {
                    _ if forgotten_at.is_some_and(|at| *at >= new.checked_at) => outcome.newer += 1,
                    None => merged.push(new.clone()),
                    Some(known) => {
                        let both = identity::join(known.clone(), new.clone());
                        if both != known {
                            merged.push(both);
                        } else if known != *new {
                            outcome.newer += 1;
                        }
                    }
                }
            }
            outcome.copied = merged.len() as u64;
            put(tx, &merged).await?;
            tell(tx, &outcome).await?;
            Ok(outcome)
        })
        .await
    }

    pub(in crate::store) async fn fields(&self, page: Page) -> Result<Outcome, StoreError> {
        let sql = "WITH new AS MATERIALIZED (
                SELECT new.*, EXISTS (SELECT 1 FROM forgotten WHERE forgotten_at >= sent_at
                    AND identity_hash = sha256(convert_to(identity_id, 'UTF8'))) AS is_forgotten
                FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[])
                    AS new (identity_id, field, sealed, sent_at, expires_at)
            ), kept AS (
                INSERT INTO field AS known (identity_id, field, sealed, sent_at, expires_at)
                SELECT identity_id, field, sealed, sent_at, expires_at FROM new WHERE NOT is_forgotten
                ON CONFLICT (identity_id, field) DO UPDATE SET sealed = excluded.sealed, sent_at = excluded.sent_at,
                    expires_at = excluded.expires_at
                WHERE (excluded.sent_at, excluded.expires_at, excluded.sealed)
                    > (known.sent_at, known.expires_at, known.sealed)
                RETURNING 1)
            SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM new LEFT JOIN field known USING (identity_id, field)
                WHERE is_forgotten OR (known.sent_at, known.expires_at, known.sealed)
                    > (new.sent_at, new.expires_at, new.sealed))";
        self.transact(async |tx| {
            let outcome = write(tx, sql, &page).await?;
            tell(tx, &outcome).await?;
            Ok(outcome)
        })
        .await
    }

    pub(in crate::store) async fn spent(&self, page: Page) -> Result<Outcome, StoreError> {
        let sql = "WITH kept AS (
                INSERT INTO spent (nonce, expires_at) SELECT * FROM unnest($1::bytea[], $2::bigint[])
                ON CONFLICT DO NOTHING RETURNING 1)
            SELECT count(*), 0::bigint FROM kept";
        self.transact(async |tx| write(tx, sql, &page).await).await
    }

    /// With the subjects whose links contradict what is there: linked to another identity, or to one that is a stranger's
    /// there, somebody's whom `from` does not know to be linked to it.
    pub(in crate::store) async fn links(
        &self,
        page: Page,
        from: &Snapshot,
    ) -> Result<(Outcome, Vec<String>), StoreError> {
        let sql = "WITH new AS MATERIALIZED (
                SELECT new.*, known.identity_id AS known_identity,
                    EXISTS (SELECT 1 FROM forgotten WHERE forgotten_at >= new.linked_at
                        AND identity_hash = sha256(convert_to(new.identity_id, 'UTF8'))) AS is_forgotten,
                    new.identity_id = ANY($5::text[]) AS is_strangers
                FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS new (subject, identity_id, proof, linked_at)
                LEFT JOIN link known ON known.subject = new.subject
            ), kept AS (
                INSERT INTO link (subject, identity_id, proof, linked_at) SELECT subject, identity_id, proof, linked_at
                FROM new WHERE known_identity IS NULL AND NOT is_forgotten AND NOT is_strangers
                ON CONFLICT DO NOTHING RETURNING subject, identity_id, linked_at
            ), remembered AS (
                INSERT INTO moved_link (subject, identity_id, linked_at) SELECT * FROM kept WHERE $6
                ON CONFLICT (subject) DO UPDATE SET identity_id = excluded.identity_id, linked_at = excluded.linked_at)
            SELECT (SELECT count(*) FROM kept),
                (SELECT count(*) FROM new WHERE is_forgotten AND known_identity IS DISTINCT FROM identity_id),
                ARRAY(SELECT subject FROM new WHERE NOT is_forgotten
                    AND (known_identity <> identity_id OR known_identity IS NULL AND is_strangers))";
        let columns: Vec<_> = page.columns.iter().map(super::Column::as_sql).collect();
        self.transact(async |tx| {
            let mut ids: Vec<&str> = page.texts(1).collect();
            ids.sort_unstable();
            ids.dedup();
            lock(tx, ids.iter().copied()).await?;
            let held = tx.query("SELECT subject, identity_id FROM link WHERE identity_id = ANY($1)", &[&ids]).await?;
            let held =
                held.iter().map(|row| asked(get(row, 0)?, get(row, 1)?, None)).collect::<Result<_, Failure>>()?;
            let strangers = from.unknown_links(held).await.map_err(Failure::of_source)?;
            let strangers: Vec<&str> = strangers.iter().map(|link| link.identity_id.as_str()).collect();
            let params: Vec<_> = columns.iter().copied().chain([&strangers as _, &from.is_in_use as _]).collect();
            let row = tx.query_one(sql, &params).await?;
            let contradicting: Vec<String> = get(&row, 2)?;
            let conflicts = contradicting.len() as u64;
            let outcome = Outcome { copied: number(&row, 0)?, newer: number(&row, 1)?, conflicts };
            tell(tx, &outcome).await?;
            Ok((outcome, contradicting))
        })
        .await
    }

    /// Some of the links that earlier copies brought, those of the subjects after this one.
    pub(in crate::store) async fn brought_links(&self, after: &str) -> Result<Vec<AskedLink>, StoreError> {
        let sql =
            "SELECT subject, identity_id, linked_at FROM moved_link WHERE subject > $1 ORDER BY subject LIMIT 1000";
        self.transact(async |tx| {
            let rows = tx.query(sql, &[&after]).await?;
            rows.iter().map(|row| asked(get(row, 0)?, get(row, 1)?, Some(get(row, 2)?))).collect()
        })
        .await
    }

    /// Removes links that are as they were brought.
    pub(in crate::store) async fn remove_links(&self, links: Vec<AskedLink>) -> Result<u64, StoreError> {
        if links.is_empty() {
            return Ok(0);
        }
        let sql = "WITH gone AS MATERIALIZED (
                SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) AS gone (subject, identity_id, linked_at)
            ), removed AS (
                DELETE FROM link USING gone WHERE (link.subject, link.identity_id, link.linked_at)
                    = (gone.subject, gone.identity_id, gone.linked_at) RETURNING 1
            ), settled AS (DELETE FROM moved_link USING gone WHERE moved_link.subject = gone.subject)
            SELECT count(*) FROM removed";
        let subjects: Vec<&str> = links.iter().map(|link| link.subject.as_str()).collect();
        let ids: Vec<&str> = links.iter().map(|link| link.identity_id.as_str()).collect();
        let times: Vec<_> = links.iter().map(|link| link.linked_at).collect();
        self.transact(async |tx| {
            let removed = number(&tx.query_one(sql, &[&subjects, &ids, &times]).await?, 0)?;
            tell(tx, &Outcome { copied: removed, ..Outcome::default() }).await?;
            Ok(removed)
        })
        .await
    }
}

/// As each of them alone; see [`crate::store::postgres::identities::lock`]. In an order, so that nobody waits in a circle.
async fn lock<'a>(tx: &Link, ids: impl IntoIterator<Item = &'a str>) -> Result<(), Failure> {
    let numbers = ids.into_iter().map(|id| lock_number(tx, b"identity", id.as_bytes()));
    let mut numbers: Vec<i64> = numbers.collect();
    numbers.sort_unstable();
    tx.query("SELECT pg_advisory_xact_lock(number) FROM unnest($1::bigint[]) AS number", &[&numbers]).await.map(drop)
}

async fn known(tx: &Link, ids: &[&str]) -> Result<HashMap<String, Identity>, Failure> {
    let sql =
        "SELECT identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at, attestation,
            face_verification_id, face_source_id
        FROM identity WHERE identity_id = ANY($1)";
    let rows = tx.query(sql, &[&ids]).await?;
    let known = rows.iter().map(rows::identity);
    known.map(|known| known.map(|known| (known.identity_id.as_str().to_owned(), known))).collect()
}

async fn tombstones<'a>(
    tx: &Link,
    ids: impl Iterator<Item = &'a IdentityId>,
) -> Result<HashMap<Vec<u8>, Timestamp>, Failure> {
    let hashes: Vec<Vec<u8>> = ids.map(|id| hash(id).to_vec()).collect();
    let sql = "SELECT identity_hash, forgotten_at FROM forgotten WHERE identity_hash = ANY($1)";
    tx.query(sql, &[&hashes]).await?.iter().map(|row| Ok((get(row, 0)?, rows::time(row, 1)?))).collect()
}

async fn put(tx: &Link, identities: &[Identity]) -> Result<(), Failure> {
    let sql = "INSERT INTO identity (identity_id, status, checked_at, verification_id, verified_at,
            face_authenticated_at, attestation, face_verification_id, face_source_id)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::text[],
            $8::text[], $9::text[])
        ON CONFLICT (identity_id) DO UPDATE SET status = excluded.status, checked_at = excluded.checked_at,
            verification_id = excluded.verification_id, verified_at = excluded.verified_at,
            face_authenticated_at = excluded.face_authenticated_at, attestation = excluded.attestation,
            face_verification_id = excluded.face_verification_id, face_source_id = excluded.face_source_id";
    fn all<'a, T>(identities: &'a [Identity], of: impl Fn(&'a Identity) -> T) -> Vec<T> {
        identities.iter().map(of).collect()
    }
    tx.execute(
        sql,
        &[
            &all(identities, |one| one.identity_id.as_str()),
            &all(identities, |one| rows::word(one.status.as_str()).into_owned()),
            &all(identities, |one| one.checked_at.as_millis()),
            &all(identities, |one| one.verification_id.as_ref().map(|id| id.as_str())),
            &all(identities, |one| one.verified_at.map(Timestamp::as_millis)),
            &all(identities, |one| one.face_authenticated_at.map(Timestamp::as_millis)),
            &all(identities, |one| one.attestation.as_ref().map(|status| rows::word(status.as_str()).into_owned())),
            &all(identities, |one| one.face_origin.verification_id.as_ref().map(|id| id.as_str())),
            &all(identities, |one| one.face_origin.source_id.as_deref()),
        ],
    )
    .await
    .map(drop)
}

fn asked(subject: &str, identity_id: &str, linked_at: Option<i64>) -> Result<AskedLink, Failure> {
    Ok(AskedLink { subject: subject.to_owned(), identity_id: identity_id.to_owned(), linked_at })
}
