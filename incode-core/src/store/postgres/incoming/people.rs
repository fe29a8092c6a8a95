use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use sha2::{Digest, Sha256};

use super::{Column, Incoming, Outcome, get, is_forgotten, lock, now, tell, write_with};
use crate::identity::{self, Identity};
use crate::model::IdentityStatus;
use crate::store::StoreError;
use crate::store::moving::page::Page;
use crate::store::postgres::failure::Failure;
use crate::store::postgres::identities::hash;
use crate::store::postgres::link::Link;
use crate::store::postgres::rows;
use crate::{IdentityId, Timestamp};

impl Incoming {
    /// Tombstones, and what they erase: all of whoever is there as he was brought, as forgetting him there would; of whoever was seen
    /// there since, what is older.
    pub(in crate::store) async fn forgotten(&self, page: Page) -> Result<Outcome, StoreError> {
        let news = "SELECT hash FROM unnest($1::bytea[], $2::bigint[]) AS new (hash, at)
            LEFT JOIN moved_forgotten ON identity_hash = hash WHERE source_at IS DISTINCT FROM new.at";
        let ids = "SELECT identity_id FROM identity WHERE sha256(convert_to(identity_id, 'UTF8')) = ANY($1)
            UNION SELECT identity_id FROM link WHERE sha256(convert_to(identity_id, 'UTF8')) = ANY($1)";
        let keep = "WITH new AS MATERIALIZED (
                SELECT hash, source_at, least(source_at, $4::bigint) AS at, hash = ANY($3::bytea[]) AS is_new
                FROM unnest($1::bytea[], $2::bigint[]) AS new (hash, source_at)
            ), kept AS (
                INSERT INTO forgotten AS known (identity_hash, forgotten_at) SELECT hash, at FROM new WHERE is_new
                ON CONFLICT (identity_hash) DO UPDATE SET forgotten_at = excluded.forgotten_at
                    WHERE excluded.forgotten_at > known.forgotten_at
                RETURNING identity_hash
            ), remembered AS (
                INSERT INTO moved_forgotten (identity_hash, source_at, at) SELECT hash, source_at, at FROM new WHERE is_new
                ON CONFLICT (identity_hash) DO UPDATE SET source_at = excluded.source_at, at = excluded.at)
            SELECT (SELECT count(*) FROM kept),
                (SELECT count(*) FROM new JOIN forgotten known ON known.identity_hash = hash
                    LEFT JOIN moved_forgotten brought ON brought.identity_hash = hash
                    WHERE known.forgotten_at > CASE WHEN is_new THEN new.at ELSE brought.at END)";
        let erase = "WITH gone AS MATERIALIZED (
                SELECT who, identity_hash AS hash, forgotten_at AS at, identity_hash <> ALL($2::bytea[]) AS is_all
                FROM unnest($3::text[]) AS who JOIN forgotten ON identity_hash = sha256(convert_to(who, 'UTF8'))
            ), identities AS (
                DELETE FROM identity USING gone WHERE identity_id = who AND (is_all OR checked_at <= at)
            ), links AS (
                DELETE FROM link USING gone WHERE identity_id = who AND (is_all OR linked_at <= at
                    OR EXISTS (SELECT 1 FROM moved_link brought
                        WHERE brought.identity_hash = hash AND brought.linked_at = link.linked_at))
            ), fields AS (
                DELETE FROM field USING gone WHERE identity_id = who AND (is_all OR sent_at <= at)
            ), effects AS (
                UPDATE effect SET identity_id = NULL FROM gone WHERE identity_id = who AND (is_all OR applied_at <= at)
            ), brought_links AS (DELETE FROM moved_link WHERE identity_hash = ANY($1::bytea[]))
            DELETE FROM moved_identity WHERE identity_hash = ANY($1::bytea[])";
        let columns: Vec<_> = page.columns.iter().map(Column::as_sql).collect();
        self.transact(async |tx: Arc<Link>| {
            let tx = &*tx;
            let news = tx.query(news, &columns).await?;
            let news: Vec<&[u8]> = news.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
            if news.is_empty() {
                return write_with(tx, keep, &page, &[&news, &now(tx).await?]).await;
            }
            // It looks at everybody who is there: a second for some hundred thousand, on a small server.
            tx.simple("SET LOCAL statement_timeout = '30s'").await?;
            let rows = tx.query(ids, &[&news]).await?;
            let ids: Vec<&str> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
            // Before any tombstone, as whoever forgets does: two who wait for each other would be a circle.
            lock(tx, ids.iter().copied()).await?;
            let (known, brought) = (known(tx, &ids).await?, brought(tx, &ids).await?);
            let seen = known.values().filter(|known| !is_as_brought(known, brought.get(&hash(&known.identity_id)[..])));
            let seen_since: Vec<_> = seen.map(|known| hash(&known.identity_id).to_vec()).collect();
            let outcome = write_with(tx, keep, &page, &[&news, &now(tx).await?]).await?;
            tx.execute(erase, &[&news, &seen_since, &ids]).await?;
            tell(tx, &Outcome { copied: news.len() as u64, ..Outcome::default() }).await?;
            Ok(outcome)
        })
        .await
    }

    pub(in crate::store) async fn identities(&self, page: Vec<Identity>) -> Result<Outcome, StoreError> {
        self.transact(async |tx: Arc<Link>| {
            let tx = &*tx;
            let ids: Vec<&str> = page.iter().map(|identity| identity.identity_id.as_str()).collect();
            lock(tx, ids.iter().copied()).await?;
            let now = Timestamp::from_millis(now(tx).await?);
            let (mut known, brought) = (known(tx, &ids).await?, brought(tx, &ids).await?);
            let tombstones = tombstones(tx, page.iter().map(|identity| &identity.identity_id)).await?;
            let (mut outcome, mut merged) = (Outcome::default(), Vec::new());
            let mut as_brought = HashSet::new();
            for source in &page {
                let new = not_ahead_of(now, source);
                let hash = hash(&source.identity_id);
                let (forgotten_at, brought) = (tombstones.get(&hash[..]), brought.get(&hash[..]));
                match known.remove(source.identity_id.as_str()) {
                    // Forgotten there since, or what there is to bring was brought.
                    None if brought.is_some() => outcome.newer += 1,
                    Some(known) if brought.is_some_and(|brought| brought.source == mark(source)) => {
                        outcome.newer += u64::from(!is_as_brought(&known, brought));
                    }
                    _ if forgotten_at.is_some_and(|at| *at >= new.checked_at) => outcome.newer += 1,
                    _ if forgotten_at.is_some() && source.checked_at > now => outcome.newer += 1,
                    Some(known) if !is_as_brought(&known, brought) => {
                        let both = identity::join(known.clone(), new.clone());
                        let both = if source.checked_at > now || known.checked_at > now {
                            wary(both, &known, &new)
                        } else {
                            both
                        };
                        if both != known {
                            merged.push(both);
                        } else if known != new {
                            outcome.newer += 1;
                        }
                    }
                    // Nobody but the file has seen him since: its row is the later one, whatever the times say.
                    known => {
                        as_brought.insert(source.identity_id.as_str());
                        if known.as_ref() != Some(&new) {
                            merged.push(new);
                        }
                    }
                }
            }
            outcome.copied = merged.len() as u64;
            put(tx, &merged).await?;
            remember(tx, &page, &as_brought, now).await?;
            tell(tx, &outcome).await?;
            Ok(outcome)
        })
        .await
    }

    pub(in crate::store) async fn fields(&self, page: Page) -> Result<Outcome, StoreError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            let is_forgotten = is_forgotten("source.identity_id", "source.sent_at", "$6::bigint");
            format!(
            "WITH new AS MATERIALIZED (
                SELECT source.identity_id, source.field, source.sealed, least(source.sent_at, $6::bigint) AS sent_at,
                    source.expires_at, {is_forgotten} AS is_forgotten, source.sent_at > $6::bigint AND known.sealed = source.sealed AS is_there,
                    source.sent_at > $6::bigint AND known.sealed <> source.sealed AND source.identity_id = ANY($7::text[]) AS is_newer
                FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[])
                    AS source (identity_id, field, sealed, sent_at, expires_at)
                LEFT JOIN field known USING (identity_id, field)
            ), kept AS (
                INSERT INTO field AS known (identity_id, field, sealed, sent_at, expires_at)
                SELECT identity_id, field, sealed, sent_at, expires_at FROM new
                WHERE NOT is_forgotten AND is_there IS NOT true AND is_newer IS NOT true
                ON CONFLICT (identity_id, field) DO UPDATE SET sealed = excluded.sealed, sent_at = excluded.sent_at,
                    expires_at = excluded.expires_at
                WHERE (excluded.sent_at, excluded.expires_at, excluded.sealed)
                    > (known.sent_at, known.expires_at, known.sealed)
                RETURNING 1)
            SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM new LEFT JOIN field known USING (identity_id, field)
                WHERE is_forgotten OR is_newer OR is_there IS NOT true AND (known.sent_at, known.expires_at, known.sealed)
                    > (new.sent_at, new.expires_at, new.sealed))"
            )
        });
        self.transact(async |tx: Arc<Link>| {
            let tx = &*tx;
            let mut ids: Vec<&str> = page.texts(0).collect();
            ids.dedup();
            lock(tx, ids.iter().copied()).await?;
            // Of a time that is ahead nobody can tell whether it was before what the vendor said there since.
            let (mut known, brought) = (known(tx, &ids).await?, brought(tx, &ids).await?);
            known.retain(|_, known| !is_as_brought(known, brought.get(&hash(&known.identity_id)[..])));
            let seen_since: Vec<&str> = known.keys().map(String::as_str).collect();
            let outcome = write_with(tx, &SQL, &page, &[&now(tx).await?, &seen_since]).await?;
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
        self.transact(async |tx: Arc<Link>| write_with(&tx, sql, &page, &[]).await).await
    }
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

/// What is remembered of a row that was looked at before.
struct Brought {
    source: Vec<u8>,
    /// `None`: it was there, and is not the move's.
    written: Option<Vec<u8>>,
}

async fn brought(tx: &Link, ids: &[&str]) -> Result<HashMap<Vec<u8>, Brought>, Failure> {
    let hashes: Vec<Vec<u8>> = ids.iter().map(|id| Sha256::digest(id).to_vec()).collect();
    let sql = "SELECT identity_hash, source, written FROM moved_identity WHERE identity_hash = ANY($1)";
    let rows = tx.query(sql, &[&hashes]).await?;
    rows.iter().map(|row| Ok((get(row, 0)?, Brought { source: get(row, 1)?, written: get(row, 2)? }))).collect()
}

async fn remember(tx: &Link, page: &[Identity], as_brought: &HashSet<&str>, now: Timestamp) -> Result<(), Failure> {
    // What an earlier copy wrote stays known, so that it shows whether it was written over since.
    let sql = "INSERT INTO moved_identity AS known (identity_hash, source, written)
        SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[])
        ON CONFLICT (identity_hash) DO UPDATE SET source = excluded.source,
            written = coalesce(excluded.written, known.written)
        WHERE excluded.source <> known.source";
    let hashes: Vec<Vec<u8>> = page.iter().map(|identity| hash(&identity.identity_id).to_vec()).collect();
    let sources: Vec<Vec<u8>> = page.iter().map(mark).collect();
    let written = page
        .iter()
        .map(|source| as_brought.contains(source.identity_id.as_str()).then(|| mark(&not_ahead_of(now, source))));
    let written: Vec<Option<Vec<u8>>> = written.collect();
    tx.execute(sql, &[&hashes, &sources, &written]).await.map(drop)
}

