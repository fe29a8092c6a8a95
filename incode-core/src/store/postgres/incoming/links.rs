use std::sync::{Arc, LazyLock};

use super::{Column, Incoming, Outcome, get, is_forgotten, lock, now, number, tell};
use crate::store::StoreError;
use crate::store::moving::page::Page;
use crate::store::postgres::failure::Failure;
use crate::store::postgres::link::Link;
use crate::store::sqlite::snapshot::{AskedLink, Snapshot};

impl Incoming {
    /// With the subjects whose links contradict what is there: linked to another identity, or to one that is a stranger's
    /// there, somebody's whom `from` does not know to be linked to it. What was there once, and no longer is, was unlinked there.
    pub(in crate::store) async fn links(
        &self,
        page: Page,
        from: &Snapshot,
    ) -> Result<(Outcome, Vec<String>), StoreError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            let is_forgotten = is_forgotten("source.identity_id", "source.linked_at", "$6::bigint");
            let link_hash = link_hash("source");
            format!(
                "WITH new AS MATERIALIZED (
                SELECT source.*, known.identity_id AS known_identity, {link_hash} AS link_hash,
                    {is_forgotten} AS is_forgotten,
                    known.identity_id IS NULL AND EXISTS (SELECT 1 FROM moved_link brought
                        WHERE brought.link_hash = {link_hash} AND brought.source_at = source.linked_at) AS is_unlinked,
                    source.identity_id = ANY($5::text[]) AS is_strangers
                FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
                    AS source (subject, identity_id, proof, linked_at)
                LEFT JOIN link known ON known.subject = source.subject
            ), kept AS (
                INSERT INTO link (subject, identity_id, proof, linked_at)
                SELECT subject, identity_id, proof, least(linked_at, $6::bigint) FROM new
                WHERE known_identity IS NULL AND NOT is_forgotten AND NOT is_unlinked AND NOT is_strangers
                ON CONFLICT DO NOTHING RETURNING subject, linked_at
            ), remembered AS (
                INSERT INTO moved_link (link_hash, identity_hash, source_at, linked_at)
                SELECT link_hash, sha256(convert_to(identity_id, 'UTF8')), new.linked_at, kept.linked_at
                FROM new LEFT JOIN kept USING (subject) WHERE known_identity = identity_id OR kept.subject IS NOT NULL
                ON CONFLICT (link_hash) DO UPDATE SET source_at = excluded.source_at, linked_at = excluded.linked_at
                    WHERE moved_link.source_at <> excluded.source_at)
            SELECT (SELECT count(*) FROM kept),
                (SELECT count(*) FROM new WHERE known_identity IS NULL AND (is_forgotten OR is_unlinked)),
                ARRAY(SELECT subject FROM new WHERE NOT is_forgotten AND NOT is_unlinked
                    AND (known_identity <> identity_id OR known_identity IS NULL AND is_strangers))"
            )
        });
        let columns: Vec<_> = page.columns.iter().map(Column::as_sql).collect();
        self.transact(async |tx: Arc<Link>| {
            let tx = &*tx;
            let mut ids: Vec<&str> = page.texts(1).collect();
            ids.sort_unstable();
            ids.dedup();
            lock(tx, ids.iter().copied()).await?;
            let held = tx.query("SELECT subject, identity_id FROM link WHERE identity_id = ANY($1)", &[&ids]).await?;
            let held =
                held.iter().map(|row| asked(get(row, 0)?, get(row, 1)?, None)).collect::<Result<_, Failure>>()?;
            let strangers = from.unknown_links(held).await.map_err(Failure::of_source)?;
            let strangers: Vec<&str> = strangers.iter().map(|link| link.identity_id.as_str()).collect();
            let now = now(tx).await?;
            let params: Vec<_> = columns.iter().copied().chain([&strangers as _, &now as _]).collect();
            let row = tx.query_one(&SQL, &params).await?;
            let contradicting: Vec<String> = get(&row, 2)?;
            let conflicts = contradicting.len() as u64;
            let outcome = Outcome { copied: number(&row, 0)?, newer: number(&row, 1)?, conflicts };
            tell(tx, &outcome).await?;
            Ok((outcome, contradicting))
        })
        .await
    }

    /// Of some of the subjects after this one, those whose links are there as earlier copies brought them; and the last subject that
    /// was looked at, if any was.
    pub(in crate::store) async fn brought_links(
        &self,
        after: &str,
    ) -> Result<(Vec<AskedLink>, Option<String>), StoreError> {
        // The subjects first, or the server may look at every link there is for each page.
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "WITH seen AS MATERIALIZED (SELECT * FROM link WHERE subject > $1 ORDER BY subject LIMIT 200)
            SELECT subject, seen.identity_id, source_at FROM seen
            LEFT JOIN moved_link brought ON link_hash = {} AND brought.linked_at = seen.linked_at ORDER BY subject",
                link_hash("seen")
            )
        });
        self.transact(async |tx: Arc<Link>| {
            let tx = &*tx;
            let rows = tx.query(&SQL, &[&after]).await?;
            let mut brought = Vec::new();
            for row in &rows {
                if let Some(source_at) = get(row, 2)? {
                    brought.push(asked(get(row, 0)?, get(row, 1)?, Some(source_at))?);
                }
            }
            Ok((brought, rows.last().map(|row| get(row, 0)).transpose()?))
        })
        .await
    }

    /// Removes links that are as they were brought.
    pub(in crate::store) async fn remove_links(&self, links: Vec<AskedLink>) -> Result<u64, StoreError> {
        if links.is_empty() {
            return Ok(0);
        }
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
            "WITH gone AS MATERIALIZED (
                SELECT subject, identity_id, {} AS link_hash FROM unnest($1::text[], $2::text[]) AS source (subject, identity_id)
            ), removed AS (
                DELETE FROM link USING gone, moved_link brought
                WHERE (link.subject, link.identity_id) = (gone.subject, gone.identity_id)
                    AND brought.link_hash = gone.link_hash AND brought.linked_at = link.linked_at
                RETURNING brought.link_hash
            ), settled AS (DELETE FROM moved_link USING removed WHERE moved_link.link_hash = removed.link_hash)
            SELECT count(*) FROM removed",
            link_hash("source")
        )
        });
        let subjects: Vec<&str> = links.iter().map(|link| link.subject.as_str()).collect();
        let ids: Vec<&str> = links.iter().map(|link| link.identity_id.as_str()).collect();
        self.transact(async |tx: Arc<Link>| {
            let tx = &*tx;
            lock(tx, ids.iter().copied()).await?;
            let removed = number(&tx.query_one(&SQL, &[&subjects, &ids]).await?, 0)?;
            tell(tx, &Outcome { copied: removed, ..Outcome::default() }).await?;
            Ok(removed)
        })
        .await
    }
}

/// Of a row of this table: nobody is named by it.
fn link_hash(table: &str) -> String {
    format!("sha256(convert_to(length({table}.subject) || ':' || {table}.subject || {table}.identity_id, 'UTF8'))")
}

fn asked(subject: &str, identity_id: &str, linked_at: Option<i64>) -> Result<AskedLink, Failure> {
    Ok(AskedLink { subject: subject.to_owned(), identity_id: identity_id.to_owned(), linked_at })
}
