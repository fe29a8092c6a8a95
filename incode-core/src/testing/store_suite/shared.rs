use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::*;
use crate::identity::transition::EventLink;
use crate::identity::{ActionHash, Confirmation, Identity, LinkProof, SessionHash};
use crate::store::{Claimed, SecretCheck, StoreFeed, StoreNotice};

/// Accepted by one, known to the other, claimed by either and settled by the holder of the lease.
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
    assert_eq!(other.counts().await.expect("counts").inbox.pending, 1);
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
                let Claimed { events: lot, next_due } = store.claim(claim(10, 10_000, 7)).await.expect("claim");
                if lot.is_empty() && next_due != Some(ms(10)) {
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

/// When a process dies its work moves: the lease ends by itself, and what the dead process would still write is refused.
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

/// Two workers apply two events of one object at the same moment: the handler is owed one job.
pub async fn what_two_apply_at_once_enqueues_one_job(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    for round in 0..20 {
        let object = format!("object-{round}");
        accepted(&*one, pending(&object, "first", 10)).await;
        accepted(&*one, pending(&object, "second", 10)).await;
        let events = claimed(&*one, 10, 100, 2).await;
        let [first, second] = &events[..] else { panic!("two are due") };
        let owing = |event| apply(applying(event, seen(&format!("person-{round}"), 20)), &on_event(&["mail"]), 21);
        let (a, b) = tokio::join!(one.settle(first.lease, owing(first)), other.settle(second.lease, owing(second)));
        assert!(matches!((a, b), (Ok(Settled::Written(Some(_))), Ok(Settled::Written(Some(_))))));
        assert_eq!(owed(&*one).await.len(), round + 1, "one for each object");
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
        tasks.spawn(async move { outcome(&*store, observe(observation)).await });
    }
    tasks.join_all().await;
    let expected = all.iter().fold(None, |known, seen| Some(Identity::merge(known, seen)));
    for store in [one, other] {
        assert_eq!(identity(&*store, "person").await, expected);
    }
}

/// A correlation id comes back to two processes at the same moment: one of them links.
pub async fn a_correlation_id_is_used_once_among_two(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    for round in 0..20 {
        let link = |name: &str| {
            let mut request = link(&format!("{name}-{round}"), &format!("{name}-{round}"), 10);
            if let Command::Return(back) = &mut request.command {
                back.nonce = nonce(round, 10);
            }
            request
        };
        let outcomes = tokio::join!(outcome(&*one, link("alice")), outcome(&*other, link("bob")));
        let outcomes = [outcomes.0, outcomes.1];
        let linked = outcomes.iter().filter(|outcome| **outcome == Outcome::Linked).count();
        assert_eq!(linked, 1, "{outcomes:?}");
        assert!(outcomes.contains(&Outcome::Refused(Refusal::NonceUsed)), "{outcomes:?}");
        for (name, outcome) in ["alice", "bob"].iter().zip(outcomes) {
            let known = is_linked(&*one, &format!("{name}-{round}")).await;
            assert_eq!(known, outcome == Outcome::Linked, "refused links write no link");
        }
    }
}

/// A token comes back to two processes at the same moment, each time with another subject: it links one of them.
pub async fn a_token_is_used_once_among_two(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    for round in 0..20 {
        let link = |name: &str| {
            let mut request = link(&format!("{name}-{round}"), &format!("{name}-{round}"), 10);
            if let Command::Return(back) = &mut request.command {
                back.token = token(round, 10);
            }
            request
        };
        let (a, b) = tokio::join!(outcome(&*one, link("alice")), outcome(&*other, link("bob")));
        let outcomes = [a, b];
        assert!(outcomes.contains(&Outcome::Linked), "{outcomes:?}");
        assert!(outcomes.contains(&Outcome::Refused(Refusal::TokenUsed)), "{outcomes:?}");
    }
}

/// Two subjects reach for one identity, and one subject for two identities, at the same moment.
pub async fn an_identity_is_linked_once_among_two(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    for round in 0..20 {
        let link = |subject: &str, identity: &str, mark| {
            link_with(&format!("{subject}-{round}"), &format!("{identity}-{round}"), 10, mark)
        };
        let (mark, next) = (round * 4, round * 4 + 1);
        let (a, b) =
            tokio::join!(outcome(&*one, link("alice", "person", mark)), outcome(&*other, link("bob", "person", next)),);
        let outcomes = [a, b];
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Linked).count(), 1, "{outcomes:?}");
        assert!(outcomes.contains(&Outcome::Refused(Refusal::IdentityTaken)), "{outcomes:?}");

        let (mark, next) = (round * 4 + 2, round * 4 + 3);
        let (a, b) =
            tokio::join!(outcome(&*one, link("carol", "this", mark)), outcome(&*other, link("carol", "that", next)));
        let outcomes = [a, b];
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Linked).count(), 1, "{outcomes:?}");
        assert!(outcomes.contains(&Outcome::Refused(Refusal::SubjectTaken)), "{outcomes:?}");
        let unused = if outcomes[0] == Outcome::Linked { next } else { mark };
        let again = outcome(&*other, link("dave", "another", unused)).await;
        assert_eq!(again, Outcome::Linked, "what was refused used up nothing");
    }
}

