use std::sync::Arc;

use super::*;
use crate::store::{Counts, InboxCounts, JobCounts, SecretCheck};

/// Settled events go at their time, pending ones never; what went is no longer known.
pub async fn prune_removes_what_is_old(store: Arc<dyn Store>) {
    for object in ["done-old", "dead-old", "dead-new"] {
        accepted(&*store, pending(object, "token", 10)).await;
    }
    accepted(&*store, ignored("ignored-old", 10)).await;
    for (event, at) in claimed(&*store, 10, 900, 3).await.into_iter().zip([20, 20, 60]) {
        let settlement = if event.object_id.as_str().starts_with("done") { done(at) } else { dead(at) };
        store.settle(event.lease, settlement).await.expect("settle");
    }
    accepted(&*store, pending("pending-old", "token", 10)).await;

    assert_eq!(store.prune(prune(100, 10, 10)).await.expect("prune"), 0, "the bound itself stays");
    assert_eq!(store.prune(prune(100, 50, 61)).await.expect("prune"), 3);
    assert_eq!(store.prune(prune(100, 50, 61)).await.expect("prune"), 0, "harmless when repeated");
    let names: Vec<_> = listed(&*store, None).await.into_iter().filter_map(|row| row.object_id).collect();
    assert_eq!(names.iter().map(ObjectId::as_str).collect::<Vec<_>>(), ["pending-old", "dead-new"]);

    let newest = accepted(&*store, pending("done-old", "token", 101)).await;
    accepted(&*store, ignored("ignored-old", 101)).await;
    store.replay(all_dead(), actor("anna"), ms(1_000)).await.expect("replay");
    let revived = claimed(&*store, 1_000, 2_000, 10).await;
    let wiped = revived.iter().find(|event| event.object_id.as_str() == "dead-new").expect("replayed");
    assert_eq!(wiped.token, b"", "its token was too old to keep");

    let event = revived.into_iter().find(|event| event.lease.event == newest).expect("claimed");
    store.settle(event.lease, done(1_001)).await.expect("settle");
    assert_eq!(store.prune(prune(2_000, 2_000, 2_000)).await.expect("prune"), 2);
    assert!(accepted(&*store, pending("after", "token", 2_001)).await > newest, "an id is never used twice");
}

/// A used correlation id and a used token are remembered until they would have expired.
pub async fn prune_removes_used_correlation_ids_and_tokens(store: Arc<dyn Store>) {
    outcome(&*store, link_with("alice", "person", 0, 1)).await;
    let same_token = |at| {
        let mut request = link("bob", "another", at);
        request.command = Command::Return(Return { token: token(1, at), ..callback("bob", "another", at) });
        request
    };
    assert_eq!(store.prune(prune(1_000, 0, 0)).await.expect("prune"), 0);
    let used = outcome(&*store, link_with("bob", "another", 1, 1)).await;
    assert_eq!(used, Outcome::Refused(Refusal::NonceUsed));
    assert_eq!(outcome(&*store, same_token(1)).await, Outcome::Refused(Refusal::TokenUsed));
    assert_eq!(store.prune(prune(1_001, 0, 0)).await.expect("prune"), 0, "only events are counted");
    assert_eq!(outcome(&*store, same_token(2)).await, Outcome::Linked);
    assert_eq!(outcome(&*store, link_with("bob", "another", 3, 1)).await, Outcome::Linked);
}

