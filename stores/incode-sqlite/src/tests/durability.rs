use super::*;
use crate::Actor;
use crate::store::{
    ClaimedJob, DeadFilter, EventFilter, EventState, JobClaim, JobFailure, JobSettlement, Linked, Prune, Reason,
    Replay, ReplayJobs, Settled,
};
use crate::testing::store_suite::{ignored, new_link, seen};
use crate::{IdentityId, Subject};

#[tokio::test]
async fn everything_survives_reopening() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).await;
    for object in ["applied", "leased", "lost"] {
        accept(&store, pending(object, "token", 10)).await;
    }
    accept(&store, ignored("odd", 10)).await;
    let events = claim(&store, 10, 3).await;
    let link = Box::new(new_link("alice", "person", 20, Some(1)));
    let applied =
        Settlement::Done { seen: Some(seen("person", 20)), link: Some(link), handlers: Vec::new(), at: ms(21) };
    store.settle(events[0].lease, applied).await.unwrap();
    let lost = Settlement::Dead { reason: Reason::NotFound, wipe_token: false, at: ms(21) };
    store.settle(events[2].lease, lost).await.unwrap();
    store.forget(IdentityId::new("stranger").unwrap(), Actor::unknown(), ms(500)).await.unwrap();
    let counts = store.counts().await.unwrap();
    store.close().await.unwrap();

    let store = open(&path).await;
    assert_eq!(store.counts().await.unwrap(), counts);
    assert_eq!(accept(&store, pending("applied", "other", 30)).await, Accepted::Duplicate);
    assert_eq!(accept(&store, pending("leased", "token", 30)).await, Accepted::Duplicate);
    assert_eq!(accept(&store, ignored("odd", 30)).await, Accepted::Duplicate);
    assert!(matches!(accept(&store, pending("lost", "token", 2_000)).await, Accepted::New(_)));
    let again = claim(&store, 30, 10).await;
    assert_eq!(again[0].lease.event, events[1].lease.event, "a lease ends with its process, not with its time");
    assert_eq!(store.settle(events[1].lease, done(40)).await.unwrap(), Settled::LeaseLost);
    assert_eq!(store.settle(again[0].lease, done(40)).await.unwrap(), Settled::Written(None));
    let linked = store.linked(Subject::new("alice").unwrap()).await.unwrap().unwrap();
    assert_eq!(linked.link, new_link("alice", "person", 20, None).link);
    assert_eq!(store.link(new_link("bob", "x", 30, Some(1))).await.unwrap(), Linked::AlreadySpent);
    store.observe(seen("stranger", 400)).await.unwrap();
    assert_eq!(store.identity(IdentityId::new("stranger").unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn only_leases_end_at_opening() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).await;
    for object in ["retried", "released", "lapsed", "replayed"] {
        accept(&store, pending(object, "token", 10)).await;
    }
    let [retried, released, _, replayed] = claim(&store, 10, 4).await.try_into().unwrap();
    let retry = Settlement::Retry { due_at: ms(5_000), reason: Reason::RateLimited };
    store.settle(retried.lease, retry).await.unwrap();
    store.settle(released.lease, Settlement::Release { due_at: ms(5_000), reason: None }).await.unwrap();
    let dead = Settlement::Dead { reason: Reason::NotFound, wipe_token: false, at: ms(20) };
    store.settle(replayed.lease, dead).await.unwrap();
    store.replay(Replay::Dead(DeadFilter::default()), Actor::unknown(), ms(5_000)).await.unwrap();
    // The second lease of this one: its first ended by itself.
    let lapsed = claim(&store, 2_000, 4).await;
    assert_eq!(lapsed.len(), 1);
    store.close().await.unwrap();

    let store = open(&path).await;
    let due = claim(&store, 30, 10).await;
    assert_eq!(due.iter().map(|event| event.object_id.as_str()).collect::<Vec<_>>(), ["lapsed"]);
    assert_eq!(claim(&store, 5_000, 10).await.len(), 4, "the others at their time, and this one's third lease is over");
}

/// The same for what is owed to handlers: a call that was cut off counts, and is made again at once.
#[tokio::test]
async fn only_leases_of_effects_end_at_opening() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).await;
    for object in ["held", "retried", "released", "lapsed", "replayed"] {
        accept(&store, pending(object, "token", 10)).await;
    }
    for event in claim(&store, 10, 5).await {
        let owing =
            Settlement::Done { seen: Some(seen("person", 15)), link: None, handlers: vec!["mail".into()], at: ms(20) };
        store.settle(event.lease, owing).await.unwrap();
    }
    let settle = async |lease, settlement| {
        assert_eq!(store.effects().settle_job(lease, settlement).await.unwrap(), Settled::Written(None));
    };
    let [held, retried, released, _, replayed] = claim_jobs(&store, 20).await.try_into().unwrap();
    settle(retried.lease, JobSettlement::Retry { due_at: ms(5_000), failure: JobFailure::Failed }).await;
    settle(released.lease, JobSettlement::Release { due_at: ms(5_000) }).await;
    settle(replayed.lease, JobSettlement::Dead { failure: JobFailure::Failed, at: ms(30) }).await;
    store.effects().replay_jobs(ReplayJobs::Dead(None), ms(5_000)).await.unwrap();
    // The second lease of these two: their first ended by itself.
    let again = claim_jobs(&store, 2_000).await;
    assert_eq!(objects(&again), ["held", "lapsed"]);
    store.close().await.unwrap();

    let store = open(&path).await;
    let again = claim_jobs(&store, 2_001).await;
    assert_eq!(objects(&again), ["held", "lapsed"], "at once; the others wait for their time");
    assert_eq!(again[0].attempts, 3);
    let late = store.effects().settle_job(held.lease, JobSettlement::Done { at: ms(2_001) }).await.unwrap();
    assert_eq!(late, Settled::LeaseLost);
    assert_eq!(objects(&claim_jobs(&store, 5_000).await), ["held", "lapsed", "retried", "released", "replayed"]);
}

