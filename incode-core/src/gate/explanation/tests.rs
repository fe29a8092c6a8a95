use std::sync::Arc;

use super::*;
use crate::identity::transition::Command;
use crate::store::{IdentityStore, MemoryStore};
use crate::testing::store_suite::{callback, forget, link, observe, request, seen};

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

async fn explained(store: &MemoryStore, name: &str, now: i64) -> Explanation {
    Explanation::read(store, &FoundPerson::Subject(subject(name)), ms(now)).await.unwrap().unwrap()
}

#[tokio::test]
async fn each_standing_has_its_instant_and_its_next_step() {
    let store = MemoryStore::new();
    let stranger = explained(&store, "stranger", 10).await;
    assert_eq!((stranger.standing, stranger.since), (Standing::NotLinked, None));
    assert!(stranger.next.contains("hosted flow"), "{}", stranger.next);

    store.change(request(Command::Return(callback("alice", "person", 20)), 20)).await.unwrap();
    let pending = explained(&store, "alice", 30).await;
    assert_eq!((pending.standing, pending.since), (Standing::VerificationPending, Some(ms(10))));
    assert_eq!(pending.pending_identity, Some(IdentityId::new("person").unwrap()));
    assert_eq!((pending.identity_id, pending.link_proof), (None, None));
    let void = explained(&store, "alice", 200_000).await;
    assert_eq!((void.standing, void.pending_identity), (Standing::NotLinked, None));

    store.change(link("alice", "person", 40)).await.unwrap();
    let active = explained(&store, "alice", 50).await;
    assert_eq!((active.standing, active.since), (Standing::Active, Some(ms(40))));
    assert_eq!((active.linked_at, active.link_proof), (Some(ms(40)), Some(LinkProof::Flow)));
    assert_eq!((active.status, active.checked_at), (Some(IdentityStatus::Active), Some(ms(40))));
    assert_eq!(active.subjects, [subject("alice")]);

    let mut revoked = seen("person", 60);
    revoked.status = IdentityStatus::Revoked;
    store.change(observe(revoked)).await.unwrap();
    let revoked = explained(&store, "alice", 70).await;
    assert_eq!((revoked.standing, revoked.since), (Standing::Revoked, Some(ms(60))));
    assert!(revoked.next.contains("ask the vendor"), "{}", revoked.next);

    let import = Link::new(subject("bob"), IdentityId::new("imported").unwrap(), LinkProof::Application, ms(80));
    store.change(request(Command::Import(import), 80)).await.unwrap();
    let imported = explained(&store, "bob", 90).await;
    assert_eq!((imported.standing, imported.since), (Standing::NotYetAsked, Some(ms(80))));
    assert_eq!((imported.status, imported.checked_at), (Some(IdentityStatus::NotYetAsked), None));
}

#[tokio::test]
async fn what_was_refused_is_said_with_its_reason() {
    let store = MemoryStore::new();
    store.change(link("alice", "person", 10)).await.unwrap();
    store.change(request(Command::Return(callback("mallory", "person", 20)), 20)).await.unwrap();
    let refused = explained(&store, "mallory", 30).await;
    assert_eq!((refused.standing, refused.since), (Standing::NotLinked, Some(ms(20))));
    assert_eq!((refused.refused, refused.refused_at), (Some(Refusal::IdentityTaken), Some(ms(20))));
    assert_eq!(refused.refused_because, Some("another subject is linked to the identity"));
    assert!(refused.next.contains("the account that the identity is linked to"), "{}", refused.next);
    let found = FoundPerson::find(&store, "mallory").await.unwrap();
    assert_eq!(found, Some(FoundPerson::Subject(subject("mallory"))), "a refused link alone is found");
}

#[tokio::test]
async fn a_person_is_found_by_each_of_its_names() {
    let store = Arc::new(MemoryStore::new());
    store.change(link("alice", "person", 40)).await.unwrap();
    let find = async |name: &str| FoundPerson::find(&*store, name).await.unwrap();
    let person = Some(FoundPerson::Identity(IdentityId::new("person").unwrap()));
    assert_eq!(find("alice").await, Some(FoundPerson::Subject(subject("alice"))));
    assert_eq!(find("person").await, person);
    assert_eq!(find("verification-40").await, person);
    for unknown in ["", "nobody", "a\nb", &"x".repeat(400)] {
        assert_eq!(find(unknown).await, None, "{unknown:?}");
    }
    let identity = Explanation::read(&*store, &person.unwrap(), ms(50)).await.unwrap().unwrap();
    assert_eq!((identity.subject, identity.standing), (None, Standing::Active));
    assert_eq!(identity.subjects, [subject("alice")]);
    store.change(forget("person", 60)).await.unwrap();
    assert_eq!(find("alice").await, None);
}

/// Support copies it into tickets: it names the person by ids alone, and its `Debug` by the beginnings of these.
#[tokio::test]
async fn an_explanation_is_json_and_its_debug_is_short() {
    let store = MemoryStore::new();
    store.change(link("subject-of-alice", "identity-of-alice", 40)).await.unwrap();
    let explained = explained(&store, "subject-of-alice", 50).await;
    let json = serde_json::to_value(&explained).unwrap();
    assert_eq!(
        (&json["standing"], &json["linkProof"], &json["refused"]),
        (&"active".into(), &"flow".into(), &serde_json::Value::Null)
    );
    assert_eq!((&json["subject"], &json["identityId"]), (&"subject-of-alice".into(), &"identity-of-alice".into()));
    let debug = format!("{explained:?}");
    assert!(!debug.contains("subject-of-alice") && !debug.contains("identity-of-alice"), "{debug}");
}
