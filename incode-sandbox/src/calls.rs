//! What was asked of the API: method, path and answer; never a header, a token or a body.

use std::collections::VecDeque;

use serde::Serialize;

/// One call of the vendor API.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Call {
    /// Counts from 1.
    pub number: u64,
    /// When it arrived, milliseconds since the epoch.
    pub at: i64,
    /// Method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Status answered; none while it runs, when it was reset, or when the caller left first.
    pub status: Option<u16>,
    /// When it was answered, milliseconds since the epoch.
    pub ended_at: Option<i64>,
    /// The fault it met, if any.
    pub fault: Option<&'static str>,
}

#[derive(Debug, Default)]
pub(crate) struct Calls {
    rows: VecDeque<Call>,
    last: u64,
}

impl Calls {
    pub(crate) fn begin(&mut self, at: i64, method: &str, path: &str, fault: Option<&'static str>) -> u64 {
        self.last += 1;
        if self.rows.len() >= KEPT {
            self.rows.pop_front();
        }
        let (method, path) = (method.to_owned(), path.to_owned());
        self.rows.push_back(Call { number: self.last, at, method, path, status: None, ended_at: None, fault });
        self.last
    }

    pub(crate) fn end(&mut self, number: u64, at: i64, status: u16) {
        // The row sought is almost always among the newest.
        if let Some(row) = self.rows.iter_mut().rev().find(|row| row.number == number) {
            row.status = Some(status);
            row.ended_at = Some(at);
        }
    }

    pub(crate) fn all(&self) -> Vec<Call> {
        self.rows.iter().cloned().collect()
    }

    pub(crate) fn latest(&self, count: usize) -> Vec<Call> {
        self.rows.iter().rev().take(count).cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }
}

// Enough for any test, small enough to forget about.
const KEPT: usize = 20_000;
