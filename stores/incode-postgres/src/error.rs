//! What failed, in words that a log may show.

use std::error::Error;
use std::io;
use std::sync::Arc;

use incode_core::store::{StoreError, StoreErrorKind};
use tokio_postgres::error::{DbError, SqlState};

/// Why a call failed. Cheap to clone: one failed batch answers many callers.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: StoreErrorKind,
    /// Names of states, settings and hosts, never values: the server's own message may repeat what was written.
    cause: Arc<str>,
    /// The connection can't be used any more, and the outcome of a commit on it is unknown.
    pub(crate) broken: bool,
    code: Option<SqlState>,
    /// A limit of connections refused one more. One of ours must do.
    pub(crate) too_many_connections: bool,
}

impl Failure {
    /// A failure with a cause for the log. The cause never holds values or the server's own text.
    pub(crate) fn new(kind: StoreErrorKind, cause: impl Into<Arc<str>>) -> Self {
        Self { kind, cause: cause.into(), broken: false, code: None, too_many_connections: false }
    }

    /// A fault of a value, a setting or this program: trying again does not help.
    pub(crate) fn failed(cause: impl Into<Arc<str>>) -> Self {
        Self::new(StoreErrorKind::Failed, cause)
    }

    /// Another transaction or a limit is in the way: the same call may succeed later.
    pub(crate) fn busy(cause: &str) -> Self {
        Self::new(StoreErrorKind::Busy, cause)
    }

    /// A value that this program did not write. Says which, never what it held.
    pub(crate) fn unreadable(what: &str) -> Self {
        Self::failed(format!("unreadable {what}"))
    }

    /// No answer in time. The call may have been done, so the connection is not used again.
    pub(crate) fn timed_out() -> Self {
        Self { broken: true, ..Self::new(StoreErrorKind::Unavailable, "no answer within the deadline") }
    }

    /// Every call after [`LifeCycle::close`](incode_core::store::LifeCycle::close).
    pub(crate) fn closed() -> Self {
        Self::new(StoreErrorKind::Unavailable, "the store was closed")
    }

    /// A connection that was not made: says to which host, and at what it failed.
    pub(crate) fn connecting(host: &str, error: &tokio_postgres::Error) -> Self {
        let mut failure = Self::from(error);
        failure.cause = match error.as_db_error() {
            Some(database) => {
                let message = database.message();
                failure.too_many_connections = *database.code() == SqlState::TOO_MANY_CONNECTIONS
                    || LIMITS_OF_POOLERS.iter().any(|limit| message.contains(limit));
                format!("{host}: {}", failure.cause).into()
            }
            None => format!("{host}: {}", connection_fault(error)).into(),
        };
        failure.kind = StoreErrorKind::Unavailable;
        failure
    }

    /// The same cause, with the place it happened at before it.
    #[must_use]
    pub(crate) fn at(mut self, place: &str) -> Self {
        self.cause = format!("{place}: {}", self.cause).into();
        self
    }

    /// The transaction lost a race and may be run again: a deadlock, or a failed serialization.
    pub(crate) fn is_lost_race(&self) -> bool {
        self.has_code(&[SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE])
    }

    /// The server's queue of notifications is full. Any role of the server can fill it.
    pub(crate) fn is_notify_queue_full(&self) -> bool {
        self.has_code(&[SqlState::PROGRAM_LIMIT_EXCEEDED])
    }

    /// Another process made the same object of the schema at the same time.
    pub(crate) fn is_made_already(&self) -> bool {
        self.is_lost_race()
            || self.has_code(&[
                SqlState::UNIQUE_VIOLATION,
                SqlState::DUPLICATE_SCHEMA,
                SqlState::DUPLICATE_TABLE,
                SqlState::DUPLICATE_OBJECT,
            ])
    }

    /// Compares by the code of the server, never by its text: texts are translated.
    fn has_code(&self, codes: &[SqlState]) -> bool {
        self.code.as_ref().is_some_and(|code| codes.contains(code))
    }

    /// The cause, for the log.
    pub(crate) fn cause(&self) -> &str {
        &self.cause
    }
}

