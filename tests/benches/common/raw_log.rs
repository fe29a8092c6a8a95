//! The physical limit of a durable accept: append, `fdatasync`, answer; many share one sync.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use incode_core::store::{Accepted, EventId, NewEvent, StoreError, StoreErrorKind, StoreFuture};
use tokio::sync::{mpsc, oneshot};

use super::partial_store::Part;

/// Writes events one after the other, in batches as they come, as the SQLite store does; knows no duplicates, keeps no
/// index, and nothing can be read back. Ends with the process.
pub(crate) struct RawLog {
    jobs: mpsc::Sender<Job>,
    syncs: Arc<AtomicU64>,
}

type Job = (NewEvent, oneshot::Sender<EventId>);

impl RawLog {
    /// A log that grows, as logs do.
    pub(crate) fn growing(path: &Path) -> Self {
        Self::start(File::create_new(path).unwrap(), u64::MAX)
    }

    /// A file written out beforehand and used as a ring: a file that grows has its length synced as well, which takes
    /// about twice as long.
    pub(crate) fn ring(path: &Path) -> Self {
        let mut file = File::create_new(path).unwrap();
        file.write_all(&vec![0; RING_LEN]).unwrap();
        file.sync_all().unwrap();
        file.rewind().unwrap();
        Self::start(file, RING_LEN as u64)
    }

    fn start(file: File, len: u64) -> Self {
        let (jobs, receiver) = mpsc::channel(4096);
        let syncs = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&syncs);
        thread::spawn(move || run(file, len, receiver, &counter));
        Self { jobs, syncs }
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

impl Part for RawLog {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        Box::pin(async move {
            let (reply, done) = oneshot::channel();
            self.jobs.try_send((event, reply)).map_err(|_| StoreError::new(StoreErrorKind::Busy))?;
            let id = done.await.map_err(|_| StoreError::new(StoreErrorKind::Unavailable))?;
            Ok(Accepted::New(id))
        })
    }
}

fn run(mut file: File, len: u64, mut jobs: mpsc::Receiver<Job>, syncs: &AtomicU64) {
    let (mut bytes, mut replies) = (Vec::new(), Vec::new());
    let mut last_id = 0;
    while let Some(first) = jobs.blocking_recv() {
        let mut next = Some(first);
        while let Some((event, reply)) = next {
            last_id += 1;
            append(&mut bytes, last_id, &event);
            replies.push((reply, EventId(last_id)));
            next = if replies.len() < LARGEST_BATCH { jobs.try_recv().ok() } else { None };
        }
        if file.stream_position().unwrap() + bytes.len() as u64 > len {
            file.rewind().unwrap();
        }
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
        syncs.fetch_add(1, Ordering::Relaxed);
        bytes.clear();
        for (reply, id) in replies.drain(..) {
            // A caller that hung up does not undo what was written.
            let _ = reply.send(id);
        }
    }
}

/// What the SQLite row holds, each part with its length before it.
fn append(bytes: &mut Vec<u8>, id: i64, event: &NewEvent) {
    let object = event.object_id.as_ref().map_or("", |id| id.as_str());
    let parts = [event.kind.as_str().as_bytes(), object.as_bytes(), &event.token_hash.0, &event.token];
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.extend_from_slice(&event.received_at.as_millis().to_le_bytes());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
        bytes.extend_from_slice(part);
    }
}

const LARGEST_BATCH: usize = 512;
/// What the log of the SQLite store grows to.
const RING_LEN: usize = 64 << 20;
