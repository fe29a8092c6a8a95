use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::store::{StoreError, StoreErrorKind};

/// Why a job or a batch failed; can be told to many callers.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: StoreErrorKind,
    /// SQLite's words: names of tables at most, never values.
    cause: Arc<str>,
    /// The disk or the file is the cause: what is around the job can't be trusted to commit either.
    pub(super) dooms_batch: bool,
}

impl Failure {
    pub(super) fn refused(cause: &str) -> Self {
        Self { kind: StoreErrorKind::Failed, cause: cause.into(), dooms_batch: false }
    }

    /// More is waiting than is taken on; the rest of the batch is not touched by it.
    pub(super) fn busy() -> Self {
        Self { kind: StoreErrorKind::Busy, cause: "too many events are pending".into(), dooms_batch: false }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        let kind = match code {
            Some(ErrorCode::DiskFull | ErrorCode::OutOfMemory) => StoreErrorKind::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreErrorKind::Busy,
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                StoreErrorKind::Unavailable
            }
            Some(ErrorCode::NotADatabase) => StoreErrorKind::Incompatible,
            _ => StoreErrorKind::Failed,
        };
        let dooms_batch = kind != StoreErrorKind::Failed
            || matches!(code, Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt));
        Self { kind, cause: error.to_string().into(), dooms_batch }
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
