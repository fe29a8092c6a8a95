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
    let moved = this.run().await;
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
    assert!(!this.tables().await.contains(&"moved_link".to_owned()));
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
