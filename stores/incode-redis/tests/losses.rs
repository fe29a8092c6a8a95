//! Rows that are gone, settings that change, and a server that restarts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a panic is how it fails")]
#![allow(clippy::indexing_slicing, reason = "of lists whose length the test made")]
mod common;

use common::{Server, apply, at, cause, claim, event, identity, keep, link, next, observe, subject};
use incode_core::identity::transition::{Outcome, Rules, VerifiedHandler};
use incode_core::model::IdentityStatus;
use incode_core::store::{
    Accepted, Claim, EventFilter, EventId, IdentityStore, InboxStore, JobClaim, JobFilter, JobStore, LifeCycle, Prune,
    Settled, Settlement, StoreErrorKind, StoreNotice,
};

/// One script used to fail on the first row that was gone, and no event was worked on again.
#[tokio::test]
async fn pending_rows_that_were_deleted_are_dropped() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = server.open().await;
    let lost = keep(&store, event("lost", "lost", 1)).await;
    let kept = keep(&store, event("kept", "kept", 2)).await;
    server.admin(&format!("DEL {{incode}}:e:{}", lost.0)).await;
    let claimed = claim(&store, 10).await;
    assert_eq!(claimed.events.iter().map(|event| event.lease.event).collect::<Vec<_>>(), [kept]);
    assert_eq!(store.counts().await.unwrap().inbox.pending, 1, "the row that is gone is not counted");
    let listed = store.events(EventFilter::default()).await.unwrap();
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [kept]);
    // The keys of the row are gone with it: the vendor's next delivery of the same event is no duplicate.
    assert!(matches!(store.accept(event("lost", "lost", 3)).await.unwrap(), Accepted::New(_)));
    assert_eq!(store.accept(event("kept", "kept", 3)).await.unwrap(), Accepted::Duplicate);
}

/// When all that a claim finds is gone, the next due instant says that there is more to claim.
#[tokio::test]
async fn rows_behind_those_that_are_gone_are_due_at_once() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = server.open().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(keep(&store, event(&format!("object-{n}"), "token", n)).await);
    }
    for id in &ids[..4] {
        server.admin(&format!("UNLINK {{incode}}:e:{}", id.0)).await;
    }
    let wanted = Claim { now: at(10), lease_until: at(70), limit: 2, newest_first: false };
    let mut found = Vec::new();
    for _ in 0..3 {
        let claimed = store.claim(wanted).await.unwrap();
        found.extend(claimed.events.iter().map(|event| event.lease.event));
        assert!(claimed.next_due.is_some());
    }
    assert_eq!(found, ids[4..]);
}

#[tokio::test]
async fn settled_rows_and_jobs_that_were_deleted_hold_nothing_up() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = server.open().await;
    let id = keep(&store, event("object", "token", 1)).await;
    let lease = claim(&store, 2).await.events[0].lease;
    let mut rules = Rules::default();
    rules.handlers.on_event = vec!["mail".into()];
    rules.handlers.on_verified = vec![VerifiedHandler { name: "open".into(), needs_verification: false }];
    let mut request = apply(id, "object", "person", IdentityStatus::Active, 3);
    request.rules = rules.into();
    store.settle(lease, Settlement::Done { apply: Some(Box::new(request)), at: at(3) }).await.unwrap();
    server.admin("DEL {incode}:e:1 {incode}:x:1").await;
    let wanted = JobClaim { handler: "mail".into(), now: at(10), lease_until: at(70), limit: 10 };
    let claimed = store.claim_jobs(wanted).await.unwrap();
    assert!(claimed.jobs.is_empty() && claimed.next_due.is_none(), "{claimed:?}");
    assert_eq!(store.counts().await.unwrap().jobs.pending, 0);
    let all = JobFilter { state: None, handler: None, before: None, limit: 10 };
    assert!(store.jobs(all).await.unwrap().is_empty());
    assert!(store.events(EventFilter::default()).await.unwrap().is_empty());
    let past = Prune { now: at(100), settled_before: at(100), tokens_before: at(100), confirmed_before: at(100) };
    store.prune(past).await.unwrap();
    assert_eq!(store.counts().await.unwrap().inbox.done, 0);
}

/// A link whose index names a subject without a row, and an identity without a row.
#[tokio::test]
async fn identities_that_were_deleted_open_nothing() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = server.open().await;
    store.change(observe("person", IdentityStatus::Active, 1)).await.unwrap();
    assert_eq!(store.change(link("alice", "person", 2)).await.unwrap().outcome, Outcome::Linked);
    server.admin("DEL {incode}:i:person").await;
    assert!(store.subject(subject("alice")).await.unwrap().linked.is_none());
    assert!(store.identity(identity("person")).await.unwrap().is_none());
    server.admin("DEL {incode}:l:alice").await;
    let changed = store.change(observe("person", IdentityStatus::Active, 3)).await.unwrap();
    assert_eq!(changed.outcome, Outcome::Observed);
}

#[tokio::test]
async fn an_eviction_policy_that_is_changed_is_seen_while_running() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = server.open().await;
    store.time().await.unwrap();
    server.admin("CONFIG SET maxmemory-policy allkeys-lru").await;
    // Pruning looks at once; `time` by itself once a minute.
    let past = Prune { now: at(1), settled_before: at(1), tokens_before: at(1), confirmed_before: at(1) };
    store.prune(past).await.unwrap();
    let refused = store.time().await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Failed);
    assert!(cause(&refused).contains("maxmemory-policy is allkeys-lru"), "{}", cause(&refused));
    server.admin("CONFIG SET maxmemory-policy noeviction").await;
    store.time().await.unwrap();
}

/// The keys of all processes: one that starts later must use the same channel as those that run.
#[tokio::test]
async fn a_store_that_was_emptied_keeps_its_channel() {
    let Some(server) = Server::start(&[]).await else { return };
    let store = server.open().await;
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    server.admin("FLUSHALL").await;
    store.time().await.unwrap();
    let later = server.open().await;
    let changed = later.change(observe("person", IdentityStatus::Active, 1)).await.unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Changed(changed.change.unwrap()));
}

/// What was acknowledged is there after SIGKILL, and the first call after the restart is answered.
#[tokio::test]
async fn calls_work_at_once_after_a_restart() {
    let Some(mut server) = Server::start(&[]).await else { return };
    let store = server.open().await;
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    let id = keep(&store, event("object", "token", 1)).await;
    let lease = claim(&store, 2).await.events[0].lease;
    server.kill();
    assert_eq!(next(&mut feed).await, StoreNotice::Down);
    for _ in 0..3 {
        assert_eq!(store.time().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
    server.resume().await;
    let apply = Some(Box::new(apply(id, "object", "person", IdentityStatus::Active, 3)));
    let settled = store.settle(lease, Settlement::Done { apply, at: at(3) }).await.unwrap();
    assert!(matches!(settled, Settled::Written(Some(_))), "{settled:?}");
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    assert_eq!(store.counts().await.unwrap().inbox.done, 1);
    assert_eq!(store.accept(event("object", "token", 4)).await.unwrap(), Accepted::Duplicate);
    assert_ne!(keep(&store, event("another", "token", 5)).await, EventId(id.0));
}

/// A server that restarted while no call was under way: the connection is known to be lost, and no call pays for it.
#[tokio::test]
async fn a_restart_between_two_calls_is_not_noticed() {
    let Some(mut server) = Server::start(&[]).await else { return };
    let store = server.open().await;
    for seconds in 0..3 {
        server.kill();
        server.resume().await;
        keep(&store, event(&format!("object-{seconds}"), "token", seconds)).await;
    }
}
