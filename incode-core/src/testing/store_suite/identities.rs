use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;
use crate::identity::transition::EventLink;
use crate::identity::{FaceOrigin, Identity, Link, LinkProof};
use crate::model::AttestationStatus;

/// Observation, link and state land together, and the token goes.
pub async fn done_merges_and_links_at_once(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    let event = claimed_one(&*store, 10).await;
    let linking = EventLink { subject: subject("alice"), proof: LinkProof::Webhook, nonce: Some(nonce(1, 20)) };
    let applying = ApplyEvent { link: Some(linking), ..applying(&event, seen("person", 20)) };
    let expected = Identity::merge(None, &applying.seen);
    let settled = store.settle(event.lease, apply(applying, &Rules::default(), 21)).await.expect("settle");
    assert_eq!(settled, Settled::Written(Some((Outcome::Linked, change("person", &["alice"])))));
    let linked = state_of(&*store, "alice").await.linked.expect("alice is linked");
    let mut link = Link::new(subject("alice"), identity_id("person"), LinkProof::Webhook, ms(20));
    (link.active_since, link.verified_since) = (Some(ms(21)), Some(ms(21)));
    assert_eq!(linked.link, link);
    assert_eq!(linked.identity, expected);
    assert_eq!(identity(&*store, "person").await, Some(linked.identity));
    let row = listed(&*store, Some(EventState::Done)).await.pop().expect("done");
    assert_eq!((row.settled_at, row.due_at), (Some(ms(21)), None));
    let again = outcome(&*store, link_with("bob", "another", 30, 1)).await;
    assert_eq!(again, Outcome::Refused(Refusal::NonceUsed), "the nonce of the event is used");
}

/// The link of a settled event may be refused: the observation counts all the same.
pub async fn a_refused_link_does_not_undo_the_rest(store: Arc<dyn Store>) {
    outcome(&*store, link("alice", "another", 5)).await;
    let linking = EventLink { subject: subject("alice"), proof: LinkProof::Webhook, nonce: Some(nonce(1, 20)) };
    let edit = |event: &mut ApplyEvent| event.link = Some(linking);
    let event = pending("object", "token", 20);
    let settled = deliver(&*store, event, seen("person", 20), &Rules::default(), edit).await;
    assert_eq!(settled, (Outcome::Observed, change("person", &[])));
    assert!(identity(&*store, "person").await.is_some());
    assert_eq!(store.counts().await.expect("counts").inbox.done, 1);
    let unused = changed(&*store, link_with("bob", "person", 30, 1)).await;
    assert_eq!(unused, (Outcome::Linked, change("person", &["bob"])), "a refused link uses up nothing");
}

/// A used correlation id first, then a subject that is taken, then an identity that is. None makes an identity known or
/// uses anything up; what the vendor said of a known identity counts all the same.
pub async fn links_are_refused_in_order(store: Arc<dyn Store>) {
    let linked = changed(&*store, link_with("alice", "one", 10, 1)).await;
    assert_eq!(linked, (Outcome::Linked, change("one", &["alice"])));
    outcome(&*store, link_with("bob", "two", 10, 2)).await;
    for (subject_name, identity, mark, refusal) in [
        ("alice", "two", 1, Refusal::NonceUsed),
        ("carol", "three", 2, Refusal::NonceUsed),
        ("alice", "two", 3, Refusal::SubjectTaken),
        ("alice", "three", 4, Refusal::SubjectTaken),
        ("carol", "two", 3, Refusal::IdentityTaken),
    ] {
        let refused = outcome(&*store, link_with(subject_name, identity, 99, mark)).await;
        assert_eq!(refused, Outcome::Refused(refusal), "{subject_name} -> {identity}");
    }
    assert_eq!(identity(&*store, "three").await, None, "a refused exchange makes no identity known");
    let two = identity(&*store, "two").await.expect("known");
    assert_eq!(two.checked_at, ms(99), "what the vendor said of a known identity counts");
    let linked = changed(&*store, link_with("carol", "three", 100, 3)).await;
    assert_eq!(linked, (Outcome::Linked, change("three", &["carol"])), "a refused exchange uses up nothing");
}

/// The same pair again: the observation is merged, the correlation id is used, the first proof stays.
pub async fn relinking_the_same_pair_is_done(store: Arc<dyn Store>) {
    outcome(&*store, link_with("alice", "person", 10, 1)).await;
    let again = changed(&*store, link_with("alice", "person", 20, 2)).await;
    assert_eq!(again, (Outcome::Linked, change("person", &["alice"])));
    let linked = state_of(&*store, "alice").await.linked.expect("linked");
    assert_eq!(linked.link.linked_at, ms(10));
    assert_eq!(linked.identity.checked_at, ms(20));
    let used = outcome(&*store, link_with("bob", "another", 30, 2)).await;
    assert_eq!(used, Outcome::Refused(Refusal::NonceUsed));
}

