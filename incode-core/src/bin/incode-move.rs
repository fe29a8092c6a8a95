//! `incode-move [--again] sqlite:PATH [postgres://...]` copies an SQLite store into a PostgreSQL store. What it does and when to run it:
//! `docs/operations.md`.
//!
//! Progress goes to stderr, the outcome to stdout. Nothing it writes repeats the URL.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use incode_core::Secret;
use incode_core::store::{Moved, MovedTable, Moving, PostgresOptions, StoreError};

fn main() -> ExitCode {
    match run() {
        Ok(Moved { was_complete: true, .. }) => {
            fail(WAS_COMPLETE, "was moved completely before; give --again to move it once more")
        }
        Ok(moved) => report(&moved),
        Err(Failed { code, line }) => fail(code, &line),
    }
}

fn fail(code: u8, line: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "incode-move: {line}");
    ExitCode::from(code)
}

fn run() -> Result<Moved, Failed> {
    let (options, arguments): (Vec<_>, Vec<_>) = std::env::args_os()
        .skip(1)
        .map(|text| text.into_string().ok())
        .partition(|text| text.as_deref() == Some(AGAIN));
    let (path, url) = match arguments.as_slice() {
        [Some(path)] => (path, None),
        [Some(path), Some(url)] => (path, Some(url.clone())),
        _ => return Err(Failed::usage(USAGE)),
    };
    let path = path.strip_prefix("sqlite:").filter(|path| !path.is_empty()).ok_or(Failed::usage(USAGE))?;
    let url = url.map_or_else(|| setting("INCODE_STORE"), |url| Ok(Some(url)))?;
    let url = url.ok_or(Failed::usage("INCODE_STORE is not set"))?;
    let database = PostgresOptions::new(&url).map_err(|error| Failed::usage(told(&error)))?;
    let mut moving = Moving::new(path, database).again(!options.is_empty()).progress(progress());
    if let Some(key) = setting("INCODE_STORE_KEY")? {
        let key = BASE64.decode(key.trim().as_bytes()).ok().filter(|key| key.len() >= 32);
        let key = key.ok_or(Failed::usage("INCODE_STORE_KEY: is not padded base64 of 32 bytes or more"))?;
        moving = moving.store_key(Secret::new(key));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed { code: FAILED, line: error.to_string() })?;
    runtime.block_on(moving.run()).map_err(|error| Failed { code: FAILED, line: told(&error) })
}

/// As the app reads it: an empty one is not set.
fn setting(name: &'static str) -> Result<Option<String>, Failed> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    value.into_string().map(Some).map_err(|_| Failed::usage(format!("{name} is not UTF-8")))
}

/// A line for each table, and for a long one each second.
fn progress() -> impl Fn(&MovedTable) + Send + Sync {
    let last = Mutex::new(("", Instant::now()));
    move |table| {
        let Ok(mut last) = last.lock() else { return };
        if last.0 != table.name || last.1.elapsed() >= Duration::from_secs(1) {
            *last = (table.name, Instant::now());
            let _ = writeln!(io::stderr(), "{}: {} rows ...", table.name, table.read);
        }
    }
}

fn report(moved: &Moved) -> ExitCode {
    let mut text =
        format!("{:<10}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "", "read", "copied", "there", "newer", "conflicts");
    for MovedTable { name, read, copied, there, newer, conflicts, .. } in &moved.tables {
        text.push_str(&format!("{name:<10}{read:>10}{copied:>10}{there:>10}{newer:>10}{conflicts:>10}\n"));
    }
    if moved.was_migrated {
        text.push_str("the file was of an older version and has been brought to this one\n");
    }
    for subject in &moved.conflicts {
        text.push_str(&format!("linked otherwise there, left as it is: {}\n", subject.as_str()));
    }
    if moved.unopenable > 0 {
        text.push_str(&format!("{} tokens do not open with INCODE_STORE_KEY\n", moved.unopenable));
    }
    if moved.was_in_use {
        text.push_str("the file is in use: stop its process and run this again\n");
    }
    let _ = io::stdout().write_all(text.as_bytes());
    if moved.is_complete() {
        ExitCode::SUCCESS
    } else if moved.was_in_use {
        // Whatever contradicts: it will again, and this is what must not be overlooked.
        ExitCode::from(IN_USE)
    } else {
        ExitCode::from(CONTRADICTS)
    }
}

/// One line, and how the process ends.
struct Failed {
    code: u8,
    line: String,
}

impl Failed {
    fn usage(line: impl Into<String>) -> Self {
        Self { code: WRONG_ARGUMENTS, line: line.into() }
    }
}

/// With its causes, which are as silent about values as itself.
fn told(error: &StoreError) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

const USAGE: &str =
    "takes sqlite:PATH and postgres://..., or sqlite:PATH and the variable INCODE_STORE, and perhaps --again";
const AGAIN: &str = "--again";
/// Run it again.
const FAILED: u8 = 1;
const WRONG_ARGUMENTS: u8 = 2;
/// Everything else is there.
const CONTRADICTS: u8 = 3;
/// What was written meanwhile is not there.
const IN_USE: u8 = 4;
/// Nothing was looked at.
const WAS_COMPLETE: u8 = 5;
