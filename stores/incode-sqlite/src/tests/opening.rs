use incode_core::store::{JobClaim, JobFailure, JobSettlement, JobStore};
use rusqlite::Connection;

use super::*;

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_closes() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let first = open(&path).await;
    let refused = SqliteOptions::new(&path).open().await;
    assert_eq!(refused.as_ref().unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(cause_of(refused), "already open in another process");
    accept(&first, pending("object", "token", 1)).await;
    first.close().await.unwrap();
    let second = open(&path).await;
    assert_eq!(second.counts().await.unwrap().inbox.pending, 1);
}

/// As when another thread of the process starts a program just then.
#[tokio::test]
async fn a_copy_of_the_lock_that_is_gone_in_a_moment_does_not_keep_an_opener_out() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let copy = std::fs::File::create(directory.path().join("store.db.lock")).unwrap();
    copy.lock().unwrap();
    let held = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        drop(copy);
    });
    open(&path).await;
    held.join().unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn another_name_of_the_file_is_the_same_file() {
    let directory = TempDir::new().unwrap();
    let (file, link) = (directory.path().join("store.db"), directory.path().join("link.db"));
    let first = open(&file).await;
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert_eq!(kind_of(SqliteOptions::new(&link).open().await), StoreErrorKind::Unavailable);
    first.close().await.unwrap();
    let by_link = open(&link).await;
    assert_eq!(kind_of(SqliteOptions::new(&file).open().await), StoreErrorKind::Unavailable);
    by_link.close().await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_dropped_lets_go_by_itself() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).await;
    accept(&store, pending("object", "token", 1)).await;
    drop(store);
    let again = loop {
        match SqliteOptions::new(&path).open().await {
            Ok(store) => break store,
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Unavailable),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(again.counts().await.unwrap().inbox.pending, 1);
}

/// A machine that starts with its clock ahead and is put right: nothing waits for that time to come, for tokens don't.
#[tokio::test]
async fn what_a_clock_that_was_ahead_has_put_off_is_due_at_the_next_start() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let now = Timestamp::from(std::time::SystemTime::now()).as_millis();
    let (minute, day) = (60_000, 24 * 60 * 60 * 1000);
    let store = open(&path).await;
    accept(&store, pending("owed", "token", now + day)).await;
    let event = claim(&store, now + day, 1).await.pop().unwrap();
    let request = apply(&event, seen("person", now + day), None, &["mail"]);
    store.settle(event.lease, done_with(request, now + day)).await.unwrap();
    accept(&store, pending("owed-again", "token", now - day)).await;
    let event = claim(&store, now, 1).await.pop().unwrap();
    let request = apply(&event, seen("person", now), None, &["crm"]);
    store.settle(event.lease, done_with(request, now)).await.unwrap();
    let owed = |handler: &str, now, limit| JobClaim { handler: handler.into(), now, lease_until: now, limit };
    let lease = store.claim_jobs(owed("crm", ms(now), 1)).await.unwrap().jobs[0].lease;
    let failed = JobSettlement::Retry { due_at: ms(now + 2 * day), failure: JobFailure::Failed };
    assert!(store.settle_job(lease, failed).await.unwrap());
    accept(&store, pending("received", "token", now + day)).await;
    for (object, wait) in [("put-off-by-a-day", day), ("put-off-by-a-minute", minute)] {
        accept(&store, pending(object, "token", now - day)).await;
        let lease = claim(&store, now, 1).await[0].lease;
        store.settle(lease, Settlement::Retry { due_at: ms(now + wait), reason: Reason::RateLimited }).await.unwrap();
    }
    store.close().await.unwrap();
    let again = open(&path).await;
    let soon = now + minute / 2;
    let due: Vec<_> = claim(&again, soon, 9).await.into_iter().map(|event| event.object_id).collect();
    assert_eq!(due.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["received", "put-off-by-a-day"]);
    for handler in ["mail", "crm"] {
        assert_eq!(again.claim_jobs(owed(handler, ms(soon), 9)).await.unwrap().jobs.len(), 1, "{handler}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).await;
    accept(&store, pending("object", "token", 1)).await;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["store.db", "store.db-shm", "store.db-wal", "store.db.lock"]);
}

#[tokio::test]
async fn another_version_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    open(&path).await.close().await.unwrap();
    for version in [0, 2, 999] {
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(&format!("PRAGMA user_version = {version}; PRAGMA wal_checkpoint(TRUNCATE)")).unwrap();
        drop(conn);
        let before = std::fs::read(&path).unwrap();
        assert_eq!(kind_of(SqliteOptions::new(&path).open().await), StoreErrorKind::Incompatible);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[tokio::test]
async fn foreign_files_are_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let other_program = directory.path().join("other.db");
    let conn = Connection::open(&other_program).unwrap();
    conn.execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)").unwrap();
    drop(conn);
    let numbered = directory.path().join("numbered.db");
    Connection::open(&numbered).unwrap().execute_batch("PRAGMA application_id = 7").unwrap();
    let no_database = directory.path().join("notes.txt");
    std::fs::write(&no_database, "not a database at all, but long enough to have a header".repeat(20)).unwrap();
    for path in [other_program, numbered, no_database] {
        let before = std::fs::read(&path).unwrap();
        assert_eq!(kind_of(SqliteOptions::new(&path).open().await), StoreErrorKind::Incompatible, "{path:?}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{path:?}");
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_opened_is_unavailable() {
    let directory = TempDir::new().unwrap();
    for path in [directory.path().join("missing/store.db"), directory.path().to_owned(), "".into()] {
        assert_eq!(kind_of(SqliteOptions::new(&path).open().await), StoreErrorKind::Unavailable, "{path:?}");
    }
}

#[tokio::test]
async fn a_backup_opens_without_the_files_beside_it() {
    let directory = TempDir::new().unwrap();
    let (path, copy) = (directory.path().join("store.db"), directory.path().join("copy.db"));
    let store = open(&path).await;
    accept(&store, pending("object", "token", 1)).await;
    let conn = Connection::open(&path).unwrap();
    conn.execute("VACUUM INTO ?", [copy.to_str().unwrap()]).unwrap();
    drop(conn);
    let restored = open(&copy).await;
    assert_eq!(accept(&restored, pending("object", "token", 2)).await, Accepted::Duplicate);
}
