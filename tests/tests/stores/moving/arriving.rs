use incode_core::store::{Accepted, Linked, Store, StoreErrorKind};
use incode_core::testing::store_suite::{ignored, new_link, pending, seen};

use super::*;

#[tokio::test]
async fn everything_is_there_as_it_was() {
    let Some(this) = Move::start().await else { return };
    let from = this.sqlite().await;
    fill(&from).await;
    from.close().await.unwrap();
    let before = std::fs::read(this.file()).unwrap();
    let moved = this.run().await;
    assert!(moved.is_complete(), "{moved:?}");
    for table in &moved.tables {
        assert!(table.read > 0 && table.copied == table.read, "{table:?}");
    }
    assert_eq!(std::fs::read(this.file()).unwrap(), before, "the file is as it was");
    let tables = this.tables().await.into_iter().filter(|name| !name.starts_with("moved"));
    let ours = ["audit", "effect", "event", "field", "forgotten", "identity", "link", "spent", "version"];
    assert_eq!(tables.collect::<Vec<_>>(), ours);

    let (from, to) = (this.sqlite().await, this.postgres().await);
    assert_eq!(all_of(&to).await, all_of(&from).await);
    // Done once more there, everything goes the same way.
    for store in [&from as &dyn Store, &to] {
        for known in [pending("applied", "another", 200), pending("waiting", "token", 200), ignored("strange", 200)] {
            assert_eq!(store.accept(known).await.unwrap(), Accepted::Duplicate);
        }
        let spent = store.link(new_link("frida", "flo", 200, Some(1))).await.unwrap();
        assert_eq!(spent, Linked::AlreadySpent);
        assert!(store.observe(seen("dee", 50)).await.unwrap().subjects.is_empty());
        assert_eq!(store.identity(identity("dee")).await.unwrap(), None, "who is forgotten stays so");
        let claim = Claim { now: ms(300), lease_until: ms(LONG), limit: 10, newest_first: false };
        let due = store.claim(claim).await.unwrap();
        let due: Vec<_> = due.iter().map(|event| (event.object_id.as_str(), &*event.token, event.attempts)).collect();
        assert_eq!(due, [("leased", &b"sealed-token"[..], 2), ("waiting", b"token", 1)], "no lease is left");
    }
    let ids = |store| async move { accept(store, pending("next", "token", 400)).await.0 };
    let (last, next) = (ids(&from as &dyn Store).await, ids(&to).await);
    assert!(next >= last, "ids go on: {last}, {next}");
    to.replay(Replay::One(EventId(next)), Actor::unknown(), ms(500)).await.unwrap();
    assert!(to.audits(1, None).await.unwrap()[0].id > from.audits(1, None).await.unwrap()[0].id);
}

/// The tables as the first version made them: served as the store itself would.
#[tokio::test]
async fn a_file_of_an_older_version_is_brought_up_first() {
    let Some(this) = Move::start().await else { return };
    this.sqlite().await.close().await.unwrap();
    let conn = rusqlite::Connection::open(this.file()).unwrap();
    conn.execute_batch(
        "DROP INDEX identity_verification; ALTER TABLE event DROP COLUMN authenticated; PRAGMA user_version = 5;
        INSERT INTO identity (identity_id, status, checked_at) VALUES ('ana', 'ACTIVE', 5);
        INSERT INTO link VALUES ('alice', 'ana', 'flow', 6)",
    )
    .unwrap();
    drop(conn);
    let moved = this.run().await;
    assert!(moved.was_migrated && moved.is_complete(), "{moved:?}");
    let linked = this.postgres().await.linked(subject("alice")).await.unwrap().unwrap();
    assert_eq!(linked.identity.checked_at, ms(5));
    assert!(!this.run_again().await.was_migrated, "once");
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_nothing_is_made() {
    let Some(this) = Move::start().await else { return };
    let refused = async || {
        let moving = Moving::new(this.file(), PostgresOptions::new(&this.url).unwrap());
        moving.run().await.unwrap_err().kind()
    };
    assert_eq!(refused().await, StoreErrorKind::Unavailable);
    assert_eq!(std::fs::read_dir(this.directory.path()).unwrap().count(), 0, "no file is made");
    std::fs::write(this.file(), b"").unwrap();
    assert_eq!(refused().await, StoreErrorKind::Incompatible);
    std::fs::write(this.file(), b"something else, but long enough to be looked at".repeat(100)).unwrap();
    assert_eq!(refused().await, StoreErrorKind::Incompatible);
    std::fs::remove_file(this.file()).unwrap();
    rusqlite::Connection::open(this.file()).unwrap().execute_batch("CREATE TABLE theirs (id)").unwrap();
    assert_eq!(refused().await, StoreErrorKind::Incompatible);
    assert!(this.tables().await.is_empty(), "the database is not touched before the file is known to be ours");
}