/// An event links a subject through one while its callback comes to the other: one link, and one job of each handler.
pub async fn event_and_callback_among_two_link_once(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let rules = on_standing();
    for round in 0..20 {
        let (name, object) = (format!("subject-{round}"), format!("object-{round}"));
        accepted(&*one, pending(&object, "token", 10)).await;
        let event = claimed_one(&*one, 10).await;
        let link = EventLink { subject: subject(&name), proof: LinkProof::Webhook, nonce: None };
        let applying = ApplyEvent { link: Some(link), ..applying(&event, seen(&name, 10)) };
        let back = callback(&name, &name, 10);
        let back = ChangeRequest { rules: Arc::new(rules.clone()), ..request(Command::Return(back), 10) };
        let (settled, _) = tokio::join!(one.settle(event.lease, apply(applying, &rules, 10)), outcome(&*other, back));
        assert!(matches!(settled, Ok(Settled::Written(Some((Outcome::Linked, Some(_)))))), "{settled:?}");
        for store in [&one, &other] {
            let state = state_of(&**store, &name).await;
            assert!(state.linked.is_some() && state.pending.is_none(), "{state:?}");
            assert_eq!(owed(&**store).await.len(), (round + 1) * 2, "\"open\" and \"check\" once each");
        }
    }
}

/// Two requests on two processes reach for one confirmation: one has it.
pub async fn a_confirmation_is_used_once_among_two(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let (session, action) = (SessionHash::of(b"tab"), ActionHash::of(b"pay"));
    outcome(&*one, link("alice", "person", 5)).await;
    for round in 0..20 {
        let confirmation = Confirmation {
            subject: subject("alice"),
            identity_id: identity_id("person"),
            session,
            action: Some(action),
            passed_at: ms(10 + round),
        };
        let confirm = Command::Confirm { confirmation, seen: seen("person", 10 + round) };
        assert_eq!(outcome(&*one, request(confirm, 10 + round)).await, Outcome::Confirmed);
        let within = Duration::from_secs(60);
        let use_up = || Command::UseConfirmation { subject: subject("alice"), session, action, within };
        let (a, b) = tokio::join!(outcome(&*one, request(use_up(), 40)), outcome(&*other, request(use_up(), 40)),);
        let outcomes = [a, b];
        assert!(outcomes.contains(&Outcome::Used(ms(10 + round))), "{outcomes:?}");
        assert!(outcomes.contains(&Outcome::Refused(Refusal::NotConfirmed)), "{outcomes:?}");
    }
}

/// A process with another secret learns of it, also where both are the first at the same moment.
pub async fn two_compare_their_secrets(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let check = async |store: &Arc<dyn Store>, byte| store.check_secret("store key", [byte; 16]).await.expect("check");
    let (a, b) = tokio::join!(check(&one, 1), check(&other, 2));
    let mut checks = [a, b];
    checks.sort_by_key(|check| *check != SecretCheck::New);
    assert_eq!(checks, [SecretCheck::New, SecretCheck::Other]);
    let (first, second) = if a == SecretCheck::New { (1, 2) } else { (2, 1) };
    assert_eq!((check(&other, first).await, check(&one, second).await), (SecretCheck::Same, SecretCheck::Other));
}

/// Two rotations at one moment: one replaces what both knew, and the other learns of it.
pub async fn two_replace_a_secret_once(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    one.check_secret("store key", [1; 16]).await.expect("check");
    let replace =
        async |store: &Arc<dyn Store>, by| store.replace_secret("store key", [1; 16], [by; 16]).await.expect("replace");
    let (a, b) = tokio::join!(replace(&one, 2), replace(&other, 3));
    assert!(a ^ b, "{a} {b}");
    let kept = if a { 2 } else { 3 };
    assert_eq!(other.check_secret("store key", [kept; 16]).await.expect("check"), SecretCheck::Same);
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
    assert_eq!(one.counts().await.expect("counts").inbox.ignored, 10_000);
}

