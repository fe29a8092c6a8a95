//! The database has been in use: what it knows better stays.

use std::time::Duration;

use futures_util::StreamExt;
use incode_core::store::{Store, StoreNotice};
use incode_core::testing::store_suite::{ignored, new_link, pending, seen};
use incode_tests::process::within;

use super::*;

#[tokio::test]
async fn the_newer_word_stands_and_at_a_tie_the_less_trusting() {
    let Some(this) = Move::start().await else { return };
    let (from, to) = (this.sqlite().await, this.postgres().await);
    let revoked = |who: &str, at| Observation { status: IdentityStatus::Revoked, verified: None, ..seen(who, at) };
    let day = 86_400_000;
    for (old, new, name) in [(&from as &dyn Store, &to as &dyn Store, "there"), (&to, &from, "here")] {
        // Not taken for a clock that was set back: the older row may be of any age.
        old.observe(revoked(&format!("newer-{name}"), 10)).await.unwrap();
        new.observe(seen(&format!("newer-{name}"), day)).await.unwrap();
        old.observe(seen(&format!("tie-{name}"), 10)).await.unwrap();
        new.observe(revoked(&format!("tie-{name}"), 10)).await.unwrap();
        // Each part by itself: the newest verification is in the older row.
        old.observe(seen(&format!("parts-{name}"), 10)).await.unwrap();
        new.observe(revoked(&format!("parts-{name}"), 20)).await.unwrap();
    }
    from.close().await.unwrap();
    let moved = this.run().await;
    assert!(moved.is_complete(), "{moved:?}");
    let known = async |name: &str| to.identity(identity(name)).await.unwrap().unwrap();
    for place in ["there", "here"] {
        let newer = known(&format!("newer-{place}")).await;
        assert_eq!((newer.status, newer.checked_at), (IdentityStatus::Active, ms(day)));
        assert_eq!(known(&format!("tie-{place}")).await.status, IdentityStatus::Revoked);
        let parts = known(&format!("parts-{place}")).await;
        assert_eq!((parts.status, parts.verified_at), (IdentityStatus::Revoked, Some(ms(10))));
    }
    assert_eq!(table(&moved, "identity").newer, 1, "of all others the file knew some part better");
    assert_eq!(table(&this.run_again().await, "identity").copied, 0);
}

#[tokio::test]
async fn what_is_done_there_is_not_pending_again() {
    let Some(this) = Move::start().await else { return };
    let from = this.sqlite().await;
    for (object, at) in [("both", 10), ("ours", 20), ("theirs", 30), ("tried", 40)] {
        accept(&from, pending(object, "token", at)).await;
    }
    this.run().await;
    let to = this.postgres().await;
    // One was applied on both sides, one on each, one was tried there.
    for store in [&from as &dyn Store, &to] {
        store.settle(claim(store, 10).await.lease, done(11, "ana")).await.unwrap();
    }
    from.settle(claim(&from, 20).await.lease, done(21, "ben")).await.unwrap();
    let claim = Claim { now: ms(40), lease_until: ms(LONG), limit: 10, newest_first: false };
    for event in to.claim(claim).await.unwrap() {
        let reason = Reason::RateLimited;
        match event.object_id.as_str() {
            "theirs" => to.settle(event.lease, done(31, "cem")).await.unwrap(),
            "tried" => to.settle(event.lease, Settlement::Retry { due_at: ms(50), reason }).await.unwrap(),
            _ => to.settle(event.lease, Settlement::Release { due_at: ms(LONG), reason: None }).await.unwrap(),
        };
    }
    // Delivered to both sides, as a vendor does that got no answer from the first.
    for store in [&from as &dyn Store, &to] {
        accept(store, pending("twice", "token", 60)).await;
        accept(store, ignored("strange", 61)).await;
    }
    from.close().await.unwrap();
    let moved = this.run().await;
    assert!(moved.is_complete(), "{moved:?}");
    assert_eq!(table(&moved, "event").newer, 2, "{moved:?}");
    let counts = to.counts().await.unwrap();
    assert_eq!((counts.done, counts.pending, counts.dead, counts.ignored), (3, 2, 0, 1));
    let tried = to.events(EventFilter { reason: Some(Reason::RateLimited), ..EventFilter::default() }).await.unwrap();
    assert_eq!((tried[0].attempts, tried[0].due_at), (1, Some(ms(50))), "what was found out there counts");
}

