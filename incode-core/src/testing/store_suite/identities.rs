use std::sync::Arc;

use super::*;
use crate::identity::Identity;
use crate::store::{Linked, Settled};

fn sorted(linked: Linked) -> Linked {
    match linked {
        Linked::Done(mut change) => {
            change.subjects.sort();
            Linked::Done(change)
        }
        refused => refused,
    }
}

/// Observation, link and state land together, and the token goes.
pub async fn done_merges_and_links_at_once(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    let event = claimed_one(&*store, 10).await;
    let link = new_link("alice", "person", 20, Some(1));
    let applied = Settlement::Done {
        seen: Some(seen("person", 20)),
        link: Some(Box::new(link.clone())),
        handlers: Vec::new(),
        at: ms(21),
    };
    let settled = store.settle(event.lease, applied).await.expect("settle");
    assert_eq!(settled, Settled::Written(Some(change("person", &["alice"]))));
    let linked = store.linked(subject("alice")).await.expect("linked").expect("alice is linked");
    assert_eq!(linked.link, link.link);
    assert_eq!(linked.identity, Identity::merge(None, &seen("person", 20)));
    assert_eq!(store.identity(identity_id("person")).await.expect("identity"), Some(linked.identity));
    let row = listed(&*store, Some(EventState::Done)).await.pop().expect("done");
    assert_eq!((row.settled_at, row.due_at), (Some(ms(21)), None));
    assert_eq!(store.link(new_link("alice", "person", 30, Some(1))).await.expect("link"), Linked::AlreadySpent);
}

/// The link of a settled event may be refused: the observation counts all the same.
pub async fn a_refused_link_does_not_undo_the_rest(store: Arc<dyn Store>) {
    store.link(new_link("alice", "another", 5, None)).await.expect("link");
    accepted(&*store, pending("object", "token", 10)).await;
    let event = claimed_one(&*store, 10).await;
    let link = new_link("alice", "person", 20, Some(1));
    let applied = Settlement::Done {
        seen: Some(seen("person", 20)),
        link: Some(Box::new(link)),
        handlers: Vec::new(),
        at: ms(21),
    };
    let settled = store.settle(event.lease, applied).await.expect("settle");
    assert_eq!(settled, Settled::Written(Some(change("person", &[]))));
    assert!(store.identity(identity_id("person")).await.expect("identity").is_some());
    assert_eq!(store.counts().await.expect("counts").done, 1);
    let unspent = store.link(new_link("bob", "person", 30, Some(1))).await.expect("link");
    assert_eq!(unspent, Linked::Done(change("person", &["bob"])), "a refused link spends nothing");
}

/// A spent correlation id first, then a subject that is taken, then an identity that is; none writes anything.
pub async fn links_are_refused_in_order(store: Arc<dyn Store>) {
    let linked = store.link(new_link("alice", "one", 10, Some(1))).await.expect("link");
    assert_eq!(linked, Linked::Done(change("one", &["alice"])));
    store.link(new_link("bob", "two", 10, Some(2))).await.expect("link");
    for (subject_name, identity, nonce, refusal) in [
        ("alice", "two", Some(1), Linked::AlreadySpent),
        ("carol", "three", Some(2), Linked::AlreadySpent),
        ("alice", "two", Some(3), Linked::SubjectTaken),
        ("alice", "three", None, Linked::SubjectTaken),
        ("carol", "two", Some(3), Linked::IdentityTaken),
    ] {
        let outcome = store.link(new_link(subject_name, identity, 99, nonce)).await.expect("link");
        assert_eq!(outcome, refusal, "{subject_name} -> {identity}");
    }
    assert_eq!(store.identity(identity_id("three")).await.expect("identity"), None, "refused links write nothing");
    let two = store.identity(identity_id("two")).await.expect("identity").expect("known");
    assert_eq!(two.checked_at, ms(10), "refused links merge nothing");
    let linked = store.link(new_link("carol", "three", 100, Some(3))).await.expect("link");
    assert_eq!(linked, Linked::Done(change("three", &["carol"])), "and spend nothing");
}

