use std::error::Error;
use std::sync::Arc;

use tokio_postgres::error::SqlState;

use crate::store::{StoreError, StoreErrorKind};

/// Why a call failed; can be told to many callers.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: StoreErrorKind,
    /// Names of states and settings, never values: the server's own words may repeat what was written.
    cause: Arc<str>,
    /// The connection can't be used any more.
    pub(super) broken: bool,
}

impl Failure {
    pub(super) fn new(kind: StoreErrorKind, cause: &str) -> Self {
        Self { kind, cause: cause.into(), broken: false }
    }

    pub(super) fn refused(cause: &str) -> Self {
        Self::new(StoreErrorKind::Failed, cause)
    }

    /// A value that no version of this program wrote. Says which, never what it held.
    pub(super) fn unreadable(what: &str) -> Self {
        Self::new(StoreErrorKind::Failed, &format!("unreadable {what}"))
    }

    /// The store that is copied from failed, in the middle of a transaction of ours.
    #[cfg(feature = "sqlite")]
    pub(super) fn of_source(error: StoreError) -> Self {
        let cause = error.source().map_or_else(|| error.to_string(), |cause| cause.to_string());
        Self::new(error.kind(), &cause)
    }

    pub(super) fn too_late() -> Self {
        Self { kind: StoreErrorKind::Unavailable, cause: "no answer within the deadline".into(), broken: true }
    }

    pub(super) fn closed() -> Self {
        Self::new(StoreErrorKind::Unavailable, "the store was closed")
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(database) = error.as_db_error() else {
            // A value that can't be read or written is this program's fault; all else is the connection's.
            let value = error.source().is_some_and(|source| source.is::<tokio_postgres::types::WrongType>());
            let kind = if value { StoreErrorKind::Failed } else { StoreErrorKind::Unavailable };
            return Self { kind, cause: error.to_string().into(), broken: true };
        };
        let code = database.code();
        let kind = kind_of(code);
        let cause = match code.code() {
            "28000" | "28P01" => "the server refuses the user".to_owned(),
            "3D000" => "there is no such database".to_owned(),
            "42501" => "the user lacks a right".to_owned(),
            "57P03" => "the server is starting or stopping".to_owned(),
            code => format!("SQLSTATE {code}"),
        };
        // A server that is going away, or no longer takes writes, is not asked again over the same connection.
        Self { kind, cause: cause.into(), broken: kind == StoreErrorKind::Unavailable }
    }
}

fn kind_of(code: &SqlState) -> StoreErrorKind {
    if [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT].contains(code) {
        return StoreErrorKind::Unavailable;
    }
    if [
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::QUERY_CANCELED,
        SqlState::TOO_MANY_CONNECTIONS,
    ]
    .contains(code)
    {
        return StoreErrorKind::Busy;
    }
    if [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN, SqlState::INVALID_SCHEMA_NAME].contains(code) {
        return StoreErrorKind::Incompatible;
    }
    match code.code().get(..2) {
        Some("08" | "28" | "3D" | "57" | "58") => StoreErrorKind::Unavailable,
        Some("53") => StoreErrorKind::Full,
        _ => StoreErrorKind::Failed,
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
