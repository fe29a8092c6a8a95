use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::failure::Failure;
use super::schema;
use crate::store::{StoreError, StoreErrorKind};

/// Refuses a second opener, and lasts as long as the file is open: the system lets go of it when the process dies.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    try_lock(path)?
        .ok_or_else(|| StoreError::with_source(StoreErrorKind::Unavailable, "already open in another process"))
}

/// The same; `None` when somebody has it open. Waits a moment for who is just letting go: a program that is being
/// started somewhere in this process holds a copy of every open file until it is loaded.
pub(super) fn try_lock(path: &Path) -> Result<Option<File>, StoreError> {
    let mut name: OsString = path.into();
    name.push(".lock");
    let file = private(OpenOptions::new().create(true).truncate(false).write(true))
        .open(PathBuf::from(name))
        .map_err(unavailable)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_WAIT),
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
    }
    Ok(None)
}

/// The connection that writes. Looks before it touches: a file that is not ours is left as it was.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    create(path).map_err(unavailable)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(Failure::from)?;
    schema::check(&conn)?;
    prepare(&conn).map_err(Failure::from)?;
    schema::migrate(&mut conn).map_err(Failure::from)?;
    Ok(conn)
}

/// The connection that reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(Failure::from)?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(Failure::from)?;
    conn.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(conn)
}

/// Absolute, so that names like `:memory:` mean a file as any other; and without symbolic links, so that there is one
/// lock however the file is called.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    let path = std::path::absolute(path).map_err(unavailable)?;
    if let Ok(file) = path.canonicalize() {
        return Ok(file);
    }
    // Not there yet; or its folder neither, and then opening it says so.
    Ok(match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path,
    })
}

/// The mode is set before SQLite first opens the file; it gives the same one to the log and its index.
fn create(path: &Path) -> io::Result<()> {
    match private(OpenOptions::new().create_new(true).write(true)).open(path) {
        Ok(file) => {
            file.sync_all()?;
            // The name must survive a power cut as the rows do.
            #[cfg(unix)]
            if let Some(directory) = path.parent() {
                File::open(directory)?.sync_all()?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // These answer with a row, or with none, depending on SQLite's version: both are fine.
    for pragma in [
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        // Checkpoints wait for idle time, unless the log reaches 64 MiB (in pages of 4 KiB).
        "PRAGMA wal_autocheckpoint = 16384",
        // A wiped token is overwritten, not just unlisted.
        "PRAGMA secure_delete = ON",
        "PRAGMA cache_size = -16384",
    ] {
        let mut statement = conn.prepare(pragma)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}

fn unavailable(error: io::Error) -> StoreError {
    let kind =
        if error.kind() == io::ErrorKind::StorageFull { StoreErrorKind::Full } else { StoreErrorKind::Unavailable };
    StoreError::with_source(kind, error)
}

/// Loading a program takes milliseconds, on a busy machine some tens.
const LOCK_TRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(10);
/// How long a tool that has the file open, a backup for instance, may hold us up.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
const CACHED_STATEMENTS: usize = 64;
