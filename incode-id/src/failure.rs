//! What ends a command, and with which exit code.

use std::fmt;
use std::process::ExitCode;

use incode_core::store::{StoreError, StoreErrorKind};

/// Why a command failed, in one line.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: FailureKind,
    line: String,
}

/// The exit codes; 2 is clap's.
#[derive(Clone, Copy, Debug)]
enum FailureKind {
    Failed = 1,
    Arguments = 2,
    Refused = 3,
    Unavailable = 4,
    NotFound = 5,
}

impl Failure {
    /// A setting or an argument that can't be used.
    pub(crate) fn arguments(line: impl Into<String>) -> Self {
        Self { kind: FailureKind::Arguments, line: line.into() }
    }

    /// What was asked would do harm.
    pub(crate) fn refused(line: impl Into<String>) -> Self {
        Self { kind: FailureKind::Refused, line: line.into() }
    }

    /// It was tried, and did not go well.
    pub(crate) fn failed(line: impl Into<String>) -> Self {
        Self { kind: FailureKind::Failed, line: line.into() }
    }

    /// What is needed does not answer.
    pub(crate) fn unavailable(line: impl Into<String>) -> Self {
        Self { kind: FailureKind::Unavailable, line: line.into() }
    }

    /// Nothing has this name.
    pub(crate) fn not_found(line: impl Into<String>) -> Self {
        Self { kind: FailureKind::NotFound, line: line.into() }
    }

    /// The system did not do what it was asked.
    pub(crate) fn system(error: std::io::Error) -> Self {
        Self { kind: FailureKind::Failed, line: error.to_string() }
    }

    /// A file that can't be opened.
    pub(crate) fn missing(path: &std::path::Path, error: &dyn fmt::Display) -> Self {
        Self { kind: FailureKind::Unavailable, line: format!("{}: {error}", path.display()) }
    }

    /// The same, with the place it happened at before it.
    pub(crate) fn at(self, place: &str) -> Self {
        Self { line: format!("{place}: {}", self.line), ..self }
    }

    /// With what to do after it, where the line says this.
    pub(crate) fn advised(self, said: &str, advice: &str) -> Self {
        let advice = if self.line.contains(said) { advice } else { "" };
        Self { line: format!("{}{advice}", self.line), ..self }
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind() {
            StoreErrorKind::Incompatible => FailureKind::Refused,
            StoreErrorKind::Unavailable => FailureKind::Unavailable,
            _ => FailureKind::Failed,
        };
        Self { kind, line: error.cause().to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}
