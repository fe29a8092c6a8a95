//! From the embedded store to the one that several processes share: all rows, as often as it takes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::postgres::incoming::Incoming;
use super::sqlite::snapshot::Snapshot;
use super::{PostgresOptions, StoreError};
use crate::{Secret, Subject};

pub(super) mod page;
mod tables;

/// Copies an SQLite store into a PostgreSQL store: everything that is known, owed and forgotten.
///
/// It may be cut short at any moment and run again, and a first copy may be made while the app still runs on the file. That app goes
/// on meanwhile; **the last copy is the one that finds the file in nobody's use** ([`Moved::was_in_use`]), and holds it shut until it
/// is done. Nothing is written to the file, unless its tables are of an older version and nobody uses it: then they are brought up first.
///
/// Repeating brings what is new in the file since, and nothing else. What was brought is remembered in the database (tables `moved*`,
/// by hashes), so:
///
/// - What the database has as it was brought follows the file, whatever the times say: a clock may have been set back in between.
///   Whoever was revoked in the file is revoked there, whoever was forgotten is erased, and a link that is gone is gone.
/// - What was done in the database since stays: who was unlinked or forgotten there does not come back, and work that was done and
///   pruned is not done again.
/// - After a copy that was complete nothing is copied at all ([`Moved::was_complete`]), unless [`Moving::again`] says so.
///
/// So a database takes one file, and is emptied (`DROP SCHEMA`) before it takes another. An older copy of that file is refused.
///
/// What both stores know of their own is decided as the stores themselves would:
///
/// - Of an identity each part follows the newest *sent* answer of the vendor, at a tie the less trusting word. No time that is
///   brought is ahead of the database's clock; whose was counts as no newer than a word that trusts less.
/// - An event or effect that is done in one of them is done. Otherwise the one that was worked on more often counts. What is under a lease in
///   the file, or was received at a time that is ahead of the database's clock, is due at once in the database.
/// - A tombstone in one of them erases in the other whatever is older.
/// - A link that exists there to another identity, or whose identity is somebody else's there, is a conflict: it is left as it is, and
///   reported.
/// - Ids stay the same. A row whose id has been given to another one there gets a new one, always the same.
///
/// Sealed tokens and fields are copied as they are: the app needs the store key it had.
///
/// ```no_run
/// # use incode_core::store::{Moving, PostgresOptions, StoreError};
/// # async fn example() -> Result<(), StoreError> {
/// let database = PostgresOptions::new("postgres://incode:secret@db.example.com/incode")?;
/// let moved = Moving::new("incode.db", database).run().await?;
/// assert!(moved.is_complete(), "stop the app, and look at the conflicts");
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Moving {
    path: PathBuf,
    database: PostgresOptions,
    again: bool,
    key: Option<Secret>,
    progress: Arc<dyn Fn(&MovedTable) + Send + Sync>,
}

impl Moving {
    /// From the file to the database, whose tables are made, or brought to this version, first.
    pub fn new(path: impl AsRef<Path>, database: PostgresOptions) -> Self {
        Self { path: path.as_ref().to_owned(), database, again: false, key: None, progress: Arc::new(|_| {}) }
    }

    /// Also when a copy was complete before: after a rehearsal, or to bring what the file got since.
    pub fn again(mut self, again: bool) -> Self {
        self.again = again;
        self
    }

    /// The store key of the app. With it, it is found out which tokens do not open ([`Moved::unopenable`]). They are copied all the same.
    pub fn store_key(mut self, key: Secret) -> Self {
        self.key = Some(key);
        self
    }

    /// Called after every some hundred rows, with what became of the table's rows up to then.
    pub fn progress(mut self, progress: impl Fn(&MovedTable) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(progress);
        self
    }

    /// Copies. Must run inside a tokio runtime; holds some thousand rows in memory, however many there are.
    ///
    /// # Errors
    /// As [`SqliteStore::open`](super::SqliteStore::open) and [`PostgresOptions::open`], and whatever the database fails
    /// with meanwhile. What was copied until then stays: run it again.
    pub async fn run(self) -> Result<Moved, StoreError> {
        let Self { path, database, again, key, progress } = self;
        let from = Snapshot::open(&path).await?;
        let mut to = Incoming::open(database).await?;
        let moved = tables::copy(&from, &mut to, again, key.as_ref(), &*progress).await;
        to.close().await;
        from.close().await;
        moved
    }
}

impl fmt::Debug for Moving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moving").field("path", &self.path).field("database", &self.database).finish_non_exhaustive()
    }
}

/// What became of a copy.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Moved {
    /// Table by table.
    pub tables: Vec<MovedTable>,
    /// Somebody had the file open: what was written to it since the copy began is not there. Stop that process and copy again.
    pub was_in_use: bool,
    /// A copy was complete before, so that this one was not begun: see [`Moving::again`].
    pub was_complete: bool,
    /// The file's tables were of an older version, and were brought to this one.
    pub was_migrated: bool,
    /// Whose links are conflicts, the first hundred of them.
    pub conflicts: Vec<Subject>,
    /// Tokens of events that do not open with the key that was given; 0 without one.
    pub unopenable: u64,
}

impl Moved {
    /// Now the database has all that the file had: nobody used the file meanwhile, and nothing contradicts.
    pub fn is_complete(&self) -> bool {
        !self.was_complete && !self.was_in_use && !self.contradicts()
    }

    /// Somebody has to look: at links that are others' there, or at the store key.
    pub fn contradicts(&self) -> bool {
        self.unopenable > 0 || self.tables.iter().any(|table| table.conflicts > 0)
    }
}

/// What became of the rows of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MovedTable {
    /// Its name in both databases.
    pub name: &'static str,
    /// Rows of the file.
    pub read: u64,
    /// Rows that were written there: new, or brought up to what the file knows.
    pub copied: u64,
    /// Rows that were there as they are.
    pub there: u64,
    /// Rows that were left alone, because the database knows better: newer, further, or forgotten.
    pub newer: u64,
    /// Rows that contradict what is there, and were left alone.
    pub conflicts: u64,
}
