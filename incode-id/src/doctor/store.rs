//! The store: it opens, it is durable, its keys and its feed.

use std::future::poll_fn;
use std::path::Path;
use std::time::Duration;

use incode_core::adapter::Deployment;
use incode_core::store::{Store, StoreErrorKind, StoreNotice};
use tokio::time::{Instant, timeout_at};

use super::Report;
use crate::failure::Failure;
use crate::{log, settings};

pub(super) async fn check(
    report: &mut Report<'_>,
    argument: Option<&str>,
    deployment: Option<&Deployment>,
) -> Result<(), Failure> {
    let Ok(url) = settings::url(argument) else {
        let todo = "name the store in INCODE_STORE: without it the application makes incode.db where it starts";
        return report.warn("store", "INCODE_STORE is not set", todo);
    };
    if url == "memory:" {
        let todo = "take sqlite:PATH, postgres:// or redis://: what is in memory is lost with the process";
        return report.fail("store", "is in memory", todo);
    }
    if let Some(path) = settings::sqlite_path(&url).filter(|path| !path.exists()) {
        return folder(report, path);
    }
    let store = match settings::open(Some(&url)).await {
        Ok(store) => store,
        Err(failure) => return refused(report, &failure.to_string()),
    };
    let weaknesses = log::take();
    report.pass("store", "opens, with all rights that are needed")?;
    for line in &weaknesses {
        report.warn("store", line, advice(line))?;
    }
    time(report, &*store).await?;
    if let Some(deployment) = deployment {
        keys(report, deployment, &*store).await?;
    }
    // Redis says so when it is opened, and does not say it again.
    let refused = weaknesses.into_iter().find(|line| line.contains("channel"));
    feed(report, &*store, refused).await?;
    Ok(store.close().await?)
}

/// SQLite makes the file, and not its folder.
fn folder(report: &mut Report<'_>, path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            report.fail("store", "its folder is a file", "correct the path in INCODE_STORE")
        }
        Ok(found) if found.permissions().readonly() => {
            report.fail("store", "its folder can't be written", "give the application's user the right to write it")
        }
        Ok(_) => report.pass("store", "is not there yet: the application makes the file at its first start"),
        Err(error) => {
            let todo = "make the folder, with the application's user as its owner, or correct INCODE_STORE";
            report.fail("store", format!("its folder can't be used: {error}"), todo)
        }
    }
}

fn refused(report: &mut Report<'_>, cause: &str) -> Result<(), Failure> {
    if cause.contains("open in another process") {
        return report.pass("store", "is open in another process: the application runs. Its keys were not compared");
    }
    report.fail("store", cause, advice(cause))
}

/// By the words of the engines.
fn advice(line: &str) -> &'static str {
    let says = |words: &str| line.contains(words);
    if says("maxmemory-policy") {
        "set maxmemory-policy noeviction: under any other Redis throws rows away, and the application refuses to work"
    } else if says("appendonly") || says("appendfsync") {
        "set appendonly yes and appendfsync always in Redis"
    } else if says("channel") {
        "ACL SETUSER <user> &incode_* +subscribe +publish"
    } else if says("fsync") {
        "set fsync = on in PostgreSQL"
    } else if says("encoding") {
        "CREATE DATABASE .. ENCODING 'UTF8' TEMPLATE template0, and name it in INCODE_STORE"
    } else if says("lacks") || says("NOPERM") {
        "grant the right that is named: docs/operations.md lists what the store needs"
    } else if says("version") || says("belongs to another program") {
        "name another schema or another file: this one is not of this version"
    } else if says("password") || says("authentication") || says("28P01") {
        "correct user and password in INCODE_STORE"
    } else {
        "correct INCODE_STORE, or start the server"
    }
}

/// Also the proof that the store takes writes.
async fn time(report: &mut Report<'_>, store: &dyn Store) -> Result<(), Failure> {
    match store.time().await {
        Ok(_) => report.pass("store writes", "are taken"),
        Err(error) => {
            let cause = error.cause().to_string();
            let todo = if error.kind() == StoreErrorKind::Full { "make room" } else { advice(&cause) };
            report.fail("store writes", cause, todo)
        }
    }
}

async fn keys(report: &mut Report<'_>, deployment: &Deployment, store: &dyn Store) -> Result<(), Failure> {
    let unknown = match deployment.unknown_secrets(store).await {
        Ok(unknown) => unknown,
        Err(error) => return report.fail("keys", error.cause().to_string(), "correct the store first"),
    };
    log::take();
    if unknown.is_empty() {
        return report.pass("keys", "are those of the other processes on this store");
    }
    let detail = format!("the other processes on this store have another {}", unknown.join(" and another "));
    let todo = "give every replica the same INCODE_STORE_KEY and INCODE_FLOW_SECRET; to rotate one, write the new one in \
                front of the old one, on every replica";
    report.fail("keys", detail, todo)
}

/// The notices of other processes arrive. `refused`: it is known that they don't, and why.
async fn feed(report: &mut Report<'_>, store: &dyn Store, refused: Option<String>) -> Result<(), Failure> {
    let Some(mut feed) = store.feed() else {
        return report.pass("feed", "is not needed: one process has the store to itself");
    };
    let mut warnings: Vec<_> = refused.into_iter().collect();
    let end = Instant::now() + LONGEST_FEED;
    // A line of the engine says why the feed can't come up: the rest of the time need not be waited for.
    while warnings.is_empty() && Instant::now() < end {
        match timeout_at(Instant::now() + LOOK, poll_fn(|cx| feed.as_mut().poll_next(cx))).await {
            Ok(Some(StoreNotice::Up)) => return report.pass("feed", "notices of other processes arrive"),
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => break,
        }
        warnings.extend(log::take());
    }
    let cause = warnings.first().map_or("notices of other processes do not arrive", String::as_str);
    let todo = if cause.contains("pooler") {
        "set INCODE_STORE_LISTEN to a URL of the same database past the pooler, or let the pooler keep sessions"
    } else {
        "allow LISTEN (PostgreSQL) or the channel incode_* (Redis: ACL SETUSER <user> &incode_* +subscribe +publish)"
    };
    report.warn("feed", format!("{cause}. Every request then asks the store"), todo)
}

/// Longer than a feed takes to come up, or an engine to say why it does not.
const LONGEST_FEED: Duration = Duration::from_secs(20);
/// How often the log is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(100);
