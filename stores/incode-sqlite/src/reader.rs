//! The thread that reads. Its connection is read-only and sees each commit as soon as it is done.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::thread;

use incode_core::store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::{self, Failure};
use crate::file;
use crate::queue::{Message, Reply};
use crate::writer::Guard;

/// A query with the channel to its caller.
pub(crate) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// A query that answers its caller. It is left out when the caller is gone.
pub(crate) fn job<T: Send + 'static>(
    reply: Reply<T>,
    query: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
) -> ReadJob {
    Box::new(move |conn| {
        if !reply.is_closed() {
            let _ = reply.send(query(conn).map_err(StoreError::from));
        }
    })
}

/// Starts the thread. It keeps the guard, and with it the lock, until its connection is closed.
pub(crate) fn spawn(
    path: PathBuf,
    jobs: Receiver<Message<ReadJob>>,
    guard: Guard,
    opened: Reply<()>,
) -> Result<(), StoreError> {
    let thread = thread::Builder::new().name("incode-store-reader".into());
    let body = move || match file::open_reader(&path) {
        Ok(conn) => {
            let _ = opened.send(Ok(()));
            let closing = run(&conn, &jobs);
            drop(conn);
            drop(guard);
            closing.map(|closing| closing.send(()));
        }
        Err(error) => drop(opened.send(Err(error))),
    };
    thread.spawn(body).map_err(error::no_thread)?;
    Ok(())
}

/// Runs reads until the store is closed. Each sees the last commit.
fn run(conn: &Connection, jobs: &Receiver<Message<ReadJob>>) -> Option<oneshot::Sender<()>> {
    while let Ok(message) = jobs.recv() {
        match message {
            Message::Job(query, place) => {
                drop(place);
                query(conn);
            }
            Message::Close(reply) => return Some(reply),
        }
    }
    None
}
