//! The rows of an import: CSV or JSON lines of subject and identity id.

use clap::ValueEnum;
use incode_core::{IdentityId, Subject};
use serde_json::Value;

use crate::failure::Failure;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values (RFC 4180) with a line of names.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// One row, with its line in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) subject: Subject,
    pub(super) identity: IdentityId,
}

impl Format {
    /// By the end of the file's name.
    pub(super) fn of(file: &str) -> Option<Self> {
        let (_, end) = file.rsplit_once('.')?;
        match end.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// Every row, or the first line that can't be read. Its error never repeats a value.
pub(super) fn read(text: &str, format: Format) -> Result<Vec<Row>, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let order = match format {
        Format::Jsonl => [0, 1],
        Format::Csv => {
            let (_, names) = lines.next().ok_or_else(|| Failure::arguments("the file is empty"))?;
            columns(&cells(names).unwrap_or_default()).ok_or_else(|| Failure::arguments(NO_NAMES))?
        }
    };
    let row = |(at, line): (usize, &str)| {
        let line_number = at + 1;
        let wrong = |what: &str| Failure::arguments(format!("line {line_number}: {what}"));
        let [subject, identity] = match format {
            Format::Csv => {
                let cells = cells(line).ok_or_else(|| wrong("a quote is not closed, or stands within a value"))?;
                let cell = |at: usize| order.get(at).and_then(|column| cells.get(*column)).cloned();
                [cell(0), cell(1)]
            }
            Format::Jsonl => {
                let object: Value = serde_json::from_str(line).map_err(|_| wrong("is not JSON"))?;
                ["subject", "identityId"].map(|name| object.get(name).and_then(Value::as_str).map(str::to_owned))
            }
        };
        Ok(Row {
            line: line_number,
            subject: subject.and_then(|text| Subject::new(text).ok()).ok_or_else(|| wrong("has no usable subject"))?,
            identity: identity
                .and_then(|text| IdentityId::new(text).ok())
                .ok_or_else(|| wrong("has no usable identityId"))?,
        })
    };
    lines.map(row).collect()
}

/// Where subject and identity stand: columns that change places would link people to each other's identities.
fn columns(names: &[String]) -> Option<[usize; 2]> {
    let place = |wanted: &str| names.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
    Some([place("subject")?, place("identityId").or_else(|| place("identity_id"))?])
}

/// The values of a line. A value in quotes may hold commas, and a quote as two; none holds a line break. `None`: a quote is
/// where none may be.
fn cells(line: &str) -> Option<Vec<String>> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let (cell, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_cell(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (cell, after) = rest.split_at_checked(end)?;
                if cell.contains('"') {
                    return None;
                }
                (cell.to_owned(), after)
            }
        };
        cells.push(cell);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(cells),
        }
    }
}

/// The value up to its closing quote, and what follows.
fn quoted_cell(mut rest: &str) -> Option<(String, &str)> {
    let mut cell = String::new();
    loop {
        let (before, after) = rest.split_once('"')?;
        cell.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                cell.push('"');
                rest = more;
            }
            None => return Some((cell, after)),
        }
    }
}

const NO_NAMES: &str = "the first line must name the columns: subject,identityId";

#[cfg(test)]
mod tests;
