//! Errors inside of the engine, and what they are to callers.
//!
//! | SQLite says | kind |
//! |---|---|
//! | full, out of memory, no room for the index of the log | `Full` |
//! | busy, locked | `Busy` |
//! | can't open, no permission, read-only | `Unavailable` |
//! | not a database | `Incompatible` |
//! | anything else | `Failed` |

use std::io;
use std::sync::Arc;

use incode_core::store::{StoreError, StoreErrorKind};
use rusqlite::{ErrorCode, ffi};

/// Why a job or a batch failed. Cheap to clone: every caller of a batch gets a copy.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: StoreErrorKind,
    /// The message of SQLite or of the system: names of tables and files at most, never values.
    cause: Arc<str>,
    /// The disk or the file is the cause: the other jobs of the batch can't be trusted to commit either.
    pub(crate) dooms_batch: bool,
}

impl Failure {
    /// A failure with a cause for the log, which never holds values.
    pub(crate) fn new(kind: StoreErrorKind, cause: &str) -> Self {
        Self { kind, cause: cause.into(), dooms_batch: false }
    }

    /// The cause, for the log.
    pub(crate) fn cause(&self) -> &str {
        &self.cause
    }

    /// A call that breaks the contract.
    pub(crate) fn refused(cause: &str) -> Self {
        Self::new(StoreErrorKind::Failed, cause)
    }

    /// The file can't be used as it is.
    pub(crate) fn unavailable(cause: &str) -> Self {
        Self::new(StoreErrorKind::Unavailable, cause)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        let extended = error.sqlite_error().map(|error| error.extended_code);
        let kind = match code {
            Some(ErrorCode::DiskFull | ErrorCode::OutOfMemory) => StoreErrorKind::Full,
            // No room for the index of the log: the only write for which SQLite has a name of its own.
            _ if extended == Some(ffi::SQLITE_IOERR_SHMSIZE) => StoreErrorKind::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreErrorKind::Busy,
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                StoreErrorKind::Unavailable
            }
            Some(ErrorCode::NotADatabase) => StoreErrorKind::Incompatible,
            _ => StoreErrorKind::Failed,
        };
        let dooms_batch = kind != StoreErrorKind::Failed
            || matches!(code, Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt));
        // With the meaning of the code: "disk I/O error" alone does not say which operation failed.
        let cause = match &error {
            rusqlite::Error::SqliteFailure(code, Some(message)) => format!("{message} ({code})"),
            other => other.to_string(),
        };
        Self { kind, cause: cause.into(), dooms_batch }
    }
}

impl From<&Failure> for StoreError {
    fn from(failure: &Failure) -> Self {
        Self::with_source(failure.kind, failure.cause.to_string())
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::from(&failure)
    }
}

/// A file that can't be opened, with its name in the cause.
pub(crate) fn io_error(path: &std::path::Path, error: &io::Error) -> StoreError {
    let is_full = error.kind() == io::ErrorKind::StorageFull;
    let kind = if is_full { StoreErrorKind::Full } else { StoreErrorKind::Unavailable };
    StoreError::with_source(kind, format!("{}: {error}", path.display()))
}

/// A thread of the store that can't be started.
pub(crate) fn no_thread(error: io::Error) -> StoreError {
    StoreError::with_source(StoreErrorKind::Unavailable, error)
}