/// Both gave out the same ids: nobody's row is lost, and what belongs together stays so.
#[tokio::test]
async fn an_id_that_is_taken_is_given_anew() {
    let Some(this) = Move::start().await else { return };
    let (from, to) = (this.sqlite().await, this.postgres().await);
    for (store, side) in [(&from as &dyn Store, "ours"), (&to, "theirs")] {
        for n in 0..3 {
            accept(store, pending(&format!("{side}-{n}"), "token", 10 + n)).await;
        }
        let claim = Claim { now: ms(10), lease_until: ms(LONG), limit: 1, newest_first: false };
        let event = store.claim(claim).await.unwrap().remove(0);
        let settlement =
            Settlement::Done { seen: Some(seen(side, 20)), link: None, handlers: vec!["mail".into()], at: ms(20) };
        store.settle(event.lease, settlement).await.unwrap();
        store.replay(Replay::One(event.lease.event), Actor::new(side).unwrap(), ms(30)).await.unwrap();
    }
    from.close().await.unwrap();
    for round in 0..3 {
        let moved = this.run_again().await;
        assert!(moved.is_complete(), "{moved:?}");
        assert_eq!(table(&moved, "event").copied, if round == 0 { 3 } else { 0 }, "{moved:?}");
        let counts = to.counts().await.unwrap();
        assert_eq!((counts.pending, counts.done), (4, 2));
        let filter = JobFilter { state: None, handler: None, before: None, limit: 10 };
        let effects = to.effects().list_jobs(filter).await.unwrap();
        assert_eq!(effects.len(), 2);
        for effect in effects {
            let event = to.inspect(effect.event).await.unwrap().unwrap().row;
            assert_eq!(event.object_id, Some(effect.object_id), "an effect is still that of its event");
        }
        let audits = to.audits(10, None).await.unwrap();
        assert_eq!(audits.len(), 2);
        assert_ne!(audits[0].action, audits[1].action, "each names its own event");
    }
}

#[tokio::test]
async fn a_link_that_contradicts_is_reported_and_left() {
    let Some(this) = Move::start().await else { return };
    let (from, to) = (this.sqlite().await, this.postgres().await);
    link(&from, new_link("alice", "ana", 10, None)).await;
    link(&from, new_link("bob", "ben", 10, None)).await;
    link(&from, new_link("carol", "cem", 10, None)).await;
    // The subject is somebody else there, the identity is somebody else's there, and one that agrees.
    link(&to, new_link("alice", "another", 10, None)).await;
    link(&to, new_link("mallory", "ben", 10, None)).await;
    link(&to, new_link("carol", "cem", 11, None)).await;
    from.close().await.unwrap();
    for _ in 0..2 {
        let moved = this.run().await;
        assert!(!moved.is_complete() && moved.contradicts());
        let links = table(&moved, "link");
        assert_eq!((links.read, links.copied, links.there, links.conflicts), (3, 0, 1, 2));
        assert_eq!(moved.conflicts, [subject("alice"), subject("bob")]);
    }
    let linked = async |name| to.linked(subject(name)).await.unwrap().map(|linked| linked.link.identity_id);
    assert_eq!(linked("alice").await, Some(identity("another")));
    assert_eq!((linked("bob").await, linked("mallory").await), (None, Some(identity("ben"))));
}

#[tokio::test]
async fn who_is_forgotten_on_either_side_stays_forgotten() {
    let Some(this) = Move::start().await else { return };
    let (from, to) = (this.sqlite().await, this.postgres().await);
    let mut kept = seen("ana", 5);
    kept.fields = vec![RetainedField { field: Field::Email, sealed: b"sealed".to_vec(), expires_at: ms(LONG) }];
    for store in [&from as &dyn Store, &to] {
        store.observe(kept.clone()).await.unwrap();
        link(store, new_link("alice", "ana", 10, None)).await;
        link(store, new_link("bob", "ben", 10, None)).await;
        // Came back of his own will since, on both sides.
        link(store, new_link("carol", "cem", 10, None)).await;
    }
    from.forget(identity("ana"), Actor::unknown(), ms(20)).await.unwrap();
    to.forget(identity("ben"), Actor::unknown(), ms(20)).await.unwrap();
    to.forget(identity("cem"), Actor::unknown(), ms(20)).await.unwrap();
    link(&to, new_link("carol", "cem", 30, None)).await;
    from.close().await.unwrap();
    let moved = this.run().await;
    assert!(moved.is_complete(), "{moved:?}");
    for (name, who) in [("alice", "ana"), ("bob", "ben")] {
        assert_eq!(to.identity(identity(who)).await.unwrap(), None, "{who}");
        assert_eq!(to.linked(subject(name)).await.unwrap(), None, "{name}");
        assert!(to.fields(identity(who), ms(0)).await.unwrap().is_empty());
    }
    let cem = to.linked(subject("carol")).await.unwrap().unwrap();
    assert_eq!(cem.identity.checked_at, ms(30));
}

