//! The app runs on the database, and somebody starts the program once more.

use incode_core::store::{Prune, Store};
use incode_core::testing::store_suite::{new_link, pending, seen};

use super::*;

#[tokio::test]
async fn once_more_it_is_refused_and_when_told_to_undoes_nothing() {
    let Some(this) = Move::start().await else { return };
    let from = this.sqlite().await;
    let now = clock().as_millis();
    // As a clock that is ahead has it.
    for (name, who) in [("alice", "ana"), ("bob", "ben"), ("carol", "cem")] {
        link(&from, new_link(name, who, now + 600_000, None)).await;
    }
    accept(&from, pending("first", "token", 10)).await;
    let event = claim(&from, 10).await;
    let settlement =
        Settlement::Done { seen: Some(seen("dan", 20)), link: None, handlers: vec!["mail".into()], at: ms(20) };
    from.settle(event.lease, settlement).await.unwrap();
    accept(&from, pending("second", "token", 30)).await;
    from.close().await.unwrap();
    assert!(this.run().await.is_complete());

    let to = this.postgres().await;
    let live = clock();
    to.unlink(subject("alice")).await.unwrap();
    to.forget(identity("ben"), Actor::unknown(), live).await.unwrap();
    let revoked = Observation { status: IdentityStatus::Revoked, verified: None, ..seen("cem", live.as_millis()) };
    to.observe(revoked).await.unwrap();
    let effect = claim_effect(&to, "mail").await;
    to.effects().settle_job(effect, JobSettlement::Done { at: ms(40) }).await.unwrap();
    to.settle(claim(&to, 40).await.lease, done(41, "dan")).await.unwrap();
    to.prune(Prune { settled_before: ms(50), tokens_before: ms(50), now: ms(50) }).await.unwrap();
    let before = all_of(&to).await;

    let refused = this.run().await;
    assert!(refused.was_complete && !refused.is_complete() && refused.tables.is_empty(), "{refused:?}");
    assert_eq!(all_of(&to).await, before);
    let moved = this.run_again().await;
    assert!(moved.is_complete(), "{moved:?}");
    for (name, copied, newer) in [("identity", 0, 3), ("link", 0, 2), ("effect", 0, 1)] {
        assert_eq!((table(&moved, name).copied, table(&moved, name).newer), (copied, newer), "{name}");
    }
    for name in ["alice", "bob"] {
        assert_eq!(to.linked(subject(name)).await.unwrap(), None, "{name}");
    }
    assert_eq!(to.identity(identity("ben")).await.unwrap(), None);
    assert_eq!(to.identity(identity("cem")).await.unwrap().unwrap().status, IdentityStatus::Revoked);
    let filter = JobFilter { state: None, handler: None, before: None, limit: 10 };
    assert!(to.effects().list_jobs(filter).await.unwrap().is_empty(), "no handler is called again");
    assert_eq!(to.counts().await.unwrap().pending, 0);
}

/// What is remembered outlives those who are forgotten: it is hashes.
#[tokio::test]
async fn what_is_remembered_names_nobody() {
    let Some(this) = Move::start().await else { return };
    let (from, to) = (this.sqlite().await, this.postgres().await);
    fill(&from).await;
    // Takes ids that the file has given to others, so that these are remembered too.
    accept(&to, pending("theirs", "token", 10)).await;
    to.forget(identity("zed"), Actor::new("an admin").unwrap(), ms(10)).await.unwrap();
    from.close().await.unwrap();
    this.run().await;
    let reader = this.server.connect(&this.schema).await;
    let mut seen = 0;
    for table in this.tables().await.iter().filter(|name| name.starts_with("moved_")) {
        for row in reader.query(&format!("SELECT lower(kept::text) FROM {table} kept"), &[]).await.unwrap() {
            seen += 1;
            let row: String = row.get(0);
            // No word of theirs: only what kind of row it is, digits, and hex.
            let words = row.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
            for word in words {
                let is_hex = word.trim_start_matches('x').chars().all(|letter| letter.is_ascii_hexdigit());
                assert!(is_hex || ["event", "effect", "audit"].contains(&word), "{table}: {row}");
            }
        }
    }
    assert!(seen > 10, "{seen}");
}
