//! The store: two queues, one to the thread that writes and one to the thread that reads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use incode_core::store::StoreError;
use rusqlite::Connection;

use crate::batch::Transaction;
use crate::error::Failure;
use crate::queue::{self, Queue};
use crate::reader::{self, ReadJob};
use crate::watch::Watch;
use crate::writer::{self, Progress, WriteJob};

/// Keeps everything in one SQLite file; see the [crate].
///
/// - Durable: WAL with `synchronous=FULL`. What was answered survives `kill -9` and a power cut.
/// - One process at a time: a second one is refused ([`StoreErrorKind::Unavailable`]), for the keys of known deliveries
///   are kept in memory.
/// - Private: created with mode 0600. Wiped tokens are overwritten, in the log too once the store was idle for seconds.
/// - [`LifeCycle::close`] waits for all that was queued. Without it the threads end by themselves soon after the store is
///   dropped; until then the file can't be opened again.
///
/// [`StoreErrorKind::Unavailable`]: incode_core::store::StoreErrorKind::Unavailable
/// [`LifeCycle::close`]: incode_core::store::LifeCycle::close
pub struct SqliteStore {
    pub(crate) writer: Queue<WriteJob>,
    pub(crate) reader: Queue<ReadJob>,
    /// Shared with the writer's thread, which reports here.
    pub(crate) progress: Arc<Progress>,
    /// Shared with the writer's thread: both look at the file, and the first to miss it logs that.
    pub(crate) watch: Arc<Watch>,
}

impl SqliteStore {
    /// How many transactions were committed since the store was opened: far fewer than events under load.
    pub fn commits(&self) -> u64 {
        self.progress.commits.load(Ordering::Relaxed)
    }

    /// Runs `work` in the writer's next transaction: all of it or none.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        queue::answer(self.writer.push(|reply| writer::job(reply, true, work)).await?).await
    }

    /// Runs `query` over the reader's connection.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        queue::answer(self.reader.push(|reply| reader::job(reply, query)).await?).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("commits", &self.commits()).finish_non_exhaustive()
    }
}
