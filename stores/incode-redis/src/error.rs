//! Why a call failed, in words for the log.

use incode_core::store::{StoreError, StoreErrorKind};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the caller does about it.
    pub(crate) kind: StoreErrorKind,
    /// Codes, settings and addresses, never values: the server's own text may repeat what was written.
    pub(crate) cause: String,
    /// The connection can't be used any more, and the call may have been done or not.
    pub(crate) is_broken: bool,
    /// The user lacks a right.
    pub(crate) is_forbidden: bool,
}

impl Failure {
    /// A failure that is neither the connection's nor a missing right.
    pub(crate) fn new(kind: StoreErrorKind, cause: impl Into<String>) -> Self {
        Self { kind, cause: cause.into(), is_broken: false, is_forbidden: false }
    }

    /// A fault of a value, a setting or this program: trying again does not help.
    pub(crate) fn failed(cause: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Failed, cause)
    }

    /// The server can't be used now: trying again may help.
    pub(crate) fn unavailable(cause: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Unavailable, cause)
    }

    /// A row or an answer that this version can't read. Never replaced by a default: a missing status must not become a
    /// good one.
    pub(crate) fn unreadable(what: &str) -> Self {
        Self::failed(format!("unreadable {what}"))
    }

    /// Every call after [`LifeCycle::close`](incode_core::store::LifeCycle::close).
    pub(crate) fn closed() -> Self {
        Self::unavailable("the store was closed")
    }

    /// No answer in time. The call may have been done, and the connection is given up.
    pub(crate) fn too_late() -> Self {
        Self { is_broken: true, ..Self::unavailable("no answer within the deadline") }
    }

    /// With the server that it is about.
    pub(crate) fn at(self, address: &str) -> Self {
        Self { cause: format!("{address}: {}", self.cause), ..self }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        let code = error.code().unwrap_or_default();
        let (kind, is_broken) = match error.kind() {
            // Of a server that is no longer the primary: the next connection finds the new one.
            ErrorKind::Server(
                ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown,
            ) => (StoreErrorKind::Unavailable, true),
            ErrorKind::Server(_) | ErrorKind::Extension => match code {
                "OOM" => (StoreErrorKind::Full, false),
                "BUSY" => (StoreErrorKind::Busy, false),
                "LOADING" | "MISCONF" | "NOREPLICAS" | "NOAUTH" | "WRONGPASS" | "NOPERM" => {
                    (StoreErrorKind::Unavailable, false)
                }
                _ => (StoreErrorKind::Failed, false),
            },
            ErrorKind::UnexpectedReturnType | ErrorKind::Parse => (StoreErrorKind::Failed, true),
            _ => (StoreErrorKind::Unavailable, true),
        };
        // What a script may not do is an ERR, in words that differ between versions of Redis.
        let says = |words: &str| error.detail().is_some_and(|text| text.contains(words));
        let is_forbidden = code == "NOPERM" || says("ermission") || says("user executing the script");
        let kind = if is_forbidden { StoreErrorKind::Unavailable } else { kind };
        Self { kind, cause: if is_forbidden { lacking(&error) } else { words(&error, code) }, is_broken, is_forbidden }
    }
}

/// The code of the server, with its meaning where the code alone does not say it.
fn words(error: &RedisError, code: &str) -> String {
    let meaning = match code {
        "" if error.is_timeout() => return "no answer within the deadline".to_owned(),
        "" if error.is_connection_dropped() => return "the connection was lost".to_owned(),
        "" => return error.category().to_owned(),
        "OOM" => "its memory is full",
        "MISCONF" => "it can't write its file",
        "NOREPLICAS" => "too few replicas are connected",
        "READONLY" => "it is a replica, or became one",
        "LOADING" => "it is still reading its file",
        "MOVED" | "ASK" | "CLUSTERDOWN" | "CROSSSLOT" => "it is a node of Redis Cluster, which is not supported",
        "WRONGPASS" | "NOAUTH" => "user or password are wrong",
        _ => return format!("the server answered {code}"),
    };
    format!("the server answered {code}: {meaning}")
}

/// Names the command that the user may not run. Nothing else of the server's text: it may repeat a key.
fn lacking(error: &RedisError) -> String {
    let command = error.detail().and_then(|text| text.split('\'').nth(1));
    match command.filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'|')) {
        Some(command) => format!("NOPERM: the user lacks the right to the command {command}"),
        None => "NOPERM: the user lacks the right to a command, a key or a channel".to_owned(),
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::with_source(failure.kind, failure.cause)
    }
}
