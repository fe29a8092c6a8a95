use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::*;
use crate::identity::Identity;
use crate::store::{JobFilter, Linked, Settled, StoreErrorKind, StoreFeed, StoreNotice};

/// Accepted by one, known to the other, claimed by either and settled by whoever holds the lease.
pub async fn what_one_accepts_the_other_knows_and_works_on(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let first = accepted(&*one, pending("object", "token", 10)).await;
    assert!(is_duplicate(&*other, pending("object", "token", 11)).await);
    assert!(accepted(&*other, pending("another", "token", 12)).await > first, "ids count up for both");
    let event = claimed_one(&*other, 10).await;
    assert_eq!((event.lease.event, event.token), (first, b"token".to_vec()));
    assert_eq!(one.settle(event.lease, done(13)).await.expect("settle"), Settled::Written(None));
    assert!(is_duplicate(&*other, pending("object", "fresh", 14)).await, "done for both");
    assert_eq!(one.counts().await.expect("counts"), other.counts().await.expect("counts"));
}

/// 200 tasks deliver one event, half of them to each: one row.
pub async fn deliveries_to_two_at_once_are_one_event(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for n in 0..200 {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &other });
        tasks.spawn(async move { is_duplicate(&*store, pending("object", "token", 10)).await });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|duplicate| !duplicate).count(), 1);
    assert_eq!(other.counts().await.expect("counts").pending, 1);
}

/// Eight workers of two processes claim 200 events in small lots: each is handed out once.
pub async fn two_never_claim_the_same_event(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    for n in 0..200 {
        accepted(&*one, pending(&format!("object-{n}"), "token", 10)).await;
    }
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &other });
        tasks.spawn(async move {
            let mut mine = Vec::new();
            // A lot may be empty while another worker has the rest in hand.
            while mine.len() < 200 {
                let lot = claimed(&*store, 10, 10_000, 7).await;
                if lot.is_empty() && store.next_due().await.expect("next due") != Some(ms(10)) {
                    break;
                }
                mine.extend(lot.into_iter().map(|event| event.lease.event));
            }
            mine
        });
    }
    let all: Vec<_> = tasks.join_all().await.concat();
    assert_eq!(all.len(), 200, "each event is handed out");
    assert_eq!(all.into_iter().collect::<HashSet<_>>().len(), 200, "and to one worker only");
}

/// When a process dies its work moves: the lease ends by itself, and what the dead one would still write counts no more.
pub async fn a_lease_of_one_holds_for_the_other_until_it_ends(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    accepted(&*one, pending("object", "token", 10)).await;
    let slow = claimed(&*one, 10, 50, 10).await.pop().expect("due");
    assert!(claimed(&*other, 49, 90, 10).await.is_empty(), "the lease still runs");
    one.close().await.expect("close");
    assert!(claimed(&*other, 49, 90, 10).await.is_empty(), "whatever becomes of its holder");
    let quick = claimed(&*other, 50, 90, 10).await.pop().expect("the lease ended");
    assert_eq!(quick.attempts, 2);
    assert_eq!(other.settle(slow.lease, done(60)).await.expect("settle"), Settled::LeaseLost);
    assert_eq!(other.settle(quick.lease, done(60)).await.expect("settle"), Settled::Written(None));
}

/// Two workers apply two events of one object at the same moment: the handler is owed one effect.
pub async fn what_two_apply_at_once_is_owed_once(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    for round in 0..20 {
        let object = format!("object-{round}");
        accepted(&*one, pending(&object, "first", 10)).await;
        accepted(&*one, pending(&object, "second", 10)).await;
        let events = claimed(&*one, 10, 100, 2).await;
        let [first, second] = &events[..] else { panic!("two are due") };
        let applied = || Settlement::Done {
            seen: Some(seen(&format!("person-{round}"), 20)),
            link: None,
            handlers: vec!["mail".into()],
            at: ms(21),
        };
        let (a, b) = tokio::join!(one.settle(first.lease, applied()), other.settle(second.lease, applied()));
        assert!(matches!((a, b), (Ok(Settled::Written(Some(_))), Ok(Settled::Written(Some(_))))));
        let filter = JobFilter { state: None, handler: None, before: None, limit: 100 };
        let owed = one.effects().list_jobs(filter).await.expect("effects");
        assert_eq!(owed.len(), round + 1, "one for each object");
    }
}

