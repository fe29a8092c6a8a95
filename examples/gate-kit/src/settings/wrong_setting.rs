use std::error::Error;
use std::fmt;

/// A setting that can't work: one line that names it, never its value.
pub struct WrongSetting(String);

impl WrongSetting {
    pub(crate) fn new(setting: &str, problem: impl fmt::Display) -> Self {
        Self(format!("{setting}: {problem}"))
    }
}

impl From<incode_core::ConfigError> for WrongSetting {
    /// With its causes. They repeat no value either.
    fn from(error: incode_core::ConfigError) -> Self {
        let mut line = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            line.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self(line)
    }
}

impl fmt::Display for WrongSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The same line: `main` prints an error by its `Debug`.
impl fmt::Debug for WrongSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for WrongSetting {}