/// What one changes reaches the other, with the subjects that it concerns; a process gets no notice of its own changes.
pub async fn a_change_of_one_reaches_the_other(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let mut own = one.feed().expect("a store that is shared has a feed");
    let mut feed = other.feed().expect("a store that is shared has a feed");
    assert_eq!(next(&mut own).await, StoreNotice::Up, "down until it says that it is up");
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    let notice = |subjects: &[&str]| StoreNotice::Changed(change("person", subjects).expect("a change"));
    outcome(&*one, observe(seen("person", 5))).await;
    assert_eq!(next(&mut feed).await, notice(&[]));
    outcome(&*one, link("alice", "person", 10)).await;
    assert_eq!(next(&mut feed).await, notice(&["alice"]));
    let revoked = Observation { status: IdentityStatus::Revoked, ..seen("person", 20) };
    deliver(&*one, pending("object", "token", 20), revoked, &Rules::default(), |_| {}).await;
    assert_eq!(next(&mut feed).await, notice(&["alice"]));
    outcome(&*one, unlink("alice", 25)).await;
    assert_eq!(next(&mut feed).await, notice(&["alice"]), "now, or until now");
    outcome(&*one, link("bob \"b\" \u{1f512}", "person", 30)).await;
    assert_eq!(next(&mut feed).await, notice(&["bob \"b\" \u{1f512}"]));
    outcome(&*one, forget("person", 40)).await;
    assert_eq!(next(&mut feed).await, notice(&["bob \"b\" \u{1f512}"]));
    outcome(&*one, request(Command::Return(callback("carol", "person", 50)), 50)).await;
    assert_eq!(next(&mut feed).await, notice(&["carol"]), "a pending link changes a standing too");
    outcome(&*other, observe(seen("person", 60))).await;
    assert_eq!(next(&mut own).await, notice(&["carol"]), "the other's first change: none of its own came before");

    // Too many to be named, or named: either way the other process gets a notice of it.
    let many: Vec<_> = (0..400).map(|n| format!("subject-with-a-rather-long-name-{n}")).collect();
    let rules = Rules { shared_identities: true, trust_userinfo_alone: true, ..Rules::default() };
    let rules = Arc::new(rules);
    for name in &many {
        outcome(&*one, ChangeRequest { rules: Arc::clone(&rules), ..link(name, "crowd", 60) }).await;
    }
    outcome(&*one, observe(Observation { status: IdentityStatus::Revoked, ..seen("crowd", 70) })).await;
    outcome(&*other, observe(seen("end", 80))).await;
    outcome(&*one, observe(seen("end", 90))).await;
    let mut notices = Vec::new();
    loop {
        match next(&mut feed).await {
            StoreNotice::Changed(change) if change.identity_id == identity_id("end") => break,
            notice => notices.push(notice),
        }
    }
    let all_of_them = match notices.last() {
        Some(StoreNotice::Gap) => true,
        Some(StoreNotice::Changed(change)) => change.subjects.len() == many.len(),
        _ => false,
    };
    assert!(all_of_them, "{:?}", notices.last());
}

/// One process closes its store; the other works on.
pub async fn the_end_of_one_leaves_the_other(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    accepted(&*one, pending("object", "token", 10)).await;
    one.close().await.expect("close");
    let closed = one.accept(pending("object", "token", 10)).await.expect_err("closed");
    assert_eq!(closed.kind(), StoreErrorKind::Unavailable);
    let event = claimed_one(&*other, 10).await;
    assert_eq!(other.settle(event.lease, done(11)).await.expect("settle"), Settled::Written(None));
}

/// Time is the same for both.
pub async fn two_agree_on_the_time(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let time = async |store: &Arc<dyn Store>| store.time().await.expect("time").expect("a shared store has a clock");
    let times = [time(&one).await, time(&other).await, time(&one).await];
    assert!(times.is_sorted(), "{times:?}");
    assert!(times[2].since(times[0]) < Duration::from_secs(10), "{times:?}");
}

async fn next(feed: &mut StoreFeed) -> StoreNotice {
    let notice = poll_fn(|cx| feed.as_mut().poll_next(cx));
    tokio::time::timeout(Duration::from_secs(30), notice).await.expect("a notice in time").expect("no end of the feed")
}
