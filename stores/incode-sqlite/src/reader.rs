use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;

use rusqlite::Connection;

use super::failure::Failure;
use super::file;
use super::queue::{Message, Reply};
use crate::store::{StoreError, StoreErrorKind};

pub(super) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// A query that answers by itself.
pub(super) fn job<T: Send + 'static>(
    reply: Reply<T>,
    query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> ReadJob {
    Box::new(move |conn| {
        if !reply.is_closed() {
            let _ = reply.send(query(conn).map_err(|error| Failure::from(error).into()));
        }
    })
}

/// Starts the thread, which holds on to the lock, if there is one, as long as it has the file open.
pub(super) fn spawn(
    path: PathBuf,
    jobs: Receiver<Message<ReadJob>>,
    lock: Option<Arc<File>>,
    opened: Reply<()>,
) -> Result<(), StoreError> {
    let thread = thread::Builder::new().name("incode-store-reader".into());
    let body = move || match file::absolute(&path).and_then(|path| file::open_reader(&path)) {
        Ok(conn) => {
            let _ = opened.send(Ok(()));
            let closing = run(&conn, &jobs);
            drop((conn, lock));
            closing.map(|closing| closing.send(()));
        }
        Err(error) => drop(opened.send(Err(error))),
    };
    thread.spawn(body).map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))?;
    Ok(())
}

fn run(conn: &Connection, jobs: &Receiver<Message<ReadJob>>) -> Option<tokio::sync::oneshot::Sender<()>> {
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