/// Where sharing is on, a change names every subject that is linked.
pub async fn shared_identities_name_all_their_subjects(store: Arc<dyn Store>) {
    outcome(&*store, link("alice", "person", 10)).await;
    let rules = Rules { shared_identities: true, trust_userinfo_alone: true, ..Rules::default() };
    let sharing = ChangeRequest { rules: Arc::new(rules), ..link("bob", "person", 11) };
    assert_eq!(changed(&*store, sharing).await, (Outcome::Linked, change("person", &["alice", "bob"])));
    let mut subjects = store.subjects(identity_id("person")).await.expect("subjects");
    subjects.sort();
    assert_eq!(subjects, [subject("alice"), subject("bob")]);
    assert_eq!(changed(&*store, observe(seen("person", 20))).await.1, change("person", &["alice", "bob"]));
    let kept = changed(&*store, link("alice", "person", 30)).await;
    assert_eq!(kept, (Outcome::Linked, change("person", &["alice", "bob"])), "an old link stands without sharing");
    let unlinked = changed(&*store, unlink("alice", 35)).await;
    assert_eq!(unlinked, (Outcome::Unlinked(true), change("person", &["alice", "bob"])), "now, or until now");
    assert_eq!(changed(&*store, observe(seen("person", 40))).await.1, change("person", &["bob"]));
    assert_eq!(store.subjects(identity_id("person")).await.expect("subjects"), [subject("bob")]);
}

/// The row is what [`Identity::merge`] says, whichever observation came first.
pub async fn observations_merge_in_any_order(store: Arc<dyn Store>) {
    let check = |passed, made_at: Option<i64>, received_at| Check {
        passed,
        made_at: made_at.map(ms),
        received_at: ms(received_at),
        authenticated: true,
        flow: NamedFlow::Unnamed,
    };
    let revoked = Observation {
        status: IdentityStatus::Revoked,
        verified: None,
        checks: Checks::default().with(&check(false, Some(28), 29)).with(&check(true, None, 30)),
        ..seen("person", 30)
    };
    let strange = Observation {
        status: IdentityStatus::from("SUSPENDED"),
        attestation: Some(AttestationStatus::from("WARN")),
        face_authenticated_at: Some(ms(7)),
        face_origin: FaceOrigin { verification_id: Some(object_id("enrolled-by")), source_id: Some("lobby".into()) },
        checks: Checks::default().with(&check(true, Some(7), 8)),
        ..seen("person", 10)
    };
    let all = [strange, seen("person", 20), revoked.clone(), revoked];
    let expected = all.iter().fold(None, |known, seen| Some(Identity::merge(known, seen)));
    for observation in all.iter().rev() {
        outcome(&*store, observe(observation.clone())).await;
    }
    assert_eq!(identity(&*store, "person").await, expected);
    let only_strange = Observation { identity_id: identity_id("stranger"), ..all[0].clone() };
    outcome(&*store, observe(only_strange.clone())).await;
    assert_eq!(
        identity(&*store, "stranger").await,
        Some(Identity::merge(None, &only_strange)),
        "words the vendor did not document are kept as they are"
    );
    let timeless = Observation { verified: Some(Verified { id: object_id("v"), at: None }), ..seen("timeless", 10) };
    outcome(&*store, observe(timeless.clone())).await;
    assert_eq!(identity(&*store, "timeless").await, Some(Identity::merge(None, &timeless)), "no time is no time");
}

/// By the newest verification of a row, and no longer once that is replaced, or its identity forgotten.
pub async fn a_verification_leads_to_its_identity(store: Arc<dyn Store>) {
    let verified_as =
        async |at: i64| store.verified_as(object_id(&format!("verification-{at}"))).await.expect("verified_as");
    assert_eq!(verified_as(10).await, None);
    outcome(&*store, observe(Observation { verified: None, ..seen("unverified", 5) })).await;
    outcome(&*store, observe(seen("one", 10))).await;
    outcome(&*store, observe(seen("two", 20))).await;
    assert_eq!(verified_as(10).await, Some(identity_id("one")));
    assert_eq!(verified_as(20).await, Some(identity_id("two")));
    outcome(&*store, observe(Observation { verified: None, ..seen("one", 30) })).await;
    assert_eq!(verified_as(10).await, Some(identity_id("one")), "what is seen without it leaves it");
    outcome(&*store, link("alice", "one", 40)).await;
    assert_eq!((verified_as(10).await, verified_as(40).await), (None, Some(identity_id("one"))));
    // Never so by the rules above a store, and an engine still answers.
    outcome(&*store, observe(Observation { verified: seen("two", 20).verified, ..seen("a", 50) })).await;
    assert_eq!(verified_as(20).await, Some(identity_id("a")));
    outcome(&*store, forget("a", 60)).await;
    outcome(&*store, forget("one", 60)).await;
    assert_eq!((verified_as(20).await, verified_as(40).await), (Some(identity_id("two")), None));
}

/// Fifty commands at once on one identity: the row is what merging all of them gives, and none is lost.
pub async fn simultaneous_changes_lose_no_update(store: Arc<dyn Store>) {
    let all: Vec<_> = (0..50)
        .map(|at| match at % 3 {
            0 => Observation { verified: None, face_authenticated_at: Some(ms(1_000 - at)), ..seen("person", at) },
            1 => Observation { status: IdentityStatus::Revoked, verified: None, ..seen("person", at) },
            _ => seen("person", at),
        })
        .collect();
    let mut tasks = JoinSet::new();
    for observation in all.iter().cloned() {
        let store = Arc::clone(&store);
        tasks.spawn(async move { outcome(&*store, observe(observation)).await });
    }
    let outcomes = tasks.join_all().await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Observed), "{outcomes:?}");
    let expected = all.iter().fold(None, |known, seen| Some(Identity::merge(known, seen)));
    assert_eq!(identity(&*store, "person").await, expected);
}