/// By work that comes along neither: the tombstone comes too, and the instant at which the work was received.
#[tokio::test]
async fn work_that_is_brought_brings_nobody_back_who_was_forgotten() {
    let Some(this) = Move::start().await else { return };
    let (from, to) = (this.sqlite().await, this.postgres().await);
    for (who, at) in [("ana", 15), ("ben", 16), ("cem", 25)] {
        link(&from, new_link(who, who, 10, None)).await;
        from.accept(pending(&format!("of-{who}"), "token", at)).await.unwrap();
    }
    for (store, who) in [(&from as &dyn Store, "ana"), (&to, "ben"), (&from, "cem")] {
        store.forget(identity(who), Actor::unknown(), ms(20)).await.unwrap();
    }
    from.close().await.unwrap();
    assert!(this.run().await.is_complete());
    let due = to.claim(Claim { now: ms(30), lease_until: ms(90), limit: 10, newest_first: false }).await.unwrap();
    assert_eq!(due.len(), 3);
    for (event, who) in due.iter().zip(["ana", "ben", "cem"]) {
        let settlement = Settlement::Done { seen: Some(seen(who, 40)), link: None, handlers: vec![], at: ms(41) };
        to.settle(event.lease, settlement).await.unwrap();
    }
    for who in ["ana", "ben"] {
        assert_eq!(to.identity(identity(who)).await.unwrap(), None, "{who}");
    }
    assert!(to.identity(identity("cem")).await.unwrap().is_some(), "who came again is known anew");
}

/// Whoever runs on the database meanwhile hears of what arrives.
#[tokio::test]
async fn those_who_use_the_database_are_told() {
    let Some(this) = Move::start().await else { return };
    let (from, to) = (this.sqlite().await, this.postgres().await);
    let mut feed = to.feed().unwrap();
    assert_eq!(feed.next().await, Some(StoreNotice::Up));
    link(&from, new_link("alice", "ana", 10, None)).await;
    from.close().await.unwrap();
    this.run().await;
    assert_eq!(feed.next().await, Some(StoreNotice::Gap), "what arrived is too much to be named");
}

/// The file's machine was ahead of the database's by two minutes: what is said within these comes later all the same.
#[tokio::test]
async fn nothing_that_is_brought_is_ahead_of_what_comes() {
    let Some(this) = Move::start().await else { return };
    let (from, to) = (this.sqlite().await, this.postgres().await);
    let now = clock().as_millis();
    let revoked = |who: &str, at| Observation { status: IdentityStatus::Revoked, verified: None, ..seen(who, at) };
    for who in ["ana", "ben"] {
        link(&from, new_link(who, who, now + 120_000, None)).await;
    }
    // Said there before: which of the two is the later word, nobody knows.
    to.observe(revoked("ben", now)).await.unwrap();
    from.close().await.unwrap();
    assert!(this.run().await.is_complete());
    let after = clock();
    let known = async |who| to.identity(identity(who)).await.unwrap().unwrap();
    let ana = known("ana").await;
    assert!(ana.status == IdentityStatus::Active && ana.checked_at <= after && ana.verified_at.unwrap() <= after);
    to.observe(revoked("ana", after.as_millis())).await.unwrap();
    for who in ["ana", "ben"] {
        assert_eq!(known(who).await.status, IdentityStatus::Revoked, "{who}");
        assert!(to.linked(subject(who)).await.unwrap().unwrap().link.linked_at <= after);
    }
}

