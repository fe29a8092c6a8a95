use std::sync::Arc;

use super::*;
use crate::identity::{Field, RetainedField};
use crate::store::{Linked, Prune};

/// Observed at `at`, with these fields, each until `expires_at`.
fn saw(at: i64, expires_at: i64, fields: &[(Field, &str)]) -> Observation {
    let kept = fields.iter().map(|(field, sealed)| RetainedField {
        field: *field,
        sealed: sealed.as_bytes().to_vec(),
        expires_at: ms(expires_at),
    });
    Observation { fields: kept.collect(), ..seen("person", at) }
}

/// What is read of a person at `now`, in the order of the fields.
async fn read(store: &dyn Store, identity: &str, now: i64) -> Vec<(Field, String, i64)> {
    let kept = store.fields(identity_id(identity), ms(now)).await.expect("fields");
    let text = |sealed| String::from_utf8(sealed).expect("bytes as they were given");
    let mut kept: Vec<_> =
        kept.into_iter().map(|kept| (kept.field, text(kept.sealed), kept.expires_at.as_millis())).collect();
    kept.sort();
    kept
}

fn row(field: Field, sealed: &str, expires_at: i64) -> (Field, String, i64) {
    (field, sealed.to_owned(), expires_at)
}

/// Every door that an observation comes in by brings its fields; a link that is refused does not.
pub async fn fields_are_kept_with_their_identity(store: Arc<dyn Store>) {
    assert_eq!(read(&*store, "person", 0).await, []);
    store.observe(saw(10, 100, &[(Field::Email, "observed")])).await.expect("observe");
    assert_eq!(read(&*store, "person", 10).await, [row(Field::Email, "observed", 100)]);
    assert_eq!(read(&*store, "another", 10).await, []);

    let link =
        |at, text| NewLink { seen: saw(at, 100, &[(Field::Email, text)]), ..new_link("alice", "person", at, None) };
    assert!(matches!(store.link(link(20, "linked")).await.expect("link"), Linked::Done(_)));
    assert_eq!(read(&*store, "person", 20).await, [row(Field::Email, "linked", 100)]);
    let refused = NewLink { link: new_link("bob", "person", 30, None).link, ..link(30, "refused") };
    assert_eq!(store.link(refused).await.expect("link"), Linked::IdentityTaken);
    assert_eq!(read(&*store, "person", 30).await, [row(Field::Email, "linked", 100)]);

    accepted(&*store, pending("object", "token", 40)).await;
    let event = claimed_one(&*store, 40).await;
    let applied = Settlement::Done {
        seen: Some(saw(40, 100, &[(Field::Email, "applied")])),
        link: Some(Box::new(link(40, "applied"))),
        handlers: Vec::new(),
        at: ms(41),
    };
    store.settle(event.lease, applied.clone()).await.expect("settle");
    assert_eq!(read(&*store, "person", 41).await, [row(Field::Email, "applied", 100)]);
    store.settle(event.lease, applied).await.expect("a lost lease is no error");
    store.observe(saw(50, 200, &[])).await.expect("observe");
    assert_eq!(read(&*store, "person", 51).await, [row(Field::Email, "applied", 100)], "said nothing, took nothing");
}

/// Field by field the newest *sent* answer stands, whatever the order; one that leaves a field out takes nothing away.
pub async fn the_newest_sent_field_stands(store: Arc<dyn Store>) {
    let all = [
        saw(10, 110, &[(Field::Email, "oldest"), (Field::City, "only the oldest has one")]),
        saw(20, 120, &[(Field::Email, "middle"), (Field::Phone, "middle")]),
        saw(30, 130, &[(Field::Email, "newest")]),
        saw(30, 130, &[(Field::Email, "newer at a tie, by its bytes")]),
    ];
    let expected = [
        row(Field::Phone, "middle", 120),
        row(Field::Email, "newest", 130),
        row(Field::City, "only the oldest has one", 110),
    ];
    for (turn, order) in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]].into_iter().enumerate() {
        let person = identity_id(&format!("person-{turn}"));
        for at in order.into_iter().chain(order) {
            let seen = Observation { identity_id: person.clone(), ..all[at].clone() };
            store.observe(seen).await.expect("observe");
        }
        assert_eq!(read(&*store, person.as_str(), 30).await, expected, "{order:?}");
    }
}

/// Not read from its last instant on, pruned or not; pruned it is gone, and its neighbours are not.
pub async fn expired_fields_are_neither_read_nor_left(store: Arc<dyn Store>) {
    store.observe(saw(10, 50, &[(Field::Email, "short")])).await.expect("observe");
    store.observe(saw(10, 90, &[(Field::City, "long")])).await.expect("observe");
    let both = [row(Field::Email, "short", 50), row(Field::City, "long", 90)];
    assert_eq!(read(&*store, "person", 49).await, both);
    assert_eq!(read(&*store, "person", 50).await, both[1..]);
    let prune = |now| Prune { now: ms(now), settled_before: ms(0), tokens_before: ms(0) };
    assert_eq!(store.prune(prune(49)).await.expect("prune"), 0);
    assert_eq!(read(&*store, "person", 49).await, both);
    assert_eq!(store.prune(prune(50)).await.expect("prune"), 0, "only events are counted");
    assert_eq!(read(&*store, "person", 0).await, both[1..], "gone for every clock");
    assert!(store.identity(identity_id("person")).await.expect("identity").is_some());
    store.observe(saw(60, 200, &[(Field::Email, "again")])).await.expect("observe");
    assert_eq!(read(&*store, "person", 95).await, [row(Field::Email, "again", 200)]);
}

/// Forgetting erases them, and what was sent before brings none back by any door.
pub async fn forgetting_erases_fields(store: Arc<dyn Store>) {
    store.observe(saw(10, 900, &[(Field::Email, "person"), (Field::City, "person")])).await.expect("observe");
    let neighbour = saw(10, 900, &[(Field::Email, "neighbour")]);
    store.observe(Observation { identity_id: identity_id("neighbour"), ..neighbour }).await.expect("observe");
    store.forget(identity_id("person"), actor("anna"), ms(50)).await.expect("forget");
    assert_eq!(read(&*store, "person", 0).await, []);
    assert_eq!(read(&*store, "neighbour", 50).await, [row(Field::Email, "neighbour", 900)]);

    let old = saw(50, 900, &[(Field::Email, "old news")]);
    store.observe(old.clone()).await.expect("observe");
    let link = NewLink { seen: old.clone(), ..new_link("alice", "person", 50, None) };
    assert_eq!(store.link(link).await.expect("link"), Linked::AlreadySpent);
    accepted(&*store, pending("late", "token", 60)).await;
    let late = claimed_one(&*store, 60).await;
    let settlement = Settlement::Done { seen: Some(old), link: None, handlers: Vec::new(), at: ms(61) };
    store.settle(late.lease, settlement).await.expect("settle");
    assert_eq!(read(&*store, "person", 0).await, []);
    store.observe(saw(51, 900, &[(Field::Email, "newer")])).await.expect("observe");
    assert_eq!(read(&*store, "person", 61).await, [row(Field::Email, "newer", 900)]);
}
