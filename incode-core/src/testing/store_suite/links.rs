use std::sync::Arc;

use super::*;
use crate::identity::{Link, LinkProof};

/// Unlinking leaves the identity, and both sides free.
pub async fn unlinking_frees_the_subject(store: Arc<dyn Store>) {
    assert_eq!(changed(&*store, unlink("alice", 5)).await, (Outcome::Unlinked(false), None));
    outcome(&*store, link("alice", "one", 10)).await;
    assert_eq!(changed(&*store, unlink("alice", 11)).await, (Outcome::Unlinked(true), change("one", &["alice"])));
    assert_eq!(changed(&*store, unlink("alice", 12)).await, (Outcome::Unlinked(false), None));
    assert_eq!(state_of(&*store, "alice").await, SubjectState::default());
    assert!(identity(&*store, "one").await.is_some());
    assert_eq!(changed(&*store, link("bob", "one", 13)).await, (Outcome::Linked, change("one", &["bob"])));
    assert_eq!(changed(&*store, link("alice", "two", 14)).await, (Outcome::Linked, change("two", &["alice"])));
}

/// The subjects of an identity are those that are linked to it: not those with a pending link, not others'.
pub async fn subjects_are_those_that_are_linked(store: Arc<dyn Store>) {
    let subjects = async |id: &str| store.subjects(identity_id(id)).await.expect("subjects");
    assert!(subjects("one").await.is_empty());
    outcome(&*store, link("alice", "one", 10)).await;
    outcome(&*store, link("bob", "two", 10)).await;
    outcome(&*store, request(Command::Return(callback("carol", "three", 10)), 10)).await;
    assert_eq!(subjects("one").await, [subject("alice")]);
    assert_eq!(subjects("two").await, [subject("bob")]);
    assert!(subjects("three").await.is_empty(), "a pending link is none");
    outcome(&*store, unlink("alice", 20)).await;
    outcome(&*store, forget("two", 20)).await;
    assert!(subjects("one").await.is_empty() && subjects("two").await.is_empty());
}

/// The application links subjects to identities that are known, moves none, and repeats itself without harm.
pub async fn the_application_links_what_is_known(store: Arc<dyn Store>) {
    let linking = |name: &str, identity: &str, at| {
        let link = Link::new(subject(name), identity_id(identity), LinkProof::Application, ms(at));
        request(Command::Link { link, by: None }, at)
    };
    let unknown = changed(&*store, linking("alice", "one", 5)).await;
    assert_eq!(unknown, (Outcome::Refused(Refusal::UnknownIdentity), None));
    outcome(&*store, observe(seen("one", 10))).await;
    outcome(&*store, observe(seen("two", 10))).await;
    assert_eq!(changed(&*store, linking("alice", "one", 20)).await, (Outcome::Linked, change("one", &["alice"])));
    let link = state_of(&*store, "alice").await.linked.expect("linked").link;
    assert_eq!((link.proof, link.linked_at), (LinkProof::Application, ms(20)));
    assert_eq!(outcome(&*store, linking("alice", "one", 30)).await, Outcome::Linked);
    assert_eq!(state_of(&*store, "alice").await.linked.expect("linked").link, link, "the first link stays");
    for (name, identity, refusal) in [("alice", "two", Refusal::SubjectTaken), ("bob", "one", Refusal::IdentityTaken)] {
        assert_eq!(outcome(&*store, linking(name, identity, 40)).await, Outcome::Refused(refusal));
    }
    let rules = Arc::new(Rules { shared_identities: true, ..Rules::default() });
    let sharing = ChangeRequest { rules, ..linking("bob", "one", 50) };
    assert_eq!(changed(&*store, sharing).await, (Outcome::Linked, change("one", &["alice", "bob"])));
    outcome(&*store, request(Command::Return(callback("carol", "one", 60)), 60)).await;
    assert_eq!(outcome(&*store, linking("carol", "two", 70)).await, Outcome::Linked);
    assert_eq!(state_of(&*store, "carol").await.pending, None, "a link ends the pending one");
}

/// A token that linked one subject, or began to, links no other; the same subject may come back with it.
pub async fn a_token_links_one_subject(store: Arc<dyn Store>) {
    let with_token = |name: &str, identity: &str, at| {
        let back = Return { token: token(7, at), ..callback(name, identity, at) };
        request(Command::Return(back), at)
    };
    assert_eq!(outcome(&*store, with_token("alice", "person", 10)).await, Outcome::Pending);
    let refused = outcome(&*store, with_token("mallory", "person", 20)).await;
    assert_eq!(refused, Outcome::Refused(Refusal::TokenUsed));
    assert_eq!(state_of(&*store, "mallory").await, SubjectState::default());
    assert_eq!(outcome(&*store, with_token("alice", "person", 30)).await, Outcome::Pending, "its own token");
    outcome(&*store, unlink("alice", 40)).await;
    let refused = outcome(&*store, with_token("mallory", "person", 50)).await;
    assert_eq!(refused, Outcome::Refused(Refusal::TokenUsed), "also when that link has ended");
}
