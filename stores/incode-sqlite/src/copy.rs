//! Reads every row of a file that no process uses, for a copy into another engine.

use std::fmt;
use std::fs;
use std::path::Path;

use incode_core::store::{StoreError, StoreErrorKind};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::error::{Failure, io_error};
use crate::lock::{FileId, FileLock, with_suffix};
use crate::{file, schema};

/// A file whose rows are read for a copy. No process can open the store until this is dropped. Nothing is written.
pub struct CopySource {
    /// Closed before the lock below ends: see `FileLock`.
    conn: Connection,
    fingerprint: String,
    _lock: FileLock,
}

/// The last id that each sequence gave, whether or not its row is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastIds {
    /// Of events.
    pub event: i64,
    /// Of handler jobs.
    pub job: i64,
    /// Of the audit trail.
    pub audit: i64,
    /// Of the entries of the audit trail that are kept by number.
    pub audit_ordinal: i64,
}

impl CopySource {
    /// Locks the file and opens it for reading.
    ///
    /// # Errors
    /// - `Unavailable`: there is no such file, it can't be opened, or a process has it open.
    /// - `Incompatible`: it is no store of this version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = file::absolute(path.as_ref())?;
        // The lock would make a file where there is none.
        fs::metadata(&path).map_err(|error| io_error(&path, &error))?;
        let lock = FileLock::acquire(&path)?;
        let conn = file::open_reader(&path)?;
        // A log that a killed process left stays as it is, so that the fingerprint is the same when a copy goes on.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(Failure::from)?;
        if !schema::check(&conn)? {
            return Err(StoreError::with_source(StoreErrorKind::Incompatible, "the file has no tables"));
        }
        let fingerprint = fingerprint(&path)?;
        Ok(Self { conn, fingerprint, _lock: lock })
    }

    /// Distinguishes this state of the file from every other: a store that was opened in between has written to the
    /// file. A copy of the file has another fingerprint.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The tables with the number of their rows, in the order in which they are copied.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn counts(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        let count = |table: &Table| {
            let sql = format!("SELECT count(*) FROM {} WHERE {}", table.name, table.filter());
            let count: i64 = self.conn.query_row(&sql, [], |row| row.get(0)).map_err(Failure::from)?;
            Ok((table.name, u64::try_from(count).unwrap_or(0)))
        };
        TABLES.iter().map(count).collect()
    }

    /// Reads a table in the order of its key, without its first `skip` rows. Each row is a JSON object with the columns of
    /// a shared store: bytes as `\x` and hexadecimal digits, flags as 0 and 1. No text has a character of code zero.
    ///
    /// The order is the same each time, so that `skip` is all that a copy has to know to go on.
    ///
    /// # Errors
    /// When the file can't be read, and what `each` returned.
    pub fn read<E: From<StoreError>>(
        &self,
        table: &str,
        skip: u64,
        mut each: impl FnMut(String) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| StoreError::from(Failure::from(error));
        let Some(table) = TABLES.iter().find(|known| known.name == table) else { return Ok(()) };
        let mut statement = self.conn.prepare(&table.select()).map_err(failed)?;
        let mut rows = statement.query([i64::try_from(skip).unwrap_or(i64::MAX)]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            each(without_zero(row.get(0).map_err(failed)?))?;
        }
        Ok(())
    }

    /// From where ids go on.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn last_ids(&self) -> Result<LastIds, StoreError> {
        let number = |sql| self.conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(Failure::from);
        let event = "SELECT max(coalesce((SELECT value FROM meta WHERE name = 'last_event'), 0),
            coalesce((SELECT max(id) FROM event), 0))";
        Ok(LastIds {
            event: number(event)?,
            job: number("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'job'), 0)")?,
            audit: number("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0)")?,
            audit_ordinal: number("SELECT count(*) FROM audit WHERE by_age = 0")?,
        })
    }
}

impl fmt::Debug for CopySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopySource").finish_non_exhaustive()
    }
}

/// What is read of one table. Columns are separated by blanks.
struct Table {
    name: &'static str,
    /// The key.
    order: &'static str,
    /// Numbers and texts.
    plain: &'static str,
    /// Bytes.
    bytes: &'static str,
    /// The columns that a shared store names in another way, each with its expression.
    renamed: &'static [(&'static str, &'static str)],
}