/// Observations of one identity through both at once: the row is what merging all of them gives.
pub async fn two_merge_without_losing_an_update(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let all: Vec<_> = (0..60)
        .map(|at| match at % 3 {
            0 => Observation { verified: None, face_authenticated_at: Some(ms(1_000 - at)), ..seen("person", at) },
            1 => Observation { status: IdentityStatus::Revoked, verified: None, ..seen("person", at) },
            _ => seen("person", at),
        })
        .collect();
    let mut tasks = JoinSet::new();
    for (n, observation) in all.iter().enumerate() {
        let (store, observation) = (Arc::clone(if n % 2 == 0 { &one } else { &other }), observation.clone());
        tasks.spawn(async move { store.observe(observation).await.expect("observe") });
    }
    tasks.join_all().await;
    let expected = all.iter().fold(None, |known, seen| Some(Identity::merge(known, seen)));
    for store in [one, other] {
        assert_eq!(store.identity(identity_id("person")).await.expect("identity"), expected);
    }
}

/// A correlation id comes back to two processes at the same moment: one of them links.
pub async fn a_correlation_id_is_spent_once_among_two(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    for round in 0..20 {
        let link = |name: &str| new_link(&format!("{name}-{round}"), &format!("{name}-{round}"), 10, Some(round));
        let (a, b) = tokio::join!(one.link(link("alice")), other.link(link("bob")));
        let outcomes = [a.expect("link"), b.expect("link")];
        let linked = outcomes.iter().filter(|outcome| matches!(outcome, Linked::Done(_))).count();
        assert_eq!(linked, 1, "{outcomes:?}");
        assert!(outcomes.contains(&Linked::AlreadySpent), "{outcomes:?}");
        for (name, outcome) in ["alice", "bob"].iter().zip(outcomes) {
            let known = one.linked(subject(&format!("{name}-{round}"))).await.expect("linked");
            assert_eq!(known.is_some(), matches!(outcome, Linked::Done(_)), "refused links write nothing");
        }
    }
}

/// Two subjects reach for one identity, and one subject for two identities, at the same moment.
pub async fn an_identity_is_linked_once_among_two(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    for round in 0..20 {
        let link = |subject: &str, identity: &str, nonce| {
            new_link(&format!("{subject}-{round}"), &format!("{identity}-{round}"), 10, Some(nonce))
        };
        let (nonce, next) = (round * 4, round * 4 + 1);
        let (a, b) = tokio::join!(one.link(link("alice", "person", nonce)), other.link(link("bob", "person", next)));
        let outcomes = [a.expect("link"), b.expect("link")];
        assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Linked::Done(_))).count(), 1, "{outcomes:?}");
        assert!(outcomes.contains(&Linked::IdentityTaken), "{outcomes:?}");

        let (nonce, next) = (round * 4 + 2, round * 4 + 3);
        let (a, b) = tokio::join!(one.link(link("carol", "this", nonce)), other.link(link("carol", "that", next)));
        let outcomes = [a.expect("link"), b.expect("link")];
        assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Linked::Done(_))).count(), 1, "{outcomes:?}");
        assert!(outcomes.contains(&Linked::SubjectTaken), "{outcomes:?}");
        let unspent = if matches!(outcomes[0], Linked::Done(_)) { next } else { nonce };
        let again = other.link(link("dave", "another", unspent)).await.expect("link");
        assert!(matches!(again, Linked::Done(_)), "what was refused spent nothing");
    }
}

