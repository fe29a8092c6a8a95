use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::{StoreError, StoreErrorKind};

/// Why a call failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: StoreErrorKind,
    /// Codes and settings, never values: the server's own words may repeat what was written.
    cause: String,
    /// The connection can't be used any more, and what was asked over it may have been done or not.
    pub(super) broken: bool,
}

impl Failure {
    pub(super) fn new(kind: StoreErrorKind, cause: &str) -> Self {
        Self { kind, cause: cause.to_owned(), broken: false }
    }

    pub(super) fn refused(cause: &str) -> Self {
        Self::new(StoreErrorKind::Failed, cause)
    }

    pub(super) fn unreadable(what: &str) -> Self {
        Self::new(StoreErrorKind::Failed, &format!("unreadable {what}"))
    }

    pub(super) fn closed() -> Self {
        Self::new(StoreErrorKind::Unavailable, "the store was closed")
    }

    pub(super) fn too_late() -> Self {
        let cause = "no answer within the deadline".to_owned();
        Self { kind: StoreErrorKind::Unavailable, cause, broken: true }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        let code = error.code().unwrap_or_default();
        let (kind, broken) = match error.kind() {
            // Of a server that lost its place: the next connection finds the one that has it now.
            ErrorKind::Server(
                ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown,
            ) => (StoreErrorKind::Unavailable, true),
            ErrorKind::Server(ServerErrorKind::BusyLoading) => (StoreErrorKind::Unavailable, false),
            ErrorKind::Server(_) | ErrorKind::Extension => match code {
                "OOM" => (StoreErrorKind::Full, false),
                // It can't write to its disk.
                "MISCONF" | "NOREPLICAS" => (StoreErrorKind::Unavailable, false),
                "BUSY" => (StoreErrorKind::Busy, false),
                "NOAUTH" | "WRONGPASS" | "NOPERM" => (StoreErrorKind::Unavailable, false),
                _ => (StoreErrorKind::Failed, false),
            },
            ErrorKind::UnexpectedReturnType | ErrorKind::Parse => (StoreErrorKind::Failed, true),
            _ => (StoreErrorKind::Unavailable, true),
        };
        let cause = match (code, error.is_timeout()) {
            ("", true) => "no answer within the deadline".to_owned(),
            ("", false) => error.category().to_owned(),
            (code, _) => format!("the server answered {code}"),
        };
        Self { kind, cause, broken }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::with_source(failure.kind, failure.cause)
    }
}
