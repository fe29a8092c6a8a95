//! A handler to watch at work: what an application would do with a mail, done with a file.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use incode_core::{AppliedEvent, Handler, HandlerError};

/// Appends a line to a file for each applied event: the idempotency key and the kind. Called again after a failure or
/// a crash, it may write a line twice; the key shows that.
pub(crate) struct Journal {
    path: PathBuf,
    /// How many attempts at each event fail on purpose, to see retries.
    fails: u32,
}

impl Handler for Journal {
    async fn handle(&self, applied: AppliedEvent) -> Result<(), HandlerError> {
        let mut line = format!("{} {}", applied.idempotency_key, applied.kind.as_str());
        let fails = applied.attempt <= self.fails;
        if fails {
            line.push_str(" failed");
        }
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || append(path, &line)).await??;
        if fails { Err("set to fail".into()) } else { Ok(()) }
    }
}

impl Journal {
    /// Makes sure that the file can be written.
    pub(crate) fn open(path: PathBuf, fails: u32) -> io::Result<Self> {
        OpenOptions::new().append(true).create(true).open(&path)?;
        Ok(Self { path, fails })
    }
}

/// On disk before the handler says that it is done.
fn append(path: PathBuf, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}
