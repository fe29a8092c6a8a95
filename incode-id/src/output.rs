//! Writes what a command found, as text or as JSON.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::failure::Failure;

/// Where answers go, and in which form.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    /// Whether stderr is a terminal: progress goes there.
    has_terminal: bool,
    /// Whether stdout is a terminal that wants colours (no-color.org).
    has_colours: bool,
    /// When a line of progress was last written to what is no terminal. Locked to compare and replace.
    last_progress: Mutex<Instant>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Pass,
    /// It works, and something is worth a look.
    Warn,
    Fail,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// The escape sequence of its colour.
    fn colour(self) -> &'static str {
        match self {
            Self::Pass => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Fail => "\x1b[31m",
        }
    }
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let wants_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let has_colours = wants_colours && io::stdout().is_terminal();
        Self { json, has_terminal: io::stderr().is_terminal(), has_colours, last_progress: Mutex::new(Instant::now()) }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// One check: `pass name: detail`, with what to do on a line of its own; or an object.
    pub(crate) fn check(&self, verdict: Verdict, name: &str, detail: &str, todo: Option<&str>) -> Result<(), Failure> {
        if self.json {
            let object = json!({"check": name, "verdict": verdict.as_str(), "detail": detail, "todo": todo});
            return write_line(&object.to_string());
        }
        let (on, off) = if self.has_colours { (verdict.colour(), "\x1b[0m") } else { ("", "") };
        write_line(&format!("{on}{}{off}  {name}: {}", verdict.as_str(), plain(&json!(detail))))?;
        todo.map_or(Ok(()), |todo| write_line(&format!("      -> {}", plain(&json!(todo)))))
    }

    /// Text for a person: left out where JSON is written.
    pub(crate) fn text(&self, line: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { write_line(&printable(line)) }
    }

    /// One thing that happened: a line, or an object.
    pub(crate) fn event(&self, line: &str, object: &Value) -> Result<(), Failure> {
        write_line(&if self.json { object.to_string() } else { printable(line) })
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

    /// How far long work is: one line that is written over on a terminal, and a line now and then elsewhere. An empty line
    /// wipes it.
    pub(crate) fn progress(&self, line: &str) {
        // Progress that can't be shown stops nothing.
        if self.has_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
            return;
        }
        let mut last = self.last_progress.lock().unwrap_or_else(PoisonError::into_inner);
        if !line.is_empty() && last.elapsed() >= PROGRESS {
            *last = Instant::now();
            let _ = writeln!(io::stderr(), "{line}");
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
    printable(&text)
}

fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// A reader that went away, `head` for instance, is no failure of the command.
fn write_line(line: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::system(error)),
        _ => Ok(()),
    }
}

/// Between two lines of progress where they are kept, in the log of a job for instance.
const PROGRESS: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
