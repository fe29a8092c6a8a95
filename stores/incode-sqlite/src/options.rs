//! How a store is opened, from code and from a URL.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use incode_core::store::{OpenFuture, OpenStore, Store, StoreError, StoreErrorKind};
use tokio::sync::oneshot;

use crate::queue::{self, Queue};
use crate::store::SqliteStore;
use crate::writer::Progress;
use crate::{file, reader, writer};

/// How a [`SqliteStore`] is opened.
///
/// ```
/// use incode_core::store::Store;
/// use incode_sqlite::SqliteOptions;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("incode.db");
/// let store = SqliteOptions::new(path.clone()).open().await?;
/// // One process at a time: a second opening is refused.
/// assert!(SqliteOptions::new(path).open().await.is_err());
/// # drop(store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SqliteOptions {
    path: PathBuf,
    queue_len: usize,
}

impl SqliteOptions {
    /// Opens the file at `path`. It is created when it is missing; its folder must exist.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), queue_len: 4096 }
    }

    /// How many calls wait at most for the writer, and as many for the reader. 4096 unless set, at least 1.
    ///
    /// When the queue of the writer is full, `accept` fails at once with [`StoreErrorKind::Busy`]: the vendor delivers
    /// again. Every other method waits for its place.
    pub fn queue_len(mut self, calls: usize) -> Self {
        self.queue_len = calls.clamp(1, 1 << 20);
        self
    }

    /// Opens the store. The file is locked until the store is closed or dropped.
    ///
    /// # Errors
    /// - `Incompatible`: the file is not SQLite, not ours, or of another version. It is left as it was.
    /// - `Unavailable`: the file can't be opened or written, is open already, has a second name, or is missing or empty
    ///   where a store was before. The source says which.
    /// - `Full`: no room on the disk.
    pub async fn open(self) -> Result<SqliteStore, StoreError> {
        let path = file::absolute(&self.path)?;
        let progress = Arc::new(Progress::default());
        let (writer, write_jobs) = Queue::new(self.queue_len);
        let (reader, read_jobs) = Queue::new(self.queue_len);
        let (opened, opening) = oneshot::channel();
        writer::spawn(path.clone(), write_jobs, Arc::clone(&progress), opened)?;
        // The reader opens second: its read-only connection can create neither the file nor its tables.
        let guard = queue::answer(opening).await?;
        let watch = Arc::clone(&guard.watch);
        let (opened, opening) = oneshot::channel();
        reader::spawn(path, read_jobs, guard, opened)?;
        queue::answer(opening).await?;
        Ok(SqliteStore { writer, reader, progress, watch })
    }
}

impl OpenStore for SqliteOptions {
    fn open(self: Box<Self>) -> OpenFuture {
        Box::pin(async move { Ok(Arc::new(Self::open(*self).await?) as Arc<dyn Store>) })
    }
}

/// Reads `sqlite:PATH`. White space and line ends around it are ignored.
///
/// `None`: the URL is of another store.
///
/// # Errors
/// In one line that says what to write: what looks like a path and is none (`sqlite://host`, `sqlite::memory:`,
/// `file:`), parameters, control characters.
pub fn from_url(url: &str) -> Option<Result<SqliteOptions, StoreError>> {
    let url = url.trim();
    let (scheme, path) = url.split_once(':')?;
    if scheme.eq_ignore_ascii_case("sqlite") {
        return Some(path_of(path).map(SqliteOptions::new).map_err(refused));
    }
    let is_file = scheme.eq_ignore_ascii_case("file");
    is_file.then(|| Err(refused("a URL that begins with file: is not supported: write sqlite:PATH")))
}

/// The path of a URL. A host or a parameter is an error: a misspelt path must not make a new file.
fn path_of(path: &str) -> Result<&str, &'static str> {
    // Three slashes and more are an absolute path in every notation; two would name a host.
    let names_host = path.starts_with("//") && !path.starts_with("///");
    if path.is_empty() {
        Err("the path is missing: write sqlite:PATH, for instance sqlite:/var/lib/app/incode.db")
    } else if path.chars().any(char::is_control) {
        Err("the path has a line end or another control character in it: write sqlite:PATH on one line")
    } else if path.starts_with(':') {
        Err("a store in memory loses acknowledged events: write sqlite:PATH with the path of a file")
    } else if names_host {
        Err("two slashes name a host: write sqlite:incode.db, or sqlite:/var/lib/app/incode.db for an absolute path")
    } else if path.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:")) {
        Err("a path that begins with file: is not supported: write sqlite:PATH")
    } else if path.contains('?') {
        Err("parameters are not supported: write sqlite:PATH without ? and what follows")
    } else {
        Ok(path)
    }
}

/// A setting that can't be used. The cause repeats nothing of the URL.
fn refused(cause: &'static str) -> StoreError {
    StoreError::with_source(StoreErrorKind::Failed, cause)
}

#[cfg(test)]
mod tests;
