use incode_core::store::Store;
use incode_core::testing::store_suite::{new_link, pending};

use super::*;

#[tokio::test]
async fn repeated_it_changes_nothing() {
    let Some(this) = Move::start().await else { return };
    let from = this.sqlite().await;
    fill(&from).await;
    from.close().await.unwrap();
    this.run().await;
    let (to, reader) = (this.postgres().await, this.server.connect(&this.schema).await);
    // Down to the rows themselves: one that is written again has another place.
    let places = async || {
        let mut places = Vec::new();
        for table in ["audit", "effect", "event", "field", "forgotten", "identity", "link", "spent"] {
            let rows = reader.query(&format!("SELECT ctid::text FROM {table} ORDER BY 1"), &[]).await.unwrap();
            places.push(rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>());
        }
        places
    };
    let (before, known) = (places().await, all_of(&to).await);
    let moved = this.run_again().await;
    assert!(moved.is_complete(), "{moved:?}");
    for table in &moved.tables {
        assert_eq!((table.copied, table.there), (0, table.read), "{table:?}");
    }
    assert_eq!((places().await, all_of(&to).await), (before, known));
}

/// A first copy while the app runs on the file, a second one when it no longer does: what happened in between counts.
#[tokio::test]
async fn a_copy_of_a_file_in_use_is_made_good_by_the_next() {
    let Some(this) = Move::start().await else { return };
    let from = this.sqlite().await;
    fill(&from).await;
    let moved = this.run().await;
    assert!(moved.was_in_use && !moved.is_complete() && !moved.contradicts(), "{moved:?}");
    assert!(moved.tables.iter().all(|table| table.copied == table.read), "{moved:?}");

    // Settled, replayed, accepted, linked, unlinked, linked to somebody else, forgotten.
    let lease = claim(&from, 130).await.lease;
    from.settle(lease, done(131, "ana")).await.unwrap();
    let dead = from.events(EventFilter { reason: Some(Reason::Exhausted), ..EventFilter::default() }).await.unwrap();
    from.replay(Replay::One(dead[0].id), Actor::unknown(), ms(LONG)).await.unwrap();
    accept(&from, pending("later", "token", LONG)).await;
    from.unlink(subject("alice")).await.unwrap();
    from.unlink(subject("carol")).await.unwrap();
    link(&from, new_link("carol", "gus", 140, Some(3))).await;
    from.forget(identity("cem"), Actor::unknown(), ms(150)).await.unwrap();
    from.forget(identity("eve"), Actor::unknown(), ms(151)).await.unwrap();
    from.close().await.unwrap();

    let moved = this.run().await;
    assert!(moved.is_complete(), "{moved:?}");
    assert!(table(&moved, "event").there > 0 && table(&moved, "link").copied > 0, "{moved:?}");
    let (from, to) = (this.sqlite().await, this.postgres().await);
    assert_eq!(all_of(&to).await, all_of(&from).await);
    assert_eq!(to.linked(subject("alice")).await.unwrap(), None, "a link that is gone is gone there too");
}

/// Nobody opens the file while it is copied for the last time.
#[tokio::test]
async fn the_last_copy_holds_the_file_shut() {
    let Some(this) = Move::start().await else { return };
    let from = this.sqlite().await;
    fill(&from).await;
    from.close().await.unwrap();
    let (file, asked) = (this.file(), Arc::new(std::sync::Mutex::new(Vec::new())));
    let heard = Arc::clone(&asked);
    let moving = Moving::new(this.file(), PostgresOptions::new(&this.url).unwrap()).progress(move |table| {
        let lock = std::fs::File::open(file.with_file_name("incode.db.lock")).unwrap();
        heard.lock().unwrap().push((table.name, lock.try_lock().is_err()));
    });
    moving.run().await.unwrap();
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    assert!(asked.len() >= 8 && asked.iter().all(|(_, is_shut)| *is_shut), "{asked:?}");
    this.sqlite().await;
}

/// The clock was ten minutes ahead at the first copy, and set right before the second: what was said last stands.
#[tokio::test]
async fn a_clock_that_was_set_back_hides_no_revocation_and_no_forgetting() {
    let Some(this) = Move::start().await else { return };
    let from = this.sqlite().await;
    let now = clock().as_millis();
    for who in ["ana", "ben", "cem"] {
        link(&from, new_link(who, who, now + 600_000, None)).await;
        let mut kept = seen(who, now + 600_000);
        kept.fields =
            vec![RetainedField { field: Field::Email, sealed: b"sealed".to_vec(), expires_at: ms(now + 86_400_000) }];
        from.observe(kept).await.unwrap();
    }
    assert!(this.run().await.was_in_use);
    let now = clock().as_millis();
    let revoked = Observation { status: IdentityStatus::Revoked, verified: None, ..seen("ana", now - 1_000) };
    from.observe(revoked).await.unwrap();
    from.forget(identity("ben"), Actor::unknown(), ms(now - 1_000)).await.unwrap();
    from.close().await.unwrap();
    let moved = this.run().await;
    assert!(moved.is_complete(), "{moved:?}");
    let to = this.postgres().await;
    assert_eq!(to.identity(identity("ana")).await.unwrap().unwrap().status, IdentityStatus::Revoked);
    assert_eq!(to.identity(identity("ben")).await.unwrap(), None);
    assert_eq!(to.linked(subject("ben")).await.unwrap(), None);
    assert!(to.fields(identity("ben"), ms(now)).await.unwrap().is_empty());
    assert_eq!(to.fields(identity("cem"), ms(now)).await.unwrap().len(), 1);
    assert_eq!(to.linked(subject("cem")).await.unwrap().unwrap().identity.status, IdentityStatus::Active);
}