impl From<&tokio_postgres::Error> for Failure {
    fn from(error: &tokio_postgres::Error) -> Self {
        let Some(database) = error.as_db_error() else {
            // A value that can't be read or written is this program's fault. Everything else is the connection's.
            let is_value = error.source().is_some_and(|source| source.is::<tokio_postgres::types::WrongType>());
            let kind = if is_value { StoreErrorKind::Failed } else { StoreErrorKind::Unavailable };
            return Self { broken: true, ..Self::new(kind, connection_fault(error)) };
        };
        let kind = kind_of(database.code());
        Self {
            // A server that goes away, or takes no writes any more, is not asked again over the same connection.
            broken: kind == StoreErrorKind::Unavailable,
            code: Some(database.code().clone()),
            ..Self::new(kind, sql_state(database))
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::from(&error)
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

/// The kind decides what callers do: `Unavailable` and `Busy` are tried again, `Full` is reported as a full disk,
/// `Incompatible` ends the start of the application.
fn kind_of(code: &SqlState) -> StoreErrorKind {
    match code.code() {
        // Read-only, and a session that was ended while it was idle in a transaction.
        "25006" | "25P03" => StoreErrorKind::Unavailable,
        // Deadlock, serialization, lock timeout, cancelled, too many connections.
        "40P01" | "40001" | "55P03" | "57014" | "53300" => StoreErrorKind::Busy,
        // No such table, column or schema.
        "42P01" | "42703" | "3F000" => StoreErrorKind::Incompatible,
        code => match code.get(..2) {
            Some("08" | "28" | "3D" | "57" | "58") => StoreErrorKind::Unavailable,
            Some("53") => StoreErrorKind::Full,
            _ => StoreErrorKind::Failed,
        },
    }
}

/// The code with its meaning. The server's message is left out: it may hold values.
fn sql_state(database: &DbError) -> String {
    let code = database.code().code();
    let meaning = match code {
        "08P01" => "the pooler or server refused the protocol",
        "22021" | "22P05" => "a character that the database's encoding lacks",
        "23505" => "a duplicate key",
        "25006" => "the database takes no writes",
        "25P03" => "the transaction was idle for too long",
        "28000" | "28P01" => "the server refuses the role or its password",
        "3D000" => "there is no such database",
        "3F000" => "there is no such schema",
        "40001" => "a serialization failure",
        "40P01" => "a deadlock",
        "42501" => "the role lacks a right",
        "42703" => "there is no such column",
        "42P01" => "there is no such table",
        "53100" => "the disk is full",
        "53200" => "the server is out of memory",
        "53300" => "too many connections",
        "54000" => "a limit of the server was reached",
        "55P03" => "a lock was not free in time",
        "57014" => "the statement was cancelled or took too long",
        "57P01" => "the server is shutting down",
        "57P02" => "the server crashed",
        "57P03" => "the server is starting or stopping",
        "58030" => "the server can't read or write its files",
        "XX001" | "XX002" => "the server's files are damaged",
        code => match code.get(..2) {
            Some("08") => "a connection failure",
            Some("22") => "a value that the database does not take",
            Some("23") => "a constraint was violated",
            Some("53") => "the server lacks resources",
            Some("57") => "an operator intervened",
            Some("58") => "a failure of the server's system",
            _ => "see the server's log",
        },
    };
    format!("SQLSTATE {code}: {meaning}")
}

/// What went wrong before or between the server's own answers.
fn connection_fault(error: &tokio_postgres::Error) -> String {
    let what = error.to_string();
    let detail = error.source().map(|source| source.to_string()).unwrap_or_default();
    if detail == "password missing" {
        return "the server asks for a password: write it in the URL or PGPASSWORD (.pgpass is not read)".to_owned();
    }
    if what.contains("TLS") {
        return format!("TLS: {}", tls_fault(error).unwrap_or(detail));
    }
    let Some(io) = error.source().and_then(|source| source.downcast_ref::<io::Error>()) else { return what };
    if detail.starts_with("failed to lookup") {
        return "the host name can't be resolved (DNS)".to_owned();
    }
    match io.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: no server listens there".to_owned(),
        io::ErrorKind::TimedOut => "no answer to the connection".to_owned(),
        io::ErrorKind::NotFound => "there is no such socket".to_owned(),
        kind => format!("{what}: {kind}"),
    }
}

/// Which check of TLS failed.
fn tls_fault(error: &tokio_postgres::Error) -> Option<String> {
    let io = error.source()?.downcast_ref::<io::Error>()?;
    let fault = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    Some(fault.map_or_else(|| io.kind().to_string(), ToString::to_string))
}

/// What poolers say at their limit, with codes of other faults: PgBouncer before 1.20, and Supavisor.
const LIMITS_OF_POOLERS: [&str; 2] = ["no more connections allowed", "max clients"];

#[cfg(test)]
mod tests;
