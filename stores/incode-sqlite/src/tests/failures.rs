use futures_util::future::join_all;
use incode_core::store::EventFilter;

use super::*;
use crate::batch::Transaction;
use crate::error::Failure;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simultaneous_events_share_commits() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory.path().join("store.db")).await;
    let release = hold_writer(&store).await;
    let before = store.commits();
    let events = join_all((0..256).map(|n| store.accept(pending(&format!("object-{n}"), "token", 10))));
    let freed = async { release.send(()).unwrap() };
    // Polled in order: all 256 are queued before the writer may go on.
    let (accepted, ()) = tokio::join!(biased; events, freed);
    assert!(accepted.iter().all(|accepted| matches!(accepted, Ok(Accepted::New(_)))));
    assert_eq!(store.commits() - before, 2, "the commit that was held up, and one for all 256");
}

#[tokio::test]
async fn a_full_queue_is_busy_for_deliveries_only() {
    let directory = TempDir::new().unwrap();
    let store = SqliteOptions::new(directory.path().join("store.db")).queue_len(2).open().await.unwrap();
    let release = hold_writer(&store).await;
    let queued = join_all((0..2).map(|n| store.accept(pending(&format!("object-{n}"), "token", 10))));
    let refused = async {
        assert_eq!(kind_of(store.accept(pending("late", "token", 10)).await), StoreErrorKind::Busy);
        store.time().await.expect("reads have a queue of their own");
    };
    let waits = claim(&store, 10, 10);
    let freed = async { release.send(()).unwrap() };
    let (queued, (), claimed, ()) = tokio::join!(biased; queued, refused, waits, freed);
    assert!(queued.iter().all(Result::is_ok));
    assert_eq!(claimed.len(), 2, "it waited for its place");
    assert!(matches!(accept(&store, pending("late", "token", 10)).await, Accepted::New(_)));
}

#[tokio::test]
async fn closing_finishes_what_was_queued() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).await;
    let release = hold_writer(&store).await;
    let queued = join_all((0..50).map(|n| store.accept(pending(&format!("object-{n}"), "token", 10))));
    let freed = async { release.send(()).unwrap() };
    let (queued, closed, ()) = tokio::join!(biased; queued, store.close(), freed);
    assert!(queued.iter().all(Result::is_ok));
    closed.unwrap();
    assert_eq!(open(&path).await.counts().await.unwrap().inbox.pending, 50);
}

#[tokio::test]
async fn a_full_disk_fails_the_batch_and_is_survived() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory.path().join("store.db")).await;
    accept(&store, pending("before", "token", 10)).await;
    run(&store, |tx| pages(tx, 1)).await.unwrap();
    let big = |n: usize| NewEvent { token: vec![0; 4_000], ..pending(&format!("big-{n}"), "token", 20) };
    let mut accepted = 0;
    let refused = loop {
        match store.accept(big(accepted)).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), StoreErrorKind::Full);
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.inbox.pending, 1 + accepted as u64, "what failed is not counted");
    assert_eq!(kind_of(store.time().await), StoreErrorKind::Full, "no delivery can be kept");
    assert_eq!(store.events(EventFilter::default()).await.unwrap().len(), accepted + 1, "it still reads");
    assert_eq!(kind_of(store.accept(big(accepted)).await), StoreErrorKind::Full, "still full, and still new");

    run(&store, |tx| pages(tx, 1_000_000)).await.unwrap();
    store.time().await.expect("the probe finds room, before a delivery does");
    assert!(matches!(accept(&store, big(accepted)).await, Accepted::New(_)), "no restart was needed");
    assert_eq!(claim(&store, 20, 100).await.len(), accepted + 2);
}

#[tokio::test]
async fn a_failed_commit_leaves_no_trace_in_memory() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory.path().join("store.db")).await;
    run(&store, |tx| {
        let sql = "CREATE TABLE parent (id INTEGER PRIMARY KEY);
            CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)";
        Ok(tx.conn.execute_batch(sql)?)
    })
    .await
    .unwrap();
    accept(&store, pending("claimed", "token", 10)).await;
    let event = claim(&store, 10, 1).await.pop().unwrap();
    let before = store.counts().await.unwrap();
    let commits = store.commits();

    let release = hold_writer(&store).await;
    let good = store.accept(pending("neighbour", "token", 10));
    let settled = store.settle(event.lease, done(20));
    // Only the commit finds out that the parent is missing.
    let bad = run(&store, |tx| Ok(tx.conn.execute_batch("INSERT INTO child VALUES (1)")?));
    let freed = async { release.send(()).unwrap() };
    let (good, settled, bad, ()) = tokio::join!(biased; good, settled, bad, freed);
    assert_eq!(kind_of(good), StoreErrorKind::Failed);
    assert_eq!(kind_of(settled), StoreErrorKind::Failed);
    assert_eq!(kind_of(bad), StoreErrorKind::Failed);
    assert_eq!(store.commits(), commits + 1, "only the batch that was held up");

    assert_eq!(store.counts().await.unwrap(), before);
    assert!(
        matches!(accept(&store, pending("neighbour", "token", 10)).await, Accepted::New(_)),
        "not known by mistake"
    );
    assert!(matches!(accept(&store, pending("claimed", "other", 10)).await, Accepted::New(_)), "not done by mistake");
    assert!(matches!(store.settle(event.lease, done(30)).await, Ok(incode_core::store::Settled::Written(None))));
    assert_eq!(accept(&store, pending("claimed", "other", 40)).await, Accepted::Duplicate);
}

#[tokio::test]
async fn a_failing_job_does_not_undo_its_neighbours() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory.path().join("store.db")).await;
    let release = hold_writer(&store).await;
    let commits = store.commits();
    let first = store.accept(pending("first", "token", 10));
    let bad = run(&store, |tx| {
        tx.conn.execute_batch("DELETE FROM event")?;
        crate::accept::accept(tx, pending("undone", "token", 10))?;
        tx.conn.execute_batch("INSERT INTO meta VALUES (NULL, NULL)")?;
        Ok(())
    });
    let last = store.accept(pending("last", "token", 10));
    let freed = async { release.send(()).unwrap() };
    let (first, bad, last, ()) = tokio::join!(biased; first, bad, last, freed);
    assert!(matches!((first, last), (Ok(Accepted::New(_)), Ok(Accepted::New(_)))));
    assert_eq!(kind_of(bad), StoreErrorKind::Failed);
    assert_eq!(store.commits() - commits, 2);
    assert_eq!(store.counts().await.unwrap().inbox.pending, 2);
    assert!(matches!(accept(&store, pending("undone", "token", 10)).await, Accepted::New(_)), "not known by mistake");
    assert_eq!(claim(&store, 10, 10).await.len(), 3);
}

async fn run<T: Send + 'static>(
    store: &SqliteStore,
    work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send + 'static,
) -> Result<T, StoreError> {
    store.write(work).await
}

/// Lets the file grow to as many pages, or stay as large as it is.
fn pages(tx: &mut Transaction<'_>, pages: u32) -> Result<(), Failure> {
    tx.conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    Ok(())
}

#[tokio::test]
async fn a_dead_writer_shows() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory.path().join("store.db")).await;
    store.time().await.unwrap();
    store.writer.close().await;
    assert_eq!(kind_of(store.accept(pending("object", "token", 10)).await), StoreErrorKind::Unavailable);
    while store.time().await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(kind_of(store.time().await), StoreErrorKind::Unavailable);
}