/// From a backup first, completely; then in earnest.
#[tokio::test]
async fn what_a_rehearsal_brought_follows_the_file() {
    let Some(this) = Move::start().await else { return };
    let from = this.sqlite().await;
    for (name, who) in [("alice", "ana"), ("bob", "ben"), ("carol", "cem")] {
        link(&from, new_link(name, who, 10, None)).await;
    }
    from.close().await.unwrap();
    assert!(this.run().await.is_complete());
    let (from, to) = (this.sqlite().await, this.postgres().await);
    for name in ["alice", "bob", "carol"] {
        from.unlink(subject(name)).await.unwrap();
    }
    link(&from, new_link("carol", "cem", 30, None)).await;
    // Linked anew there: that is no longer what was brought.
    to.unlink(subject("bob")).await.unwrap();
    link(&to, new_link("bob", "ben", 20, None)).await;
    from.close().await.unwrap();
    let moved = this.run_again().await;
    assert!(moved.is_complete(), "{moved:?}");
    assert_eq!(to.linked(subject("alice")).await.unwrap(), None);
    for (name, at) in [("bob", 20), ("carol", 30)] {
        assert_eq!(to.linked(subject(name)).await.unwrap().unwrap().link.linked_at, ms(at), "{name}");
    }
}

/// A first copy takes long, and is still under way when the app is stopped and the last one is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_still_under_way_undoes_nothing_of_a_later_one() {
    let Some(this) = Move::start().await else { return };
    let from = this.sqlite().await;
    link(&from, new_link("alice", "ana", 10, None)).await;
    link(&from, new_link("bob", "ben", 10, None)).await;
    from.forget(identity("dee"), Actor::unknown(), ms(5)).await.unwrap();
    let ((there, is_there), (goes, go_on)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    let go_on = std::sync::Mutex::new(go_on);
    let first = this.moving().progress(move |table| {
        if table.name == "forgotten" {
            there.send(()).unwrap();
            tokio::task::block_in_place(|| go_on.lock().unwrap().recv()).unwrap();
        }
    });
    let first = tokio::spawn(first.run());
    tokio::task::block_in_place(|| is_there.recv()).unwrap();
    from.observe(Observation { status: IdentityStatus::Revoked, verified: None, ..seen("ana", 20) }).await.unwrap();
    from.unlink(subject("bob")).await.unwrap();
    from.close().await.unwrap();
    assert!(this.run().await.is_complete());
    goes.send(()).unwrap();
    let ended = first.await.unwrap();

    let to = this.postgres().await;
    assert_eq!(to.identity(identity("ana")).await.unwrap().unwrap().status, IdentityStatus::Revoked);
    assert_eq!(to.linked(subject("bob")).await.unwrap(), None);
    let told = std::error::Error::source(&ended.unwrap_err()).unwrap().to_string();
    assert_eq!(told, "another copy began meanwhile");
}

/// Somebody takes yesterday's backup for the file.
#[tokio::test]
async fn an_older_copy_of_the_file_is_refused() {
    let Some(this) = Move::start().await else { return };
    let from = this.sqlite().await;
    link(&from, new_link("alice", "ana", 10, None)).await;
    let backup = this.directory.path().join("backup.db");
    let conn = rusqlite::Connection::open(this.file()).unwrap();
    conn.execute("VACUUM INTO ?", [backup.to_str().unwrap()]).unwrap();
    drop(conn);
    accept(&from, pending("revoked", "token", 20)).await;
    let seen = Observation { status: IdentityStatus::Revoked, verified: None, ..seen("ana", 20) };
    let settlement = Settlement::Done { seen: Some(seen), link: None, handlers: Vec::new(), at: ms(20) };
    from.settle(claim(&from, 20).await.lease, settlement).await.unwrap();
    from.close().await.unwrap();
    assert!(this.run().await.is_complete());
    let moving = Moving::new(backup, PostgresOptions::new(&this.url).unwrap()).again(true);
    let refused = moving.run().await;
    let ana = this.postgres().await.identity(identity("ana")).await.unwrap().unwrap();
    assert_eq!(ana.status, IdentityStatus::Revoked);
    let told = std::error::Error::source(&refused.unwrap_err()).unwrap().to_string();
    assert_eq!(told, "the file is older than what was brought before");
    assert!(this.run_again().await.is_complete(), "the file itself is taken as before");
}