impl Table {
    /// Which rows. Of `meta` the check values of secrets: the rest concerns this engine alone.
    fn filter(&self) -> &'static str {
        if self.name == "meta" { "name LIKE 'secret %'" } else { "TRUE" }
    }

    fn select(&self) -> String {
        let plain = self.plain.split_whitespace().map(|name| format!("'{name}', {name}"));
        let bytes = self.bytes.split_whitespace().map(|name| format!("'{name}', {}", hexadecimal(name)));
        let renamed = self.renamed.iter().map(|(name, expression)| format!("'{name}', {expression}"));
        let columns: Vec<_> = plain.chain(bytes).chain(renamed).collect();
        let (columns, filter, Self { name, order, .. }) = (columns.join(", "), self.filter(), self);
        format!("SELECT json_object({columns}) FROM {name} WHERE {filter} ORDER BY {order} LIMIT -1 OFFSET ?")
    }
}

/// `hex` makes an empty text of NULL.
fn hexadecimal(name: &str) -> String {
    format!("iif({name} IS NULL, NULL, '\\x' || hex({name}))")
}

/// A text as PostgreSQL holds it: it takes every character but one. Escapes are read in pairs, so that an escaped
/// backslash before `u0000` is not taken for that escape.
fn without_zero(row: String) -> String {
    if !row.contains("\\u0000") {
        return row;
    }
    let mut out = String::with_capacity(row.len());
    let mut rest = row.as_str();
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (escape, after) = match after.strip_prefix("u0000") {
            Some(after) => ("\\ufffd", after),
            None => {
                out.push('\\');
                after.split_at_checked(1).unwrap_or((after, ""))
            }
        };
        out.push_str(escape);
        rest = after;
    }
    out + rest
}

/// Of the file and its log: every commit writes to the log, and every checkpoint to the file.
fn fingerprint(path: &Path) -> Result<String, StoreError> {
    let main = fs::metadata(path).map_err(|error| io_error(path, &error))?;
    let modified = |metadata: &fs::Metadata| metadata.modified().ok();
    // An empty log is as good as none: opening the file makes one.
    let log = fs::metadata(with_suffix(path, "-wal")).ok().filter(|log| log.len() > 0);
    let log = log.map(|log| (log.len(), modified(&log)));
    Ok(format!("{:?} {} {:?} {log:?}", FileId::of(&main), main.len(), modified(&main)))
}

const fn table(name: &'static str, order: &'static str, plain: &'static str, bytes: &'static str) -> Table {
    Table { name, order, plain, bytes, renamed: &[] }
}

/// In the order in which they are copied: the smallest first, so that what is wrong shows early.
const TABLES: [Table; 13] = [
    table("meta", "name", "name", "value"),
    Table {
        renamed: &[
            ("one_id", "row_id"),
            // Without gaps: so many of them are kept.
            ("ordinal", "iif(by_age, NULL, row_number() OVER (PARTITION BY by_age ORDER BY id))"),
        ],
        ..table("audit", "id", "id at actor action reason kind accepted_before handler identity count", "")
    },
    table("tombstone", "identity_hash", "forgotten_at", "identity_hash"),
    table(
        "identity",
        "identity_id",
        "identity_id status checked_at verification_id verified_at face_authenticated_at attestation
        face_verification_id face_source_id checks",
        "",
    ),
    table("link", "subject", "subject identity_id proof linked_at active_since verified_since", ""),
    table("pending_link", "subject", "subject identity_id began_at vendor_began_at vendor_returned_at expires_at", ""),
    table("refused_link", "subject", "subject refusal event_id refused_at", ""),
    table("confirmation", "id", "subject identity_id passed_at", "session action"),
    table("field", "identity_id, field", "identity_id field sent_at expires_at", "sealed"),
    table("used_nonce", "nonce", "expires_at", "nonce"),
    Table {
        renamed: &[("hash", "'\\x' || hex(token_hash)")],
        ..table("used_token", "token_hash", "subject expires_at", "")
    },
    table(
        "event",
        "id",
        "id kind object_id state reason attempts lease authenticated implausible vendor_time received_at due_at
        settled_at correlation_id",
        "object_key delivery_key done_key applied_key token",
    ),
    Table {
        renamed: &[("cause_at", "instant")],
        ..table(
            "job",
            "id",
            "id handler cause event_id kind object_id subject identity_id state failure attempts lease caused_at due_at
            settled_at",
            "",
        )
    },
];

#[cfg(test)]
mod tests;
