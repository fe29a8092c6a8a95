//! The variables as they are set: trimmed, read from files where they name one, never empty.

use std::collections::HashMap;
use std::ffi::OsString;

use crate::{ConfigError, Secret};

use super::names::{self, NAMES};

/// The settings that are set, by name.
pub(super) struct Variables(HashMap<&'static str, Setting>);

/// A setting that is set.
pub(super) struct Setting {
    /// The variable that errors name: that of the file, where the value is in one.
    pub(super) name: &'static str,
    value: Value,
}

enum Value {
    /// The variable itself, trimmed. A list has commas.
    Text(String),
    /// The lines of a file, trimmed, without empty ones. A list has one value a line, so a value may hold a comma.
    Lines(Vec<String>),
}

impl Variables {
    /// Reads the settings, and warns of each unknown name that looks like one.
    ///
    /// # Errors
    /// A setting that is empty, is not UTF-8, is given as a value and as a file, or whose file can't be read.
    pub(super) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let mut given = HashMap::new();
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            if let Some(nearest) = names::unknown(name) {
                match nearest {
                    Some(nearest) => {
                        tracing::warn!(name, nearest, "unknown setting, not read: did you mean the nearest?");
                    }
                    None => tracing::warn!(name, "unknown setting, not read"),
                }
            }
            given.insert(name.to_owned(), value);
        }
        let mut known = HashMap::new();
        for name in &NAMES {
            let text = given.remove(name.name).map(|value| printable(name.name, value)).transpose()?;
            let file = match name.file {
                Some(file) => {
                    given.remove(file).map(|path| Ok((file, lines(file, &printable(file, path)?)?))).transpose()?
                }
                None => None,
            };
            let setting = match (text, file) {
                (Some(_), Some((file, _))) => {
                    return Err(ConfigError::conflict(file, format!("and {} are both set: remove one", name.name)));
                }
                (Some(text), None) => Setting { name: name.name, value: Value::Text(text) },
                (None, Some((file, lines))) => Setting { name: file, value: Value::Lines(lines) },
                (None, None) => continue,
            };
            known.insert(name.name, setting);
        }
        Ok(Self(known))
    }

    /// `None` when it is not set.
    pub(super) fn get(&self, name: &'static str) -> Option<&Setting> {
        self.0.get(name)
    }

    pub(super) fn is_set(&self, name: &'static str) -> bool {
        self.0.contains_key(name)
    }

    /// The one value.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, ConfigError> {
        self.get(name).map(Setting::text).transpose()
    }

    /// # Errors
    /// When it is not set: with what to write.
    pub(super) fn required(&self, name: &'static str, write: &'static str) -> Result<&Setting, ConfigError> {
        self.get(name).ok_or_else(|| ConfigError::missing(name, format!("is not set: write {write}")))
    }

    /// `on` or `off`; off when unset.
    pub(super) fn switch(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.text(name)? {
            None | Some("off") => Ok(false),
            Some("on") => Ok(true),
            Some(_) => Err(ConfigError::new(name, "takes on and off")),
        }
    }
}

impl Setting {
    /// The one value.
    pub(super) fn text(&self) -> Result<&str, ConfigError> {
        match &self.value {
            Value::Text(text) => Ok(text),
            Value::Lines(lines) => match lines.as_slice() {
                [line] => Ok(line),
                _ => Err(ConfigError::new(self.name, "names a file of several lines: write one value on one line")),
            },
        }
    }

    /// Each value of a list. An empty one is kept: what uses it refuses it.
    pub(super) fn list(&self) -> Vec<&str> {
        match &self.value {
            Value::Text(text) => text.split(',').map(str::trim).collect(),
            Value::Lines(lines) => lines.iter().map(String::as_str).collect(),
        }
    }

    pub(super) fn secrets(&self) -> Vec<Secret> {
        self.list().into_iter().map(Secret::from).collect()
    }
}

/// Trimmed: a value that is typed or piped often ends in a line end. Anything else that is not printed is a slip.
fn printable(name: &'static str, value: OsString) -> Result<String, ConfigError> {
    let value = value.into_string().map_err(|_| ConfigError::new(name, "is not UTF-8"))?;
    let value = value.trim();
    if value.is_empty() {
        return Err(ConfigError::missing(name, "is set but empty: write a value, or remove the variable"));
    }
    if value.chars().any(char::is_control) {
        return Err(ConfigError::new(name, "holds a line end or another control character: write one line of text"));
    }
    Ok(value.to_owned())
}

fn lines(name: &'static str, path: &str) -> Result<Vec<String>, ConfigError> {
    let read = std::fs::read_to_string(path);
    let read = read.map_err(|error| ConfigError::new(name, "names a file that can't be read").with_source(error))?;
    let lines: Vec<_> = read.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(ConfigError::missing(name, "names a file that is empty: write one value a line into it"));
    }
    if lines.iter().any(|line| line.chars().any(char::is_control)) {
        return Err(ConfigError::new(name, "names a file that holds control characters: write text, one value a line"));
    }
    Ok(lines)
}