/// However many send unknown kinds to however many processes, no more rows are kept than by one.
pub async fn ignored_events_are_capped_among_two(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for lot in 0..52 {
        let store = Arc::clone(if lot % 2 == 0 { &one } else { &other });
        tasks.spawn(async move {
            for n in 0..200 {
                accepted(&*store, ignored(&format!("{lot}-{n}"), 10)).await;
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(one.counts().await.expect("counts").ignored, 10_000);
}

/// What one changes the other hears of, with the subjects it is about; nobody hears of what he did himself.
pub async fn news_of_one_reaches_the_other(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let mut own = one.feed().expect("a store that is shared has a feed");
    let mut feed = other.feed().expect("a store that is shared has a feed");
    assert_eq!(next(&mut own).await, StoreNotice::Up, "down until it says that it is up");
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    let changed = |subjects: &[&str]| {
        let subjects = subjects.iter().map(|name| subject(name)).collect();
        StoreNotice::Changed(Change { identity_id: identity_id("person"), subjects })
    };
    one.observe(seen("person", 5)).await.expect("observe");
    assert_eq!(next(&mut feed).await, changed(&[]));
    one.link(new_link("alice", "person", 10, None)).await.expect("link");
    assert_eq!(next(&mut feed).await, changed(&["alice"]));
    accepted(&*one, pending("object", "token", 20)).await;
    let event = claimed_one(&*one, 20).await;
    let revoked = Observation { status: IdentityStatus::Revoked, ..seen("person", 21) };
    let applied = Settlement::Done { seen: Some(revoked), link: None, handlers: Vec::new(), at: ms(22) };
    one.settle(event.lease, applied).await.expect("settle");
    assert_eq!(next(&mut feed).await, changed(&["alice"]));
    one.unlink(subject("alice")).await.expect("unlink");
    assert_eq!(next(&mut feed).await, changed(&["alice"]), "now, or until now");
    one.link(new_link("bob \"b\" \u{1f512}", "person", 30, None)).await.expect("link");
    assert_eq!(next(&mut feed).await, changed(&["bob \"b\" \u{1f512}"]));
    one.forget(identity_id("person"), actor("anna"), ms(40)).await.expect("forget");
    assert_eq!(next(&mut feed).await, changed(&["bob \"b\" \u{1f512}"]));
    other.observe(seen("person", 50)).await.expect("observe");
    assert_eq!(next(&mut own).await, changed(&[]), "the first news of the other: none of its own came before");

    // Too many to be named, or named: either way the other learns of it.
    let many: Vec<_> = (0..400).map(|n| format!("subject-with-a-rather-long-name-{n}")).collect();
    for name in &many {
        one.link(NewLink { shared: true, ..new_link(name, "crowd", 60, None) }).await.expect("link");
    }
    one.observe(Observation { status: IdentityStatus::Revoked, ..seen("crowd", 70) }).await.expect("observe");
    other.observe(seen("end", 80)).await.expect("observe");
    one.observe(seen("end", 90)).await.expect("observe");
    let mut heard = Vec::new();
    loop {
        match next(&mut feed).await {
            StoreNotice::Changed(change) if change.identity_id == identity_id("end") => break,
            news => heard.push(news),
        }
    }
    let all_of_them = match heard.last() {
        Some(StoreNotice::Gap) => true,
        Some(StoreNotice::Changed(change)) => change.subjects.len() == many.len(),
        _ => false,
    };
    assert!(all_of_them, "{:?}", heard.last());
}

/// One process goes in good order; the other works on.
pub async fn the_end_of_one_leaves_the_other(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    accepted(&*one, pending("object", "token", 10)).await;
    one.close().await.expect("close");
    let closed = one.accept(pending("object", "token", 10)).await.expect_err("closed");
    assert_eq!(closed.kind(), StoreErrorKind::Unavailable);
    let event = claimed_one(&*other, 10).await;
    assert_eq!(other.settle(event.lease, done(11)).await.expect("settle"), Settled::Written(None));
}

/// Where it is the same, whoever asks.
pub async fn two_agree_on_the_time(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let time = async |store: &Arc<dyn Store>| {
        store.time().await.expect("time").expect("a store that is shared tells the time")
    };
    let times = [time(&one).await, time(&other).await, time(&one).await];
    assert!(times.is_sorted(), "{times:?}");
    assert!(times[2].since(times[0]) < Duration::from_secs(10), "{times:?}");
}

async fn next(feed: &mut StoreFeed) -> StoreNotice {
    let news = poll_fn(|cx| feed.as_mut().poll_next(cx));
    tokio::time::timeout(Duration::from_secs(10), news).await.expect("news in time").expect("no end of the feed")
}
