//! `store copy`: an SQLite file into an empty schema of PostgreSQL.
//!
//! Rows are read in the order of their keys and written in batches, each in one transaction. The number of rows in a
//! table of the schema is all that has to be known to go on after a kill: nothing else writes them, and a file that was
//! used in between is refused by its fingerprint.

use std::time::Instant;

use incode_postgres::CopyTarget;
use incode_sqlite::CopySource;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::cli::CopyArguments;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings;

pub(crate) fn run(arguments: &CopyArguments, runtime: &Runtime, output: &Output) -> Result<(), Failure> {
    let from = settings::sqlite_path(&arguments.from);
    // The engine says what is wrong with a URL.
    let path = match (from, incode_sqlite::from_url(&arguments.from)) {
        (Some(path), Some(Ok(_))) => path,
        (_, Some(Err(error))) => return Err(Failure::arguments(error.cause().to_string()).at("--from")),
        _ => return Err(Failure::arguments("--from takes sqlite:PATH")),
    };
    let options = match incode_postgres::from_url(&settings::url(arguments.to.as_deref())?) {
        Some(Ok(options)) => options,
        Some(Err(error)) => return Err(Failure::arguments(error.cause().to_string()).at("--to")),
        None => return Err(Failure::arguments("--to takes postgres://...")),
    };
    let begun = Instant::now();
    let source = CopySource::open(path).map_err(|error| Failure::from(error).at("--from"))?;
    let tables = source.counts()?;
    let target = runtime.block_on(CopyTarget::open(options, source.fingerprint()));
    let mut target = target.map_err(|error| Failure::from(error).at("--to"))?;
    let mut copied = Vec::new();
    let mut progress = Progress { begun, of: tables.iter().map(|(_, rows)| rows).sum(), before: 0, now: 0 };
    for (table, rows) in tables {
        let before = runtime.block_on(target.count(table))?;
        progress.before += before;
        let mut copy = TableCopy {
            table,
            rows,
            done: before,
            batch: Batch::default(),
            target: &mut target,
            progress: &mut progress,
            runtime,
            output,
        };
        source.read(table, before, |row| copy.push(&row, arguments.batch.get()))?;
        copy.flush()?;
        let found = runtime.block_on(target.count(table))?;
        if found != rows {
            let line =
                format!("the table {table} has {found} rows where the file has {rows}: drop the schema, copy again");
            return Err(Failure::refused(line));
        }
        copied.push(json!({"table": table, "rows": rows, "copied now": rows - before}));
    }
    let last = source.last_ids()?;
    runtime.block_on(target.finish(last.event, last.job, last.audit, last.audit_ordinal))?;
    output.progress("");
    output.list(&["table", "rows", "copied now"], &copied)?;
    output.object(&json!({"complete": true, "seconds": begun.elapsed().as_secs()}))
}

/// One table under way.
struct TableCopy<'a> {
    table: &'static str,
    /// In the file.
    rows: u64,
    /// In the schema.
    done: u64,
    batch: Batch,
    target: &'a mut CopyTarget,
    progress: &'a mut Progress,
    runtime: &'a Runtime,
    output: &'a Output,
}

impl TableCopy<'_> {
    fn push(&mut self, row: &str, most: usize) -> Result<(), Failure> {
        self.batch.push(row);
        if self.batch.rows >= most || self.batch.json.len() >= LARGEST_BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        if batch.rows == 0 {
            return Ok(());
        }
        let (json, rows) = (format!("{}]", batch.json), batch.rows as u64);
        self.runtime.block_on(self.target.insert(self.table, &json, rows))?;
        self.done += rows;
        self.progress.now += rows;
        let all = self.progress.line(self.progress.begun.elapsed().as_secs_f64());
        self.output.progress(&format!("{}: {} of {} rows; {all}", self.table, self.done, self.rows));
        Ok(())
    }
}

/// All tables together.
struct Progress {
    begun: Instant,
    /// The rows of the file.
    of: u64,
    /// What runs before this one copied.
    before: u64,
    /// What this run copied.
    now: u64,
}

impl Progress {
    /// How far it is, and how long it will take by the pace of this run. `seconds`: since it began.
    fn line(&self, seconds: f64) -> String {
        let done = self.before + self.now;
        let percent = done.saturating_mul(100).checked_div(self.of).unwrap_or(100);
        let left = self.of.saturating_sub(done) as f64 * seconds / self.now.max(1) as f64;
        format!("{percent} % of all, about {left:.0} s left")
    }
}

/// The beginning of a JSON array of rows.
#[derive(Default)]
struct Batch {
    rows: usize,
    json: String,
}

impl Batch {
    fn push(&mut self, row: &str) {
        self.json.push(if self.rows == 0 { '[' } else { ',' });
        self.json.push_str(row);
        self.rows += 1;
    }
}

/// In bytes. Larger batches are not faster, and the server holds all of one in memory.
const LARGEST_BATCH: usize = 4 << 20;

#[cfg(test)]
mod tests;