/// The same pair again: the observation is merged, the correlation id is spent, the first proof stays.
pub async fn relinking_the_same_pair_is_done(store: Arc<dyn Store>) {
    store.link(new_link("alice", "person", 10, Some(1))).await.expect("link");
    let again = store.link(new_link("alice", "person", 20, Some(2))).await.expect("link");
    assert_eq!(again, Linked::Done(change("person", &["alice"])));
    let linked = store.linked(subject("alice")).await.expect("linked").expect("linked");
    assert_eq!(linked.link.linked_at, ms(10));
    assert_eq!(linked.identity.checked_at, ms(20));
    let spent = store.link(new_link("alice", "person", 30, Some(2))).await.expect("link");
    assert_eq!(spent, Linked::AlreadySpent);
}

/// Where sharing is on, a change names everybody who is linked.
pub async fn shared_identities_name_all_their_subjects(store: Arc<dyn Store>) {
    store.link(new_link("alice", "person", 10, None)).await.expect("link");
    let shared = NewLink { shared: true, ..new_link("bob", "person", 11, None) };
    let linked = store.link(shared).await.expect("link");
    assert_eq!(sorted(linked), Linked::Done(change("person", &["alice", "bob"])));
    let mut observed = store.observe(seen("person", 20)).await.expect("observe");
    observed.subjects.sort();
    assert_eq!(observed, change("person", &["alice", "bob"]));
    let kept = store.link(new_link("alice", "person", 30, None)).await.expect("link");
    assert_eq!(sorted(kept), Linked::Done(change("person", &["alice", "bob"])), "an old link stands without sharing");
    let mut unlinked = store.unlink(subject("alice")).await.expect("unlink").expect("was linked");
    unlinked.subjects.sort();
    assert_eq!(unlinked, change("person", &["alice", "bob"]), "now, or until now");
    let mut observed = store.observe(seen("person", 40)).await.expect("observe");
    observed.subjects.sort();
    assert_eq!(observed, change("person", &["bob"]));
}

/// Unlinking leaves the identity, and both sides free.
pub async fn unlinking_frees_the_subject(store: Arc<dyn Store>) {
    assert_eq!(store.unlink(subject("alice")).await.expect("unlink"), None);
    store.link(new_link("alice", "one", 10, None)).await.expect("link");
    assert_eq!(store.unlink(subject("alice")).await.expect("unlink"), Some(change("one", &["alice"])));
    assert_eq!(store.unlink(subject("alice")).await.expect("unlink"), None);
    assert_eq!(store.linked(subject("alice")).await.expect("linked"), None);
    assert!(store.identity(identity_id("one")).await.expect("identity").is_some());
    assert_eq!(
        store.link(new_link("bob", "one", 11, None)).await.expect("link"),
        Linked::Done(change("one", &["bob"]))
    );
    assert_eq!(
        store.link(new_link("alice", "two", 12, None)).await.expect("link"),
        Linked::Done(change("two", &["alice"]))
    );
}

/// The row is what [`Identity::merge`] says, whichever observation came first.
pub async fn observations_merge_in_any_order(store: Arc<dyn Store>) {
    let revoked = Observation { status: IdentityStatus::Revoked, verified: None, ..seen("person", 30) };
    let strange = Observation {
        status: IdentityStatus::from("SUSPENDED"),
        attestation: Some(crate::model::AttestationStatus::from("WARN")),
        face_authenticated_at: Some(ms(7)),
        face_origin: crate::identity::FaceOrigin {
            verification_id: Some(ObjectId::new("enrolled-by").expect("a legal id")),
            source_id: Some("lobby".into()),
        },
        ..seen("person", 10)
    };
    let all = [strange, seen("person", 20), revoked.clone(), revoked];
    let expected = all.iter().fold(None, |known, seen| Some(Identity::merge(known, seen)));
    for observation in all.iter().rev() {
        store.observe(observation.clone()).await.expect("observe");
    }
    assert_eq!(store.identity(identity_id("person")).await.expect("identity"), expected);
    let only_strange = Observation { identity_id: identity_id("stranger"), ..all[0].clone() };
    store.observe(only_strange.clone()).await.expect("observe");
    assert_eq!(
        store.identity(identity_id("stranger")).await.expect("identity"),
        Some(Identity::merge(None, &only_strange)),
        "words the vendor did not document are kept as they are"
    );
}

