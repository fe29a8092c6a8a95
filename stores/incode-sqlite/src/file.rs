//! Opens the file: SQLite's connections and their settings.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use incode_core::store::StoreError;
use rusqlite::{Connection, OpenFlags};

use crate::error::{Failure, io_error};
use crate::schema;

/// The connection that writes. It looks before it writes: a file that is not ours is left as it was.
///
/// `was_used`: a store was in the file before, so a file without tables has lost them.
pub(crate) fn open_writer(path: &Path, was_used: bool) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(Failure::from)?;
    let has_tables = schema::check(&conn)?;
    if !has_tables && was_used {
        return Err(Failure::unavailable("the file has lost its tables: put a backup in its place").into());
    }
    prepare(&conn).map_err(Failure::from)?;
    if !has_tables {
        schema::create(&mut conn).map_err(Failure::from)?;
    }
    Ok(conn)
}

/// The connection that reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(Failure::from)?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(Failure::from)?;
    conn.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(conn)
}

/// Absolute, so that names like `:memory:` mean a file as any other; and without symbolic links, so that lock and log
/// are the same however the file is called.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    let path = std::path::absolute(path).map_err(|error| io_error(path, &error))?;
    if let Ok(file) = path.canonicalize() {
        return Ok(file);
    }
    // The file is missing, or its folder: opening it then says so.
    Ok(match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path,
    })
}

/// Creates the file if it is missing. The mode is set before SQLite first opens it: SQLite gives the same mode to the log
/// and its index.
pub(crate) fn create(path: &Path) -> Result<(), StoreError> {
    let created = private(OpenOptions::new().create_new(true).write(true)).open(path).and_then(|file| {
        file.sync_all()?;
        // The name must survive a power cut as the rows do.
        #[cfg(unix)]
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    });
    match created {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io_error(path, &error)),
        _ => Ok(()),
    }
}

/// Readable by the owner only.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// The settings of a connection. SQLite keeps most of them for the connection, not in the file.
fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // Some of these answer with a row, depending on SQLite's version; the row is not needed.
    for pragma in [
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        // Checkpoints wait for idle time, unless the log reaches 64 MiB (in pages of 4 KiB).
        "PRAGMA wal_autocheckpoint = 16384",
        // A wiped token is overwritten, not just unlisted.
        "PRAGMA secure_delete = ON",
        // 16 MiB of pages: the indexes of a large inbox stay in memory.
        "PRAGMA cache_size = -16384",
    ] {
        let mut statement = conn.prepare(pragma)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}

/// How long a tool that has the file open, a backup for instance, may hold up a call.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// More than there are statements, so that each is compiled once.
const CACHED_STATEMENTS: usize = 128;
