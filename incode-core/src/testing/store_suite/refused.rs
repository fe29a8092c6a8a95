use std::sync::Arc;

use super::*;
use crate::identity::{LinkProof, RefusedLink};

/// A callback that is refused leaves the reason for those who ask, and nothing else. The newest is kept; a reload of a
/// callback that has an outcome already does not replace it.
pub async fn a_refused_callback_leaves_its_reason(store: Arc<dyn Store>) {
    assert_eq!(refused(&*store, "mallory").await, None);
    outcome(&*store, link("alice", "person", 5)).await;
    let taken = request(Command::Return(callback("mallory", "person", 10)), 10);
    assert_eq!(outcome(&*store, taken).await, Outcome::Refused(Refusal::IdentityTaken));
    assert_eq!(refused(&*store, "mallory").await, because("mallory", Refusal::IdentityTaken, None, 10));
    assert_eq!(state_of(&*store, "mallory").await, SubjectState::default());
    assert_eq!(refused(&*store, "alice").await, None);

    let older = Return { token_is_older: true, ..callback("mallory", "another", 20) };
    outcome(&*store, request(Command::Return(older), 20)).await;
    assert_eq!(refused(&*store, "mallory").await, because("mallory", Refusal::TokenOlder, None, 20));
    let dead = Command::Refuse { subject: subject("mallory"), refusal: Refusal::TokenRefused };
    assert_eq!(outcome(&*store, request(dead, 30)).await, Outcome::Refused(Refusal::TokenRefused));
    assert_eq!(refused(&*store, "mallory").await, because("mallory", Refusal::TokenRefused, None, 30));

    outcome(&*store, unlink("alice", 35)).await;
    let again = request(Command::Return(callback("alice", "person", 5)), 40);
    outcome(&*store, link("alice", "person", 6)).await;
    outcome(&*store, unlink("alice", 36)).await;
    assert_eq!(outcome(&*store, again).await, Outcome::Refused(Refusal::NonceUsed));
    assert_eq!(refused(&*store, "alice").await, None);
}

/// An event that ends a pending link, or that may not make the link of its correlation id, leaves its number with the
/// reason.
pub async fn a_refused_event_leaves_its_reason(store: Arc<dyn Store>) {
    let fail = |event: &mut ApplyEvent| (event.check.passed, event.seen.verified) = (false, None);
    outcome(&*store, came_back("alice", "person")).await;
    checked(&*store, "failed", "person", RETURN + 1_000, fail).await;
    let event = Some(EventId(1));
    assert_eq!(refused(&*store, "alice").await, because("alice", Refusal::CheckFailed, event, RETURN + 1_000));

    for name in ["bob", "trudy"] {
        outcome(&*store, came_back(name, "shared")).await;
    }
    checked(&*store, "both", "shared", RETURN + 2_000, |_| {}).await;
    for name in ["bob", "trudy"] {
        let expected = because(name, Refusal::Ambiguous, Some(EventId(2)), RETURN + 2_000);
        assert_eq!(refused(&*store, name).await, expected);
    }

    outcome(&*store, link("carol", "person", RETURN + 3_000)).await;
    let links_dave = |event: &mut ApplyEvent| {
        event.link = Some(EventLink { subject: subject("dave"), proof: LinkProof::Webhook, nonce: None });
    };
    checked(&*store, "taken", "person", RETURN + 4_000, links_dave).await;
    let expected = because("dave", Refusal::IdentityTaken, Some(EventId(3)), RETURN + 4_000);
    assert_eq!(refused(&*store, "dave").await, expected);
    let links_carol = |event: &mut ApplyEvent| {
        event.link = Some(EventLink { subject: subject("carol"), proof: LinkProof::Webhook, nonce: None });
    };
    checked(&*store, "other", "another", RETURN + 5_000, links_carol).await;
    let expected = because("carol", Refusal::SubjectTaken, Some(EventId(4)), RETURN + 5_000);
    assert_eq!(refused(&*store, "carol").await, expected);
    assert_eq!(state_of(&*store, "carol").await.linked.expect("linked").link.identity_id, identity_id("person"));
}

/// A refused link goes with the identity of its subject, and by age.
pub async fn refused_links_are_erased_and_pruned(store: Arc<dyn Store>) {
    let refuse =
        |name: &str, at| request(Command::Refuse { subject: subject(name), refusal: Refusal::TokenRefused }, at);
    for (name, at) in [("alice", 10), ("bob", 20), ("carol", 30)] {
        outcome(&*store, refuse(name, at)).await;
    }
    outcome(&*store, link("alice", "person", 40)).await;
    assert!(refused(&*store, "alice").await.is_some(), "a link does not end it");
    outcome(&*store, forget("person", 50)).await;
    assert_eq!(refused(&*store, "alice").await, None);
    store.prune(prune(100, 20, 0)).await.expect("prune");
    assert!(refused(&*store, "bob").await.is_some(), "the bound itself stays");
    assert_eq!(store.prune(prune(100, 21, 0)).await.expect("prune"), 0, "only events are counted");
    assert_eq!(refused(&*store, "bob").await, None);
    assert!(refused(&*store, "carol").await.is_some());
}

async fn refused(store: &dyn Store, name: &str) -> Option<RefusedLink> {
    store.refused_link(subject(name)).await.expect("refused link")
}

fn because(name: &str, refusal: Refusal, event: Option<EventId>, at: i64) -> Option<RefusedLink> {
    Some(RefusedLink { subject: subject(name), refusal, event, refused_at: ms(at) })
}
