//! All rows of a file as they are at one moment, for a copy. Nothing is written, and an app that has the file open goes on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::ToSql;
use rusqlite::{Connection, params, params_from_iter};
use tokio::sync::oneshot;

use super::failure::Failure;
use super::queue::{self, Queue};
use super::reader::{self, ReadJob};
use super::{file, queries, schema};
use crate::identity::Identity;
use crate::store::moving::page::{Column, Page, Value};
use crate::store::{StoreError, StoreErrorKind};

/// One read transaction on a file.
pub(in crate::store) struct Snapshot {
    reader: Queue<ReadJob>,
    /// Somebody has the file open, and may write on.
    pub(in crate::store) is_in_use: bool,
    /// The tables were of an older version, and had to be brought up first.
    pub(in crate::store) was_migrated: bool,
}

/// A table to read, in the order of its key.
pub(in crate::store) struct Source {
    /// Rows after a key, so many at most.
    sql: &'static str,
    /// What each column holds. The key comes first.
    kinds: &'static [Kind],
    /// How many columns are the key.
    pub(in crate::store) key: usize,
    /// How many rows a page has.
    pub(in crate::store) rows: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bytes,
    Number,
}

/// The last id that was ever given, of each table that counts.
pub(in crate::store) struct LastIds {
    pub(in crate::store) event: i64,
    pub(in crate::store) effect: i64,
    pub(in crate::store) audit: i64,
}

impl Snapshot {
    /// Nobody else can open the file as long as it lasts, unless somebody has it open already.
    pub(in crate::store) async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let (opened, opening) = oneshot::channel();
        let blocking = tokio::task::spawn_blocking(move || {
            let _ = opened.send(prepare(&path));
        });
        let prepared = queue::answer(opening).await?;
        // It has answered: its end is near.
        let _ = blocking.await;
        let Prepared { path, lock, was_migrated } = prepared;
        let is_in_use = lock.is_none();
        let (reader, jobs) = Queue::new(1);
        let (opened, opening) = oneshot::channel();
        reader::spawn(path, jobs, lock, opened)?;
        queue::answer(opening).await?;
        Ok(Self { reader, is_in_use, was_migrated })
    }

    /// From now on everything is read as it is at this moment.
    pub(in crate::store) async fn take(&self) -> Result<(), StoreError> {
        // It is the first look that takes the moment.
        self.ask(|conn| conn.execute_batch("BEGIN; SELECT count(*) FROM sqlite_master")).await
    }

    pub(in crate::store) async fn last_ids(&self) -> Result<LastIds, StoreError> {
        self.ask(|conn| {
            let number = |sql| conn.query_row(sql, [], |row| row.get(0));
            let counted = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ";
            Ok(LastIds {
                event: number("SELECT max(last_id, coalesce((SELECT max(id) FROM event), 0)) FROM inbox")?,
                effect: number(&format!("{counted}'effect'"))?,
                audit: number(&format!("{counted}'audit'"))?,
            })
        })
        .await
    }

    /// The rows after `after`: from the beginning when it is empty.
    pub(in crate::store) async fn page(&self, source: &'static Source, after: &[Value]) -> Result<Page, StoreError> {
        let after = if after.is_empty() { source.first() } else { after.to_vec() };
        self.ask(move |conn| read(conn, source, &after)).await
    }

    pub(in crate::store) async fn identities(&self, after: Option<&str>) -> Result<Vec<Identity>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        self.ask(move |conn| {
            let sql = "SELECT identity_id, status, checked_at, verification_id, verified_at, face_authenticated_at,
                    attestation, face_verification_id, face_source_id
                FROM identity WHERE identity_id > ? ORDER BY identity_id LIMIT ?";
            conn.prepare_cached(sql)?.query_map(params![after, limit(LOCKED_ROWS)], queries::read_identity)?.collect()
        })
        .await
    }

    /// Which of the links are not here, or to another identity.
    pub(in crate::store) async fn unknown_links(&self, links: Vec<AskedLink>) -> Result<Vec<AskedLink>, StoreError> {
        self.ask(move |conn| {
            let sql = "SELECT 1 FROM link WHERE subject = ?1 AND identity_id = ?2 AND (?3 IS NULL OR linked_at = ?3)";
            let mut known = conn.prepare_cached(sql)?;
            let mut unknown = Vec::new();
            for link in links {
                if !known.exists(params![link.subject, link.identity_id, link.linked_at])? {
                    unknown.push(link);
                }
            }
            Ok(unknown)
        })
        .await
    }

    pub(in crate::store) async fn close(self) {
        self.reader.close().await;
    }

    async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        queue::answer(self.reader.push(|reply| reader::job(reply, query)).await?).await
    }
}

/// A link that the other store has; without a time, whenever it was made.
#[derive(Clone, Debug)]
pub(in crate::store) struct AskedLink {
    pub(in crate::store) subject: String,
    pub(in crate::store) identity_id: String,
    pub(in crate::store) linked_at: Option<i64>,
}

struct Prepared {
    path: PathBuf,
    lock: Option<Arc<File>>,
    was_migrated: bool,
}