/// The same two minutes: nobody waits for them to pass before work goes on.
#[tokio::test]
async fn what_a_clock_that_was_ahead_has_put_off_is_due() {
    let Some(this) = Move::start().await else { return };
    let (from, to) = (this.sqlite().await, this.postgres().await);
    let ahead = clock().as_millis() + 120_000;
    accept(&from, pending("applied", "token", ahead)).await;
    let lease = claim(&from, ahead).await.lease;
    let handlers = vec!["mail".into()];
    let settlement = Settlement::Done { seen: Some(seen("ana", ahead)), link: None, handlers, at: ms(ahead) };
    from.settle(lease, settlement).await.unwrap();
    accept(&from, pending("leased", "token", ahead)).await;
    claim(&from, ahead).await;
    accept(&from, pending("waiting", "token", ahead)).await;
    from.close().await.unwrap();
    assert!(this.run().await.is_complete());
    let now = clock();
    let due = to.claim(Claim { now, lease_until: ms(ahead), limit: 10, newest_first: false }).await.unwrap();
    assert_eq!(due.iter().map(|event| event.object_id.as_str()).collect::<Vec<_>>(), ["leased", "waiting"]);
    let owed = JobClaim { handler: "mail".into(), now, lease_until: ms(ahead), limit: 10 };
    assert_eq!(to.effects().claim_jobs(owed).await.unwrap().len(), 1);
}

/// A field of those two minutes is brought once more while they last: what the vendor said there since is newer.
#[tokio::test]
async fn a_field_of_a_clock_that_was_ahead_is_not_brought_over_a_newer_one() {
    let Some(this) = Move::start().await else { return };
    let (from, to) = (this.sqlite().await, this.postgres().await);
    let ahead = clock().as_millis() + 120_000;
    let keeping = |who: &str, at: i64, sealed: &[u8]| {
        let fields = vec![RetainedField { field: Field::Email, sealed: sealed.to_vec(), expires_at: ms(2 * ahead) }];
        Observation { fields, ..seen(who, at) }
    };
    for who in ["ana", "ben"] {
        from.observe(keeping(who, ahead, b"first")).await.unwrap();
    }
    assert!(this.run().await.was_in_use);
    to.observe(keeping("ana", clock().as_millis(), b"there")).await.unwrap();
    from.observe(keeping("ben", ahead + 1, b"second")).await.unwrap();
    from.close().await.unwrap();
    let moved = this.run().await;
    assert!(moved.is_complete(), "{moved:?}");
    let fields = table(&moved, "field");
    assert_eq!((fields.copied, fields.newer), (1, 1));
    for (who, sealed) in [("ana", b"there".as_slice()), ("ben", b"second")] {
        assert_eq!(to.fields(identity(who), ms(0)).await.unwrap()[0].sealed, sealed, "{who}");
    }
    let fields = table(&this.run_again().await, "field");
    assert_eq!((fields.copied, fields.there, fields.newer), (0, 1, 1));
}

/// Somebody forgets there, at the moment his tombstone of the file arrives: neither waits for the other in a circle.
#[tokio::test]
async fn who_forgets_there_is_not_in_the_way() {
    let Some(this) = Move::start().await else { return };
    let (from, to) = (this.sqlite().await, this.postgres().await);
    for store in [&from as &dyn Store, &to] {
        store.observe(seen("ana", 10)).await.unwrap();
    }
    from.forget(identity("ana"), Actor::unknown(), ms(20)).await.unwrap();
    from.close().await.unwrap();
    let (forgetter, watcher) = (this.server.connect(&this.schema).await, this.server.connect(&this.schema).await);
    // As the store does it: the lock, then the tombstone.
    let lock = "SELECT pg_advisory_xact_lock(('x' || left(encode(sha256(convert_to($1, 'UTF8') || '\\x00'
        || 'identity' || '\\x00' || 'ana'), 'hex'), 16))::bit(64)::bigint)";
    forgetter.batch_execute("BEGIN; SET LOCAL lock_timeout = '300ms'").await.unwrap();
    forgetter.query(lock, &[&this.schema]).await.unwrap();
    let moving = this.moving().run();
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pid <> ALL(pg_blocking_pids(pid)) AND pg_blocking_pids(pid) @> ARRAY[$1::integer]";
    let pid: i32 = forgetter.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let forgetting = async {
        within(Duration::from_secs(20), "it waits", async || {
            watcher.query_one(waits, &[&pid]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        let tombstone = "INSERT INTO forgotten VALUES (sha256('ana'), 30); DELETE FROM identity; COMMIT";
        forgetter.batch_execute(tombstone).await
    };
    let (moved, forgot) = tokio::join!(moving, forgetting);
    forgot.unwrap();
    assert!(moved.unwrap().is_complete());
    assert_eq!(to.identity(identity("ana")).await.unwrap(), None);
}