async fn claim_jobs(store: &SqliteStore, now: i64) -> Vec<ClaimedJob> {
    let claim = JobClaim { handler: "mail".into(), now: ms(now), lease_until: ms(now + 1_000), limit: 10 };
    store.effects().claim_jobs(claim).await.unwrap()
}

fn objects(effects: &[ClaimedJob]) -> Vec<&str> {
    effects.iter().map(|effect| effect.object_id.as_str()).collect()
}

#[tokio::test]
async fn ids_go_on_after_the_last_row_was_pruned() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).await;
    accept_many(&store, 0..3).await;
    for event in claim(&store, 10, 3).await {
        store.settle(event.lease, done(20)).await.unwrap();
    }
    let all = Prune { now: ms(100), settled_before: ms(100), tokens_before: ms(100) };
    assert_eq!(store.prune(all).await.unwrap(), 3);
    store.close().await.unwrap();
    let store = open(&path).await;
    let Accepted::New(id) = accept(&store, pending("next", "token", 1)).await else { panic!("a duplicate of nothing") };
    assert_eq!(id.0, 4);
}

#[tokio::test]
async fn a_crash_loses_nothing_that_was_acknowledged() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).await;
    accept_many(&store, 0..500).await;
    for event in claim(&store, 10, 100).await {
        store.settle(event.lease, done(20)).await.unwrap();
    }
    // What a crash leaves: the file and its log as they are on disk, nothing closed or copied over.
    let _quiet = hold_writer(&store).await;
    let copy = directory.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(directory.path().join("store.db-wal"), directory.path().join("copy.db-wal")).unwrap();

    let survivor = open(&copy).await;
    let counts = survivor.counts().await.unwrap();
    assert_eq!((counts.pending, counts.done), (400, 100));
    for n in 0..500 {
        let again = accept(&survivor, pending(&format!("object-{n}"), "token", 30)).await;
        assert_eq!(again, Accepted::Duplicate, "object-{n}");
    }
}

#[tokio::test]
async fn wiped_tokens_are_gone_from_the_files() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).await;
    let canary = "canary".repeat(400);
    accept(&store, pending("object", &canary, 10)).await;
    accept(&store, pending("kept", "kept-canary", 10)).await;
    for event in claim(&store, 10, 1).await {
        assert_eq!(event.token, canary.as_bytes());
        store.settle(event.lease, done(20)).await.unwrap();
    }
    store.close().await.unwrap();
    let mut kept = false;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"canarycanary"));
        assert!(!bytes.windows(21).any(|window| window == b"correlation of object"));
        kept |= bytes.windows(11).any(|window| window == b"kept-canary");
    }
    assert!(kept, "the search finds what is there");
}

#[tokio::test]
async fn an_idle_store_empties_its_log_even_while_it_is_polled() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory.path().join("store.db")).await;
    accept(&store, pending("object", "token", 10_000)).await;
    let log = directory.path().join("store.db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
    for _ in 0..200 {
        assert!(claim(&store, 10, 10).await.is_empty());
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        if std::fs::metadata(&log).unwrap().len() == 0 {
            return;
        }
    }
    panic!("the log was never emptied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_of_100_000_opens_and_drains() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).await;
    accept_many(&store, 0..100_000).await;
    store.close().await.unwrap();
    let store = open(&path).await;
    assert_eq!(store.counts().await.unwrap().pending, 100_000);
    let lot = claim(&store, 10, 1_000).await;
    assert_eq!(lot.len(), 1_000, "no more than asked for is ever in memory");
    futures_util::future::join_all(lot.iter().map(|event| store.settle(event.lease, done(20)))).await;
    assert!(matches!(accept(&store, pending("newcomer", "token", 5)).await, Accepted::New(_)));
    let first = claim(&store, 10, 1).await.pop().unwrap();
    assert_eq!(first.object_id.as_str(), "newcomer", "due before the backlog");
    // Long work goes in lots: more of them than one transaction may take.
    let ids: Vec<_> = claim(&store, 10, 12_000).await;
    for event in futures_util::future::join_all(ids.iter().map(|event| {
        let dead = Settlement::Dead { reason: Reason::NotFound, wipe_token: false, at: ms(30) };
        store.settle(event.lease, dead)
    }))
    .await
    {
        event.unwrap();
    }
    assert_eq!(store.replay(Replay::Dead(DeadFilter::default()), Actor::unknown(), ms(40)).await.unwrap(), 12_000);
    let audits = store.audits(10, None).await.unwrap();
    assert_eq!(audits.iter().map(|audit| audit.count).collect::<Vec<_>>(), [12_000], "one entry for all its lots");
    let dead = EventFilter { state: Some(EventState::Dead), ..EventFilter::default() };
    assert!(store.events(dead).await.unwrap().is_empty());
}

/// A killed process shows nothing of it: what the system was given survives that.
#[tokio::test]
async fn a_commit_waits_for_the_disk() {
    let directory = TempDir::new().unwrap();
    let conn = crate::store::sqlite::file::open_writer(&directory.path().join("store.db")).unwrap();
    let asked = |pragma| conn.query_row(pragma, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(asked("PRAGMA synchronous"), 2, "FULL");
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}
