use std::sync::Arc;

use super::*;
use crate::identity::transition::EventLink;
use crate::identity::{Field, LinkProof, RetainedField};

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

/// A callback that links on userinfo alone and brings these fields.
fn linking(subject_name: &str, seen: Observation) -> ChangeRequest {
    let at = seen.sent_at.as_millis();
    let mut request = link(subject_name, "person", at);
    request.command = Command::Return(Return { seen, ..callback(subject_name, "person", at) });
    request
}

/// Each command that brings an observation brings its fields, also where the link is refused: what the vendor said of a
/// known identity counts all the same. A lost lease brings none.
pub async fn fields_are_kept_with_their_identity(store: Arc<dyn Store>) {
    let email = |text| [(Field::Email, text)];
    assert_eq!(read(&*store, "person", 0).await, []);
    outcome(&*store, observe(saw(10, 100, &email("observed")))).await;
    assert_eq!(read(&*store, "person", 10).await, [row(Field::Email, "observed", 100)]);
    assert_eq!(read(&*store, "another", 10).await, []);

    assert_eq!(outcome(&*store, linking("alice", saw(20, 100, &email("linked")))).await, Outcome::Linked);
    assert_eq!(read(&*store, "person", 20).await, [row(Field::Email, "linked", 100)]);
    let refused = outcome(&*store, linking("bob", saw(30, 100, &email("refused")))).await;
    assert_eq!(refused, Outcome::Refused(Refusal::IdentityTaken));
    assert_eq!(read(&*store, "person", 30).await, [row(Field::Email, "refused", 100)]);
    let unknown = Observation { identity_id: identity_id("unknown"), ..saw(30, 100, &email("unknown")) };
    assert!(matches!(outcome(&*store, linking("alice", unknown)).await, Outcome::Refused(_)));
    assert_eq!(read(&*store, "unknown", 30).await, [], "an identity does not become known by a refused exchange");

    accepted(&*store, pending("object", "token", 40)).await;
    let event = claimed_one(&*store, 40).await;
    let apply_at = |at, text| {
        let link = EventLink { subject: subject("alice"), proof: LinkProof::Webhook, nonce: None };
        let applying = ApplyEvent { link: Some(link), ..applying(&event, saw(at, 100, &email(text))) };
        apply(applying, &Rules::default(), at + 1)
    };
    store.settle(event.lease, apply_at(40, "applied")).await.expect("settle");
    assert_eq!(read(&*store, "person", 41).await, [row(Field::Email, "applied", 100)]);
    store.settle(event.lease, apply_at(45, "lost")).await.expect("a lost lease is no error");
    outcome(&*store, observe(saw(50, 200, &[]))).await;
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
            outcome(&*store, observe(seen)).await;
        }
        assert_eq!(read(&*store, person.as_str(), 30).await, expected, "{order:?}");
    }
}

/// Not read from its last instant on, pruned or not; pruned it is gone, and its neighbours are not.
pub async fn expired_fields_are_neither_read_nor_left(store: Arc<dyn Store>) {
    outcome(&*store, observe(saw(10, 50, &[(Field::Email, "short")]))).await;
    outcome(&*store, observe(saw(10, 90, &[(Field::City, "long")]))).await;
    let both = [row(Field::Email, "short", 50), row(Field::City, "long", 90)];
    assert_eq!(read(&*store, "person", 49).await, both);
    assert_eq!(read(&*store, "person", 50).await, both[1..]);
    assert_eq!(store.prune(prune(49, 0, 0)).await.expect("prune"), 0);
    assert_eq!(read(&*store, "person", 49).await, both);
    assert_eq!(store.prune(prune(50, 0, 0)).await.expect("prune"), 0, "only events are counted");
    assert_eq!(read(&*store, "person", 0).await, both[1..], "gone for every clock");
    assert!(identity(&*store, "person").await.is_some());
    outcome(&*store, observe(saw(60, 200, &[(Field::Email, "again")]))).await;
    assert_eq!(read(&*store, "person", 95).await, [row(Field::Email, "again", 200)]);
}

/// Forgetting erases them, and what was sent before brings none back by any command.
pub async fn forgetting_erases_fields(store: Arc<dyn Store>) {
    outcome(&*store, observe(saw(10, 900, &[(Field::Email, "person"), (Field::City, "person")]))).await;
    let neighbour = saw(10, 900, &[(Field::Email, "neighbour")]);
    outcome(&*store, observe(Observation { identity_id: identity_id("neighbour"), ..neighbour })).await;
    outcome(&*store, forget("person", 50)).await;
    assert_eq!(read(&*store, "person", 0).await, []);
    assert_eq!(read(&*store, "neighbour", 50).await, [row(Field::Email, "neighbour", 900)]);

    let old = saw(50, 900, &[(Field::Email, "sent before")]);
    assert_eq!(outcome(&*store, observe(old.clone())).await, Outcome::Dropped);
    let refused = outcome(&*store, linking("alice", old.clone())).await;
    assert_eq!(refused, Outcome::Refused(Refusal::Forgotten));
    accepted(&*store, pending("late", "token", 60)).await;
    let late = claimed_one(&*store, 60).await;
    store.settle(late.lease, applied(&late, old, 61)).await.expect("settle");
    assert_eq!(read(&*store, "person", 0).await, []);
    outcome(&*store, observe(saw(51, 900, &[(Field::Email, "newer")]))).await;
    assert_eq!(read(&*store, "person", 61).await, [row(Field::Email, "newer", 900)]);
}
