use std::error::Error;

use rusqlite::Connection;

use super::*;
use crate::Actor;
use crate::store::{EventFilter, JobClaim, JobFailure, JobSettlement, Reason, Replay};

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_closes() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let first = open(&path).await;
    let refused = SqliteStore::open(&path).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    assert_eq!(refused.source().unwrap().to_string(), "already open in another process");
    accept(&first, pending("object", "token", 1)).await;
    first.close().await.unwrap();
    let second = open(&path).await;
    assert_eq!(second.counts().await.unwrap().pending, 1);
}

/// As when another thread of the process starts a program just then.
#[tokio::test]
async fn a_copy_of_the_lock_that_is_gone_in_a_moment_keeps_nobody_out() {
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
    assert_eq!(SqliteStore::open(&link).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    first.close().await.unwrap();
    let by_link = open(&link).await;
    assert_eq!(SqliteStore::open(&file).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
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
        match SqliteStore::open(&path).await {
            Ok(store) => break store,
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Unavailable),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(again.counts().await.unwrap().pending, 1);
}

/// A machine that starts with its clock ahead and is put right: nobody waits for that time to come, for tokens don't.
#[tokio::test]
async fn what_a_clock_that_was_ahead_has_put_off_is_due_at_the_next_start() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let now = Timestamp::from(std::time::SystemTime::now()).as_millis();
    let (minute, day) = (60_000, 24 * 60 * 60 * 1000);
    let store = open(&path).await;
    accept(&store, pending("owed", "token", now + day)).await;
    let lease = claim(&store, now + day, 1).await[0].lease;
    let handlers = vec!["mail".into()];
    let seen = Some(store_suite::seen("person", now + day));
    let applied = Settlement::Done { seen, link: None, handlers, at: ms(now + day) };
    store.settle(lease, applied).await.unwrap();
    accept(&store, pending("owed-again", "token", now - day)).await;
    let lease = claim(&store, now, 1).await[0].lease;
    let handlers = vec!["crm".into()];
    let seen = Some(store_suite::seen("person", now));
    store.settle(lease, Settlement::Done { seen, link: None, handlers, at: ms(now) }).await.unwrap();
    let owed = |handler: &str, now, limit| JobClaim { handler: handler.into(), now, lease_until: now, limit };
    let lease = store.effects().claim_jobs(owed("crm", ms(now), 1)).await.unwrap()[0].lease;
    let failed = JobSettlement::Retry { due_at: ms(now + 2 * day), failure: JobFailure::Failed };
    store.effects().settle_job(lease, failed).await.unwrap();
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
        assert_eq!(again.effects().claim_jobs(owed(handler, ms(soon), 9)).await.unwrap().len(), 1, "{handler}");
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
async fn a_newer_version_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    open(&path).await.close().await.unwrap();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA user_version = 999").unwrap();
    drop(conn);
    let before = std::fs::read(&path).unwrap();
    assert_eq!(kind_of(SqliteStore::open(&path).await), StoreErrorKind::Incompatible);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// Whatever a later version adds, a file of the first one opens and serves its rows.
#[tokio::test]
async fn a_file_of_version_1_is_brought_up_to_date() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(crate::store::sqlite::schema::MIGRATIONS[0]).unwrap();
    conn.execute_batch(
        "PRAGMA user_version = 1; PRAGMA application_id = 0x696e6364;
        INSERT INTO event VALUES (7, 'verification.completed', 'object', x'00112233445566778899aabbccddeeff',
            x'00112233445566778899aabbccddee00', 'dead', 'not_found', 3, 4, 5, 10, NULL, 20, NULL, x'746f6b656e');
        INSERT INTO identity VALUES ('person', 'ACTIVE', 5, NULL, NULL, NULL, NULL);
        INSERT INTO link VALUES ('alice', 'person', 'flow', 6);",
    )
    .unwrap();
    drop(conn);
    let store = open(&path).await;
    let rows = store.events(EventFilter { reason: Some(Reason::NotFound), ..EventFilter::default() }).await.unwrap();
    assert_eq!(rows.iter().map(|row| (row.id.0, row.attempts)).collect::<Vec<_>>(), [(7, 3)]);
    let linked = store.linked(crate::Subject::new("alice").unwrap()).await.unwrap().unwrap();
    assert_eq!(linked.identity.identity_id.as_str(), "person");
    assert_eq!(store.replay(Replay::One(rows[0].id), Actor::unknown(), ms(30)).await.unwrap(), 1);
    assert_eq!(claim(&store, 30, 10).await[0].token, b"token");
    assert_eq!(store.audits(10, None).await.unwrap().len(), 1);
    let newer = accept(&store, pending("newer", "token", 40)).await;
    assert_eq!(newer, Accepted::New(crate::store::EventId(8)));
}

#[tokio::test]
async fn files_of_every_earlier_version_take_fields() {
    use crate::identity::{Field, Observation, RetainedField};
    use crate::store::sqlite::schema::MIGRATIONS;
    let directory = TempDir::new().unwrap();
    let person = || crate::IdentityId::new("person").unwrap();
    for version in 1..MIGRATIONS.len() {
        let path = directory.path().join(format!("{version}.db"));
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(&MIGRATIONS[..version].concat()).unwrap();
        conn.execute_batch(&format!(
            "PRAGMA user_version = {version}; PRAGMA application_id = 0x696e6364;
            INSERT INTO identity (identity_id, status, checked_at) VALUES ('person', 'ACTIVE', 5)"
        ))
        .unwrap();
        drop(conn);
        let store = open(&path).await;
        assert!(store.identity(person()).await.unwrap().is_some(), "of version {version}");
        assert_eq!(store.fields(person(), ms(0)).await.unwrap(), []);
        let kept = RetainedField { field: Field::Email, sealed: b"sealed".to_vec(), expires_at: ms(90) };
        let seen = Observation { fields: vec![kept.clone()], ..store_suite::seen("person", 6) };
        store.observe(seen).await.unwrap();
        store.close().await.unwrap();
        // A field that only a later version knows is passed over, and goes in its time.
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("INSERT INTO field VALUES ('person', 'unheard_of', x'00', 6, 90)").unwrap();
        drop(conn);
        assert_eq!(open(&path).await.fields(person(), ms(89)).await.unwrap(), [kept]);
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
        assert_eq!(kind_of(SqliteStore::open(&path).await), StoreErrorKind::Incompatible, "{path:?}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{path:?}");
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_opened_is_unavailable() {
    let directory = TempDir::new().unwrap();
    for path in [directory.path().join("missing/store.db"), directory.path().to_owned(), "".into()] {
        assert_eq!(kind_of(SqliteStore::open(&path).await), StoreErrorKind::Unavailable, "{path:?}");
    }
}