/// Takes the lock if it is free, and brings the tables up if they are older: the one case in which the file is written.
fn prepare(path: &Path) -> Result<Prepared, StoreError> {
    let path = file::absolute(path)?;
    // First of all, so that a wrong path leaves nothing behind.
    let conn = file::open_reader(&path)?;
    schema::check(&conn)?;
    let is_empty = conn.query_row("SELECT count(*) = 0 FROM sqlite_master", [], |row| row.get::<_, bool>(0));
    if is_empty.map_err(Failure::from)? {
        return Err(StoreError::with_source(StoreErrorKind::Incompatible, "the file is empty"));
    }
    let lock = file::try_lock(&path)?;
    let is_current = schema::is_current(&conn).map_err(Failure::from)?;
    drop(conn);
    match (is_current, &lock) {
        (true, _) => {}
        (false, Some(_)) => drop(file::open_writer(&path)?),
        (false, None) => {
            let cause = "the file is of an older version, and open in another process: stop that first";
            return Err(StoreError::with_source(StoreErrorKind::Unavailable, cause));
        }
    }
    Ok(Prepared { path, lock: lock.map(Arc::new), was_migrated: !is_current })
}

fn read(conn: &Connection, source: &Source, after: &[Value]) -> rusqlite::Result<Page> {
    let mut columns: Vec<Column> = source.kinds.iter().map(|kind| kind.column()).collect();
    let mut statement = conn.prepare_cached(source.sql)?;
    let limit = limit(source.rows);
    let params = after.iter().map(Value::as_sql).chain([&limit as &dyn ToSql]);
    let mut rows = statement.query(params_from_iter(params))?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        for (n, column) in columns.iter_mut().enumerate() {
            match column {
                // A word of the vendor's as PostgreSQL may hold it: every character but one.
                Column::Text(texts) => {
                    texts.push(row.get::<_, Option<String>>(n)?.map(|text| text.replace('\0', "\u{fffd}")));
                }
                Column::Bytes(bytes) => bytes.push(row.get(n)?),
                Column::Number(numbers) => numbers.push(row.get(n)?),
            }
        }
        count += 1;
    }
    Ok(Page { columns, rows: count })
}

fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

impl Source {
    /// Before every key.
    fn first(&self) -> Vec<Value> {
        let before = |kind: &Kind| match kind {
            Text => Value::Text(String::new()),
            Bytes => Value::Bytes(Vec::new()),
            Number => Value::Number(i64::MIN),
        };
        self.kinds.iter().take(self.key).map(before).collect()
    }
}

impl Kind {
    fn column(self) -> Column {
        match self {
            Self::Text => Column::Text(Vec::new()),
            Self::Bytes => Column::Bytes(Vec::new()),
            Self::Number => Column::Number(Vec::new()),
        }
    }
}

impl Value {
    fn as_sql(&self) -> &dyn ToSql {
        match self {
            Self::Text(text) => text,
            Self::Bytes(bytes) => bytes,
            Self::Number(number) => number,
        }
    }
}

use Kind::{Bytes, Number, Text};

pub(in crate::store) const FORGOTTEN: Source = Source {
    sql: "SELECT identity_hash, forgotten_at FROM forgotten WHERE identity_hash > ? ORDER BY identity_hash LIMIT ?",
    kinds: &[Bytes, Number],
    key: 1,
    rows: LOCKED_ROWS,
};
pub(in crate::store) const FIELD: Source = Source {
    sql: "SELECT identity_id, field, sealed, sent_at, expires_at FROM field WHERE (identity_id, field) > (?, ?)
        ORDER BY identity_id, field LIMIT ?",
    kinds: &[Text, Text, Bytes, Number, Number],
    key: 2,
    rows: LOCKED_ROWS,
};
pub(in crate::store) const LINK: Source = Source {
    sql: "SELECT subject, identity_id, proof, linked_at FROM link WHERE subject > ? ORDER BY subject LIMIT ?",
    kinds: &[Text, Text, Text, Number],
    key: 1,
    rows: LOCKED_ROWS,
};
pub(in crate::store) const SPENT: Source = Source {
    sql: "SELECT nonce, expires_at FROM spent WHERE nonce > ? ORDER BY nonce LIMIT ?",
    kinds: &[Bytes, Number],
    key: 1,
    rows: ROWS,
};
/// What is under a lease is due at once: who holds it holds it here, not there.
pub(in crate::store) const EVENT: Source = Source {
    sql: "SELECT id, kind, object_id, object_key, delivery_key, state, reason, attempts, lease, authenticated, vendor_time,
            received_at, iif(state = 'pending' AND lease % 2 = 1, received_at, due_at), settled_at, correlation_id, token
        FROM event WHERE id > ? ORDER BY id LIMIT ?",
    kinds: &[
        Number, Text, Text, Bytes, Bytes, Text, Text, Number, Number, Number, Number, Number, Number, Number, Text, Bytes,
    ],
    key: 1,
    rows: ROWS,
};
/// The same.
pub(in crate::store) const EFFECT: Source = Source {
    sql: "SELECT id, event_id, handler, kind, object_id, identity_id, state, failure, attempts, lease, applied_at,
            iif(state = 'pending' AND lease % 2 = 1, applied_at, due_at), settled_at
        FROM effect WHERE id > ? ORDER BY id LIMIT ?",
    kinds: &[Number, Number, Text, Text, Text, Text, Text, Text, Number, Number, Number, Number, Number],
    key: 1,
    rows: LOCKED_ROWS,
};
pub(in crate::store) const AUDIT: Source = Source {
    sql: "SELECT id, at, actor, action, event_id, reason, kind, accepted_before, identity, count
        FROM audit WHERE id > ? ORDER BY id LIMIT ?",
    kinds: &[Number, Number, Text, Text, Number, Text, Text, Number, Text, Number],
    key: 1,
    rows: ROWS,
};

/// Some MiB, when every one has the longest token.
const ROWS: usize = 1_000;
/// Where a lock is taken for each: a small server has room for some thousand.
pub(in crate::store) const LOCKED_ROWS: usize = 200;