/// Rows by state, whatever happened to them, and the age of the backlog.
pub async fn counts_follow_every_move(store: Arc<dyn Store>) {
    assert_eq!(store.counts().await.expect("counts"), Counts::default());
    store.time().await.expect("an empty store answers");
    for n in 0..4 {
        accepted(&*store, pending(&format!("object-{n}"), "token", 10 + n)).await;
    }
    accepted(&*store, ignored("object", 20)).await;
    let events = claimed(&*store, 12, 900, 3).await;
    let [first, second, third] = &events[..] else { panic!("three are due") };
    let owing = apply(applying(first, seen("person", 30)), &on_event(&["mail"]), 30);
    store.settle(first.lease, owing).await.expect("settle");
    store.settle(second.lease, dead(30)).await.expect("settle");
    let retry = Settlement::Retry { due_at: ms(5_000), reason: Reason::Malformed };
    store.settle(third.lease, retry).await.expect("settle");
    let inbox = InboxCounts { pending: 2, done: 1, dead: 1, ignored: 1, oldest_pending: Some(ms(12)) };
    let jobs = JobCounts { pending: 1, dead: 0, oldest_pending: Some(ms(30)) };
    assert_eq!(store.counts().await.expect("counts"), Counts { inbox, jobs });
    store.replay(all_dead(), actor("anna"), ms(40)).await.expect("replay");
    assert_eq!(store.prune(prune(50, 50, 50)).await.expect("prune"), 2);
    let inbox = InboxCounts { pending: 3, oldest_pending: Some(ms(11)), ..InboxCounts::default() };
    assert_eq!(store.counts().await.expect("counts"), Counts { inbox, jobs });
}

/// The first check value of a name is kept: the same is recognised, another is reported and replaces nothing.
pub async fn a_secret_is_compared_with_the_first(store: Arc<dyn Store>) {
    let check = async |name, byte| store.check_secret(name, [byte; 16]).await.expect("check");
    assert_eq!(check("store key", 0xC3).await, SecretCheck::New);
    assert_eq!(check("store key", 0xC3).await, SecretCheck::Same);
    assert_eq!(check("store key", 0xFF).await, SecretCheck::Other);
    assert_eq!(check("flow secret", 0x00).await, SecretCheck::New, "each name has its own");
    assert_eq!(check("store key", 0xC3).await, SecretCheck::Same, "the kept one stays");
    store.prune(prune(4_000_000_000_000, 4_000_000_000_000, 4_000_000_000_000)).await.expect("prune");
    assert_eq!(check("flow secret", 0x00).await, SecretCheck::Same, "it is never pruned");
}

/// A rotation: the kept check value is replaced by who knows it, and by no other. What was replaced is not known any more.
pub async fn a_secret_is_replaced_by_who_knows_it(store: Arc<dyn Store>) {
    let check = async |name, byte| store.check_secret(name, [byte; 16]).await.expect("check");
    let replace = async |name, kept, by| store.replace_secret(name, [kept; 16], [by; 16]).await.expect("replace");
    assert!(!replace("store key", 0xA1, 0xB2).await, "there is none");
    assert_eq!(check("store key", 0xA1).await, SecretCheck::New, "and none was written");
    assert_eq!(check("flow secret", 0xA1).await, SecretCheck::New);
    assert!(!replace("store key", 0xB2, 0xC3).await, "another is kept");
    assert!(replace("store key", 0xA1, 0xB2).await);
    assert!(!replace("store key", 0xA1, 0xC3).await, "it was replaced before");
    assert_eq!(check("store key", 0xB2).await, SecretCheck::Same);
    assert_eq!(check("store key", 0xA1).await, SecretCheck::Other, "a process with the old secret is refused");
    assert_eq!(check("flow secret", 0xA1).await, SecretCheck::Same, "of another name");
}

/// After `close` every call says so, and closing again does no harm.
pub async fn a_closed_store_is_unavailable(store: Arc<dyn Store>) {
    accepted(&*store, pending("object", "token", 10)).await;
    store.close().await.expect("close");
    store.close().await.expect("close again");
    let accept = store.accept(pending("object", "token", 10)).await.expect_err("closed");
    let claim = store.claim(claim(1, 2, 1)).await.expect_err("closed");
    let change = store.change(observe(seen("person", 1))).await.expect_err("closed");
    let subject = store.subject(subject("alice")).await.expect_err("closed");
    let time = store.time().await.expect_err("closed");
    for error in [accept, claim, change, subject, time] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
}
