use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;

/// A setting that can't work: one line that names the setting and says what to write, never the value.
///
/// `Display` and `Debug` print the causes behind it too, so a `main` that returns it shows everything. In code, read
/// [`kind`](Self::kind) and [`setting`](Self::setting).
pub struct ConfigError {
    kind: ConfigErrorKind,
    setting: &'static str,
    problem: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What is wrong with a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// It is needed and not given, or given and empty.
    Missing,
    /// It is given, and can't be what it should be.
    Invalid,
    /// It would work, and would not be safe: a short secret, plain http to another host.
    Insecure,
    /// It does not go together with another setting.
    Conflict,
    /// The store can't be opened, or does not answer.
    Store,
}

impl ConfigError {
    pub(crate) fn new(setting: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ConfigErrorKind::Invalid, setting, problem: problem.into(), source: None }
    }

    pub(crate) fn missing(setting: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ConfigErrorKind::Missing, ..Self::new(setting, problem) }
    }

    pub(crate) fn insecure(setting: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ConfigErrorKind::Insecure, ..Self::new(setting, problem) }
    }

    pub(crate) fn conflict(setting: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ConfigErrorKind::Conflict, ..Self::new(setting, problem) }
    }

    pub(crate) fn store(setting: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ConfigErrorKind::Store, ..Self::new(setting, problem) }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same problem under the name that the reader knows the setting by: an environment variable.
    pub(crate) fn named(mut self, setting: &'static str) -> Self {
        self.setting = setting;
        self
    }

    /// What is wrong with the setting.
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }

    /// The environment variable, or the builder's method.
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            f.write_str(": ")?;
            write_line(f, error)?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What `main` prints when it returns the error.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<ConfigError> for io::Error {
    fn from(error: ConfigError) -> Self {
        let kind = match error.kind {
            ConfigErrorKind::Store => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// A cause may come from a driver, whose text has lines: one error stays one line of a log.
fn write_line(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    for (at, word) in error.to_string().split_whitespace().enumerate() {
        if at > 0 {
            f.write_char(' ')?;
        }
        f.write_str(word)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
