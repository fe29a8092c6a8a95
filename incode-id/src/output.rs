//! Writes what a command found, as text or as JSON.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::failure::Failure;

/// Where answers go, and in which form.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    has_terminal: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, has_terminal: io::stderr().is_terminal() }
    }

    /// One object: a line `name: value` for each member that is not null, or the object itself.
    pub(crate) fn object(&self, object: &Value) -> Result<(), Failure> {
        if self.json {
            return write_line(&object.to_string());
        }
        for (name, value) in object.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            write_line(&format!("{name}: {}", plain(value)))?;
        }
        Ok(())
    }

    /// A document of its own: JSON in any case, on several lines for a reader.
    pub(crate) fn document(&self, document: &Value) -> Result<(), Failure> {
        write_line(&if self.json { document.to_string() } else { format!("{document:#}") })
    }

    /// Objects of the same members: a table, or one object a line.
    pub(crate) fn list(&self, columns: &[&str], rows: &[Value]) -> Result<(), Failure> {
        if self.json {
            return rows.iter().try_for_each(|row| write_line(&row.to_string()));
        }
        let cells = |row: &Value| columns.iter().map(|name| row.get(name).map(plain).unwrap_or_default()).collect();
        let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|&name| name.to_owned()).collect()];
        lines.extend(rows.iter().map(cells));
        let width = |at| lines.iter().filter_map(|line| line.get(at)).map(|cell: &String| cell.chars().count()).max();
        let widths: Vec<_> = (0..columns.len()).map(|at| width(at).unwrap_or(0)).collect();
        for line in &lines {
            let padded: Vec<_> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            write_line(padded.join("  ").trim_end())?;
        }
        Ok(())
    }

    /// How far long work is: one line that is written over, on a terminal only.
    pub(crate) fn progress(&self, line: &str) {
        if self.has_terminal {
            // Progress that can't be shown stops nothing.
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        }
    }
}

/// Without control characters: an attacker may have written a text, and a terminal would obey it.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// A reader that went away, `head` for instance, is no failure of the command.
fn write_line(line: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::system(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
