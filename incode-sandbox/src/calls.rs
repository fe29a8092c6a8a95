//! The log of API calls: method, path and status. It shows no header, token or body.

use std::collections::VecDeque;

use serde::Serialize;

/// One call of the vendor API.
///
/// As JSON (`GET /control/api/calls`):
///
/// ```json
/// {"number": 1, "at": 1688052828000, "method": "GET", "path": "/omni/incode-id/userinfo",
///  "status": 429, "endedAt": 1688052828030, "fault": "rate_limit"}
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Call {
    /// Counts from 1.
    pub number: u64,
    /// Time of arrival, milliseconds since the epoch.
    pub at: i64,
    /// Method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Status answered. None while the call runs, after a reset, and where the caller left first.
    pub status: Option<u16>,
    /// Time of the answer, milliseconds since the epoch.
    pub ended_at: Option<i64>,
    /// The `kind` of the fault it met, or `rate_limit` where it was over a limit.
    pub fault: Option<&'static str>,
}

/// The latest calls, oldest first.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    rows: VecDeque<Call>,
    last: u64,
}

impl CallLog {
    /// Records a call at its arrival (milliseconds); gives its number.
    pub(crate) fn begin(&mut self, at: i64, method: &str, path: &str, fault: Option<&'static str>) -> u64 {
        self.last += 1;
        if self.rows.len() >= KEPT {
            self.rows.pop_front();
        }
        let (method, path) = (method.to_owned(), path.to_owned());
        self.rows.push_back(Call { number: self.last, at, method, path, status: None, ended_at: None, fault });
        self.last
    }

    /// Records the answer to a call (milliseconds). A call that was cleared meanwhile is ignored.
    pub(crate) fn end(&mut self, number: u64, at: i64, status: u16) {
        // Almost every call ends while it is among the newest.
        if let Some(row) = self.rows.iter_mut().rev().find(|row| row.number == number) {
            row.status = Some(status);
            row.ended_at = Some(at);
        }
    }

    pub(crate) fn all(&self) -> Vec<Call> {
        self.rows.iter().cloned().collect()
    }

    /// The latest `count` calls, newest first.
    pub(crate) fn latest(&self, count: usize) -> Vec<Call> {
        self.rows.iter().rev().take(count).cloned().collect()
    }

    /// Forgets all calls. Numbers go on.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }
}

// Enough for any test; a few megabytes at most.
const KEPT: usize = 20_000;
