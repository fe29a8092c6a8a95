use std::sync::Arc;

use super::*;
use crate::identity::{Field, RetainedField};
use crate::store::Settled;

/// However late the vendor was asked about it: pending at that moment, under lease, or dead and replayed. It is done, owes nothing
/// and links nobody; once its identity is known again, it is news of it like any other, and still links nobody.
pub async fn what_was_received_before_forgetting_brings_nobody_back(store: Arc<dyn Store>) {
    store.link(new_link("alice", "person", 5, None)).await.expect("link");
    accepted(&*store, pending("dead", "token", 10)).await;
    let event = claimed_one(&*store, 10).await;
    store.settle(event.lease, dead(11)).await.expect("settle");
    accepted(&*store, pending("under-way", "token", 20)).await;
    let under_way = claimed(&*store, 20, 1_000, 1).await.pop().expect("due");
    accepted(&*store, pending("pending", "token", 30)).await;
    accepted(&*store, pending("late", "token", 40)).await;
    accepted(&*store, pending("same-moment", "token", 50)).await;
    store.forget(identity_id("person"), actor("anna"), ms(50)).await.expect("forget");
    store.replay(all_dead(), actor("anna"), ms(60)).await.expect("replay");

    let asked_at = |at: i64| old_news(seen("person", at), at);
    let mut waiting = claimed(&*store, 60, 1_000, 10).await;
    assert_eq!(waiting.len(), 4, "nobody took them away");
    let late = waiting.iter().position(|event| event.object_id.as_str() == "late").expect("is due");
    let late = waiting.swap_remove(late);
    store.settle(late.lease, Settlement::Retry { due_at: ms(80), reason: Reason::RateLimited }).await.expect("settle");
    for event in waiting.iter().chain([&under_way]) {
        let settled = store.settle(event.lease, asked_at(61)).await.expect("settle");
        assert_eq!(settled, Settled::Written(None), "{}", event.object_id.as_str());
    }
    assert_eq!(store.identity(identity_id("person")).await.expect("identity"), None);
    assert_eq!(store.linked(subject("alice")).await.expect("linked"), None);
    assert!(store.fields(identity_id("person"), ms(62)).await.expect("fields").is_empty());
    assert_eq!(store.counts().await.expect("counts").done, 4, "the events are done all the same");
    assert_eq!(store.effects().job_counts().await.expect("effect counts").pending, 0);
    assert!(is_duplicate(&*store, pending("pending", "token", 63)).await, "and stay known");

    store.observe(seen("person", 70)).await.expect("observe");
    let revoked = Observation { status: IdentityStatus::Revoked, ..seen("person", 81) };
    let event = claimed_one(&*store, 80).await;
    let settled = store.settle(event.lease, old_news(revoked, 81)).await.expect("settle");
    assert_eq!(settled, Settled::Written(Some(change("person", &[]))), "the person came back since");
    let known = store.identity(identity_id("person")).await.expect("identity").expect("known");
    assert_eq!((known.status, known.checked_at), (IdentityStatus::Revoked, ms(81)));
    assert_eq!(store.effects().job_counts().await.expect("effect counts").pending, 1);
    assert_eq!(store.linked(subject("alice")).await.expect("linked"), None, "what it proved was forgotten");
}

/// The person came again: known anew, with link, fields and effects.
pub async fn what_was_received_after_forgetting_may(store: Arc<dyn Store>) {
    store.link(new_link("alice", "person", 5, None)).await.expect("link");
    store.forget(identity_id("person"), actor("anna"), ms(50)).await.expect("forget");
    accepted(&*store, pending("again", "token", 51)).await;
    let event = claimed_one(&*store, 51).await;
    let settled = store.settle(event.lease, old_news(seen("person", 52), 52)).await.expect("settle");
    assert_eq!(settled, Settled::Written(Some(change("person", &["alice"]))));
    let linked = store.linked(subject("alice")).await.expect("linked").expect("linked");
    assert_eq!(linked.identity.checked_at, ms(52));
    assert_eq!(store.fields(identity_id("person"), ms(53)).await.expect("fields").len(), 1);
    assert_eq!(store.effects().job_counts().await.expect("effect counts").pending, 1);
}

/// An event that seems to be received long after the vendor was asked about it: nobody can tell whether it came before.
pub async fn where_a_clock_was_set_back_the_tombstone_stands(store: Arc<dyn Store>) {
    const HOUR: i64 = 60 * 60 * 1_000;
    accepted(&*store, pending("by-the-clock-ahead", "token", HOUR)).await;
    accepted(&*store, pending("a-moment-ahead", "token", 2_000)).await;
    store.forget(identity_id("person"), actor("anna"), ms(50)).await.expect("forget");
    store.forget(identity_id("another"), actor("anna"), ms(50)).await.expect("forget");
    let [a_moment, an_hour] = &claimed(&*store, HOUR, 2 * HOUR, 2).await[..] else { panic!("two are due") };
    let settled = store.settle(an_hour.lease, old_news(seen("person", 60), 61)).await.expect("settle");
    assert_eq!(settled, Settled::Written(None));
    assert_eq!(store.identity(identity_id("person")).await.expect("identity"), None);
    // Clocks are put right by little all the time.
    let settled = store.settle(a_moment.lease, old_news(seen("another", 60), 61)).await.expect("settle");
    assert!(matches!(settled, Settled::Written(Some(_))));
}

/// The settlement of an event that the vendor was asked about at the observation's instant, whenever it was received.
fn old_news(mut seen: Observation, at: i64) -> Settlement {
    seen.fields = vec![RetainedField { field: Field::Email, sealed: b"sealed".to_vec(), expires_at: ms(at + 1_000) }];
    let mut link = new_link("alice", seen.identity_id.as_str(), at, None);
    link.seen = seen.clone();
    Settlement::Done { seen: Some(seen), link: Some(Box::new(link)), handlers: vec!["welcome".into()], at: ms(at) }
}
