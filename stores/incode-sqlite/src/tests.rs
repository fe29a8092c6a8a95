use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use tempfile::TempDir;

use super::SqliteStore;
use crate::Timestamp;
use crate::store::{Accepted, Claim, NewEvent, Settlement, Store, StoreErrorKind};
use crate::testing::store_suite::{self, pending};

mod durability;
mod failures;
mod opening;
mod upgrade;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let directory = TempDir::new().unwrap();
    let names = std::sync::atomic::AtomicU32::new(0);
    store_suite::run(|| async {
        let name = names.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Arc::new(open(&directory.path().join(format!("{name}.db"))).await) as Arc<dyn Store>
    })
    .await;
}

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path).await.unwrap()
}

async fn accept(store: &SqliteStore, event: NewEvent) -> Accepted {
    store.accept(event).await.unwrap()
}

/// Accepts `pending("object-N", "token", 10)` for each N, 256 at a time.
async fn accept_many(store: &SqliteStore, range: std::ops::Range<usize>) {
    futures_util::stream::iter(range)
        .map(|n| store.accept(pending(&format!("object-{n}"), "token", 10)))
        .buffer_unordered(256)
        .for_each(|accepted| async move { assert!(matches!(accepted.unwrap(), Accepted::New(_))) })
        .await;
}

async fn claim(store: &SqliteStore, now: i64, limit: u32) -> Vec<crate::store::ClaimedEvent> {
    store.claim(Claim { now: ms(now), lease_until: ms(now + 1_000), limit, newest_first: false }).await.unwrap()
}

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn done(at: i64) -> Settlement {
    Settlement::Done { seen: None, link: None, handlers: Vec::new(), at: ms(at) }
}

/// Keeps the writer busy until the sender is dropped or used, so that what is queued next shares one batch.
async fn hold_writer(store: &SqliteStore) -> std::sync::mpsc::Sender<()> {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let work = move |_: &mut super::batch::Transaction<'_>| {
        let _ = begun.send(());
        let _ = held.recv();
        Ok(())
    };
    let answer = store.writer.push(|reply| super::writer::several(reply, work)).await.unwrap();
    drop(answer);
    begins.await.unwrap();
    release
}

fn kind_of<T: std::fmt::Debug>(result: Result<T, crate::store::StoreError>) -> StoreErrorKind {
    result.unwrap_err().kind()
}
