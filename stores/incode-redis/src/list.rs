//! Lists that are read in lots, and rows that are gone.

use crate::connection::{Call, Server};
use crate::error::Failure;
use crate::rows::{self, Row};
use crate::scripts;

/// Rows of an index, newest first.
pub(crate) struct List<'a> {
    /// The sorted set of ids.
    pub(crate) index: &'a str,
    /// What the keys of the rows start with.
    pub(crate) prefix: &'a str,
    /// Only ids less than this.
    pub(crate) before: Option<i64>,
    /// How many rows at most. Rows that do not meet the conditions are not counted.
    pub(crate) limit: u32,
    /// Columns and the values that they must have.
    pub(crate) conditions: &'a [(&'a str, &'a str)],
    pub(crate) columns: &'a [&'a str],
}

impl List<'_> {
    /// Ids and columns.
    pub(crate) async fn read(&self, server: &Server) -> Result<Vec<(i64, Row)>, Failure> {
        let mut before = self.before.map_or("+inf".to_owned(), |id| id.to_string());
        let mut found = Vec::new();
        loop {
            let left = self.limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            if left == 0 {
                return Ok(found);
            }
            let call = server
                .script(&scripts::LIST)
                .arg(self.index)
                .arg(self.prefix)
                .arg(&before)
                .arg(left)
                .arg(LOT)
                .counted(self.conditions, |call, (name, value)| call.arg(*name).arg(*value))
                .counted(self.columns, |call, name| call.arg(*name));
            let part: Vec<Row>;
            (before, part) = server.run(call).await?;
            for row in part {
                found.push((rows::number(&row, self.columns.len())?, row));
            }
            if before.is_empty() {
                return Ok(found);
            }
        }
    }
}

/// Replays in lots, and returns how many rows. Each lot gets the place where the one before ended, and the entry of the audit trail
/// that it wrote.
pub(crate) async fn replay(server: &Server, lot: impl Fn(&str, &str) -> Call) -> Result<u64, Failure> {
    let (mut replayed, mut after, mut entry) = (0, "-inf".to_owned(), String::new());
    loop {
        let count: u64;
        (count, after, entry) = server.run(lot(&after, &entry)).await?;
        replayed += count;
        if after.is_empty() {
            return Ok(replayed);
        }
    }
}

/// Reports pending rows that another program deleted or the server evicted.
pub(crate) fn count_lost(row: &'static str, lost: u64) {
    if lost > 0 {
        metrics::counter!("incode_store_rows_lost_total", "row" => row).increment(lost);
        tracing::error!(row, lost, "pending rows are gone from Redis: something deletes or evicts them");
    }
}

/// A row that can't be read must not hold up those claimed with it. It is due again when its lease ends.
pub(crate) fn readable<T>(row: &'static str, read: Result<T, Failure>) -> Option<T> {
    read.inspect_err(|failure| tracing::error!(row, cause = failure.cause, "a claimed row can't be read")).ok()
}

/// Rows in one step of long work: a script holds up every other client, for a few milliseconds with this many.
pub(crate) const LOT: u32 = 500;