/// Erased with its links; what was sent before stays out by every door, newer truth may come in.
pub async fn forgetting_leaves_a_tombstone(store: Arc<dyn Store>) {
    accepted(&*store, pending("early", "token", 1)).await;
    let early = claimed_one(&*store, 1).await;
    let seen_early = Settlement::Done { seen: Some(seen("person", 5)), link: None, handlers: Vec::new(), at: ms(6) };
    store.settle(early.lease, seen_early).await.expect("settle");
    store.link(new_link("alice", "person", 10, None)).await.expect("link");

    let forgotten = store.forget(identity_id("person"), actor("anna"), ms(50)).await.expect("forget");
    assert_eq!(forgotten, Some(change("person", &["alice"])));
    assert_eq!(store.identity(identity_id("person")).await.expect("identity"), None);
    assert_eq!(store.linked(subject("alice")).await.expect("linked"), None);
    assert!(is_duplicate(&*store, pending("early", "token", 51)).await, "its events stay known");
    assert_eq!(
        store.forget(identity_id("person"), actor("anna"), ms(40)).await.expect("forget"),
        None,
        "nothing is left"
    );

    assert_eq!(store.observe(seen("person", 50)).await.expect("observe"), change("person", &[]));
    let refused = store.link(new_link("alice", "person", 45, Some(1))).await.expect("link");
    assert_eq!(refused, Linked::AlreadySpent, "the exchange is older than the wish to be forgotten");
    accepted(&*store, pending("late", "token", 60)).await;
    let late = claimed_one(&*store, 60).await;
    let old_news = Settlement::Done {
        seen: Some(seen("person", 49)),
        link: Some(Box::new(new_link("alice", "person", 49, None))),
        handlers: vec!["welcome".into()],
        at: ms(61),
    };
    assert_eq!(store.settle(late.lease, old_news).await.expect("settle"), Settled::Written(None));
    assert_eq!(store.identity(identity_id("person")).await.expect("identity"), None);
    assert_eq!(store.counts().await.expect("counts").done, 2, "the event is done all the same");

    store.observe(seen("person", 51)).await.expect("observe");
    assert!(store.identity(identity_id("person")).await.expect("identity").is_some(), "newer truth may come in");
    store.observe(Observation { status: IdentityStatus::Revoked, ..seen("person", 50) }).await.expect("observe");
    let known = store.identity(identity_id("person")).await.expect("identity").expect("known");
    assert_eq!(known.verified_at, Some(ms(51)), "the tombstone outlives the return");
}

/// Nothing was known: the tombstone is written all the same, and an earlier one never replaces a later.
pub async fn forgetting_the_unknown_still_holds(store: Arc<dyn Store>) {
    assert_eq!(store.forget(identity_id("person"), actor("anna"), ms(50)).await.expect("forget"), None);
    assert_eq!(store.forget(identity_id("person"), actor("anna"), ms(20)).await.expect("forget"), None);
    store.observe(seen("person", 30)).await.expect("observe");
    assert_eq!(store.identity(identity_id("person")).await.expect("identity"), None);
    store.observe(seen("another", 30)).await.expect("observe");
    assert!(store.identity(identity_id("another")).await.expect("identity").is_some());
}

/// By the newest verification of a row, and no longer once that is replaced, or its identity forgotten.
pub async fn a_verification_leads_to_its_identity(store: Arc<dyn Store>) {
    let verified_as = async |at: i64| {
        let id = ObjectId::new(format!("verification-{at}")).expect("a legal object id");
        store.verified_as(id).await.expect("verified_as")
    };
    assert_eq!(verified_as(10).await, None);
    store.observe(Observation { verified: None, ..seen("nobody", 5) }).await.expect("observe");
    store.observe(seen("one", 10)).await.expect("observe");
    store.observe(seen("two", 20)).await.expect("observe");
    assert_eq!(verified_as(10).await, Some(identity_id("one")));
    assert_eq!(verified_as(20).await, Some(identity_id("two")));
    store.observe(Observation { verified: None, ..seen("one", 30) }).await.expect("observe");
    assert_eq!(verified_as(10).await, Some(identity_id("one")), "what is seen without it leaves it");
    store.link(new_link("alice", "one", 40, None)).await.expect("link");
    assert_eq!((verified_as(10).await, verified_as(40).await), (None, Some(identity_id("one"))));
    // Never so by the rules above a store, which is no reason for it to be at a loss.
    store.observe(Observation { verified: seen("two", 20).verified, ..seen("a", 50) }).await.expect("observe");
    assert_eq!(verified_as(20).await, Some(identity_id("a")));
    store.forget(identity_id("a"), actor("operator"), ms(60)).await.expect("forget");
    store.forget(identity_id("one"), actor("operator"), ms(60)).await.expect("forget");
    assert_eq!((verified_as(20).await, verified_as(40).await), (Some(identity_id("two")), None));
}
