//! A copy that is made while the store is written to, and a store that is made from it: all that was acknowledged before the
//! copy began is there, whole.

use std::collections::HashSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use incode_core::store::{Accepted, EventFilter, LifeCycle, Store};
use incode_core::testing::store_suite::{link, pending};
use incode_core::{Subject, Timestamp};
use incode_postgres::PostgresStore;
use incode_sqlite::SqliteOptions;
use incode_tests::servers::PostgresServer;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sqlite_while_it_runs() {
    let directory = TempDir::new().unwrap();
    let (path, copy) = (directory.path().join("incode.db"), directory.path().join("copy.db"));
    let load = Load::start(Arc::new(SqliteOptions::new(&path).open().await.unwrap()));
    let known = load.some_are_acknowledged().await;
    let (from, to) = (path.clone(), copy.clone());
    tokio::task::spawn_blocking(move || {
        let conn = rusqlite::Connection::open(from).unwrap();
        conn.execute("VACUUM INTO ?", [to.to_str().unwrap()]).unwrap();
    })
    .await
    .unwrap();
    let all = load.end().await;
    let restored = SqliteOptions::new(&copy).open().await.unwrap();
    is_whole(&restored, &known, &all).await;
    LifeCycle::close(&restored).await.unwrap();
    let conn = rusqlite::Connection::open(&copy).unwrap();
    let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_postgres_while_it_runs() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let load = Load::start(Arc::new(PostgresStore::open(&url).await.unwrap()));
    let known = load.some_are_acknowledged().await;
    let base = url.split('?').next().unwrap();
    let mut dump = tokio::process::Command::from(server.tool("pg_dump"));
    let dump = dump.args(["--format=custom", &format!("--schema={schema}"), base]).output().await.unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let all = load.end().await;

    // Into a database of its own, as after a loss.
    let database = format!("restored_{schema}");
    server.connect("pg_catalog").await.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    let other = base.replace("/postgres", &format!("/{database}"));
    assert_ne!(other, base);
    let mut restore = tokio::process::Command::from(server.tool("pg_restore"));
    let restore = restore.args(["--exit-on-error", "-d", &other]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut restore = restore.spawn().unwrap();
    restore.stdin.take().unwrap().write_all(&dump.stdout).await.unwrap();
    let restore = restore.wait_with_output().await.unwrap();
    assert!(restore.status.success(), "{}", String::from_utf8_lossy(&restore.stderr));
    let restored = PostgresStore::open(&format!("{other}?schema={schema}")).await.unwrap();
    is_whole(&restored, &known, &all).await;
    restored.close().await.unwrap();
}

/// What was acknowledged before is there, nothing is there that never was, links lead to identities, and it takes more.
async fn is_whole(store: &dyn Store, known: &HashSet<String>, all: &HashSet<String>) {
    let rows = store.events(EventFilter { limit: 1_000_000, ..EventFilter::default() }).await.unwrap();
    let there: HashSet<String> =
        rows.iter().filter_map(|row| row.object_id.as_ref()).map(|id| id.as_str().to_owned()).collect();
    assert_eq!(there.len(), rows.len());
    assert!(known.is_subset(&there), "{} of {}", there.len(), known.len());
    assert!(there.is_subset(all));
    for object in known {
        // Written before its event was acknowledged.
        let state = store.subject(Subject::new(format!("user of {object}")).unwrap()).await.unwrap();
        assert_eq!(state.linked.unwrap().identity.checked_at, Timestamp::from_millis(5));
        assert_eq!(store.accept(pending(object, "token", 10)).await.unwrap(), Accepted::Duplicate);
    }
    assert!(matches!(store.accept(pending("afterwards", "token", 10)).await.unwrap(), Accepted::New(_)));
}

/// Some who write until they are stopped.
struct Load {
    store: Arc<dyn Store>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<HashSet<String>>>,
    writers: JoinSet<()>,
}

impl Load {
    fn start(store: Arc<dyn Store>) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(HashSet::new())));
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let (store, stop, acknowledged) = (Arc::clone(&store), Arc::clone(&stop), Arc::clone(&acknowledged));
            writers.spawn(async move {
                for n in 0..50_000 {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let object = format!("object-{writer}-{n}");
                    store.change(link(&format!("user of {object}"), &format!("of-{object}"), 5)).await.unwrap();
                    store.accept(pending(&object, "token", 10)).await.unwrap();
                    acknowledged.lock().unwrap().insert(object);
                }
            });
        }
        Self { store, stop, acknowledged, writers }
    }

    async fn some_are_acknowledged(&self) -> HashSet<String> {
        for _ in 0..6_000 {
            let known = self.acknowledged.lock().unwrap().clone();
            if known.len() >= 200 {
                return known;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("a load that deserves the name")
    }

    /// Goes on a little, so that the copy was made in the middle of it.
    async fn end(self) -> HashSet<String> {
        let before = self.acknowledged.lock().unwrap().len();
        while self.acknowledged.lock().unwrap().len() < before + 10 && !self.writers.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        self.stop.store(true, Ordering::SeqCst);
        self.writers.join_all().await;
        self.store.close().await.unwrap();
        self.acknowledged.lock().unwrap().clone()
    }
}