fn is_as_brought(known: &Identity, brought: Option<&Brought>) -> bool {
    brought.is_some_and(|brought| brought.written.as_ref() == Some(&mark(known)))
}

/// Tells a row from every other one, as both databases hold it.
fn mark(identity: &Identity) -> Vec<u8> {
    let status = rows::word(identity.status.as_str());
    let attestation = identity.attestation.as_ref().map(|status| rows::word(status.as_str()));
    let times = [Some(identity.checked_at), identity.verified_at, identity.face_authenticated_at];
    let origin = &identity.face_origin;
    let words = [
        Some(identity.identity_id.as_str()),
        Some(&*status),
        attestation.as_deref(),
        identity.verification_id.as_ref().map(|id| id.as_str()),
        origin.verification_id.as_ref().map(|id| id.as_str()),
        origin.source_id.as_deref(),
    ];
    let mut digest = Sha256::new();
    for time in times {
        digest.update(time.map_or(i64::MIN, Timestamp::as_millis).to_be_bytes());
    }
    for word in words {
        digest.update(word.map_or(u64::MAX, |word| word.len() as u64).to_be_bytes());
        digest.update(word.unwrap_or_default());
    }
    digest.finalize().to_vec()
}

/// A time that lies ahead would win over what is said until then, though that comes later.
fn not_ahead_of(now: Timestamp, source: &Identity) -> Identity {
    Identity {
        checked_at: source.checked_at.min(now),
        verified_at: source.verified_at.map(|at| at.min(now)),
        face_authenticated_at: source.face_authenticated_at.map(|at| at.min(now)),
        ..source.clone()
    }
}

/// Where nobody can tell which of two words is the later one, the one that trusts less stands.
fn wary(both: Identity, known: &Identity, new: &Identity) -> Identity {
    let trusts = |identity: &Identity| identity.status == IdentityStatus::Active;
    let wary = match (trusts(known), trusts(new)) {
        (true, false) => new,
        (false, true) => known,
        _ => return both,
    };
    Identity { status: wary.status.clone(), attestation: wary.attestation.clone(), checked_at: wary.checked_at, ..both }
}

/// Those that the file does not have itself, with their times. Its own are older than its rows, or these would be gone.
async fn tombstones<'a>(
    tx: &Link,
    ids: impl Iterator<Item = &'a IdentityId>,
) -> Result<HashMap<Vec<u8>, Timestamp>, Failure> {
    let hashes: Vec<Vec<u8>> = ids.map(|id| hash(id).to_vec()).collect();
    let sql =
        "SELECT identity_hash, forgotten_at FROM forgotten LEFT JOIN moved_forgotten brought USING (identity_hash)
        WHERE identity_hash = ANY($1) AND (at IS NULL OR forgotten_at > at)";
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
