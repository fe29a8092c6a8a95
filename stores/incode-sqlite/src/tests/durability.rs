use incode_core::Actor;
use incode_core::identity::Link;
use incode_core::identity::transition::{Outcome, Refusal};
use incode_core::store::{
    ClaimedJob, DeadFilter, EventFilter, IdentityStore, JobClaim, JobFailure, JobSettlement, JobStore, Prune, Replay,
    ReplayJobs, SecretCheck, Settled,
};

use super::*;

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
    let applied = apply(&events[0], seen("person", 20), Some(link("alice", Some(1))), &[]);
    store.settle(events[0].lease, done_with(applied, 21)).await.unwrap();
    store.settle(events[2].lease, dead(21)).await.unwrap();
    let forget = Command::Forget { identity: identity_id("stranger"), by: Actor::unknown() };
    store.change(ChangeRequest { command: forget, rules: Arc::default(), now: ms(500) }).await.unwrap();
    assert_eq!(store.check_secret("webhook", [7; 16]).await.unwrap(), SecretCheck::New);
    let counts = store.counts().await.unwrap();
    store.close().await.unwrap();

    let store = open(&path).await;
    assert_eq!(store.counts().await.unwrap(), counts);
    assert_eq!(store.check_secret("webhook", [7; 16]).await.unwrap(), SecretCheck::Same);
    assert_eq!(store.check_secret("webhook", [8; 16]).await.unwrap(), SecretCheck::Other);
    assert_eq!(store.check_secret("flow", [8; 16]).await.unwrap(), SecretCheck::New);
    assert_eq!(accept(&store, pending("applied", "other", 30)).await, Accepted::Duplicate);
    assert_eq!(accept(&store, pending("leased", "token", 30)).await, Accepted::Duplicate);
    assert_eq!(accept(&store, ignored("odd", 30)).await, Accepted::Duplicate);
    assert!(matches!(accept(&store, pending("lost", "token", 2_000)).await, Accepted::New(_)));
    let again = claim(&store, 30, 10).await;
    assert_eq!(again[0].lease.event, events[1].lease.event, "a lease ends with its process, not with its time");
    assert_eq!(store.settle(events[1].lease, done(40)).await.unwrap(), Settled::LeaseLost);
    assert_eq!(store.settle(again[0].lease, done(40)).await.unwrap(), Settled::Written(None));
    let linked = store.subject(subject("alice")).await.unwrap().linked.unwrap();
    let mut made = Link::new(subject("alice"), identity_id("person"), LinkProof::Webhook, ms(20));
    (made.active_since, made.verified_since) = (Some(ms(20)), Some(ms(20)));
    assert_eq!(linked.link, made);
    let observed = |identity, at| {
        store.change(ChangeRequest {
            command: Command::Observe(seen(identity, at)),
            rules: Arc::default(),
            now: ms(at),
        })
    };
    assert_eq!(observed("stranger", 400).await.unwrap().outcome, Outcome::Dropped, "the tombstone stands");
    assert_eq!(store.identity(identity_id("stranger")).await.unwrap(), None);
    // The nonce of alice's link is used up.
    accept(&store, pending("second", "token", 40)).await;
    let second = claim(&store, 40, 10).await.pop().unwrap();
    let request = apply(&second, seen("x", 41), Some(link("bob", Some(1))), &[]);
    let Settled::Written(Some((outcome, _))) = store.settle(second.lease, done_with(request, 42)).await.unwrap() else {
        panic!("the lease is held")
    };
    assert_ne!(outcome, Outcome::Linked);
    assert_ne!(outcome, Outcome::Refused(Refusal::Forgotten));
    assert!(store.subject(subject("bob")).await.unwrap().linked.is_none());
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
    store.settle(replayed.lease, dead(20)).await.unwrap();
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

/// The same for jobs: a call that was cut off counts, and is made again at once.
#[tokio::test]
async fn only_leases_of_jobs_end_at_opening() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path).await;
    for object in ["held", "retried", "released", "lapsed", "replayed"] {
        accept(&store, pending(object, "token", 10)).await;
    }
    for event in claim(&store, 10, 5).await {
        let request = apply(&event, seen("person", 20), None, &["mail"]);
        store.settle(event.lease, done_with(request, 20)).await.unwrap();
    }
    let settle = async |lease, settlement| assert!(store.settle_job(lease, settlement).await.unwrap());
    let [held, retried, released, _, replayed] = claim_jobs(&store, 20).await.try_into().unwrap();
    settle(retried.lease, JobSettlement::Retry { due_at: ms(5_000), failure: JobFailure::Failed }).await;
    settle(released.lease, JobSettlement::Release { due_at: ms(5_000) }).await;
    settle(replayed.lease, JobSettlement::Dead { failure: JobFailure::Failed, at: ms(30) }).await;
    store.replay_jobs(ReplayJobs::Dead(None), Actor::unknown(), ms(5_000)).await.unwrap();
    // The second lease of these two: their first ended by itself.
    let again = claim_jobs(&store, 2_000).await;
    assert_eq!(objects(&again), ["held", "lapsed"]);
    store.close().await.unwrap();

    let store = open(&path).await;
    let again = claim_jobs(&store, 2_001).await;
    assert_eq!(objects(&again), ["held", "lapsed"], "at once; the others wait for their time");
    assert_eq!(again[0].attempts, 3);
    assert!(!store.settle_job(held.lease, JobSettlement::Done { at: ms(2_001) }).await.unwrap());
    assert_eq!(objects(&claim_jobs(&store, 5_000).await), ["held", "lapsed", "retried", "released", "replayed"]);
}

async fn claim_jobs(store: &SqliteStore, now: i64) -> Vec<ClaimedJob> {
    let claim = JobClaim { handler: "mail".into(), now: ms(now), lease_until: ms(now + 1_000), limit: 10 };
    store.claim_jobs(claim).await.unwrap().jobs
}

fn objects(jobs: &[ClaimedJob]) -> Vec<String> {
    use incode_core::identity::transition::JobCause;
    let object = |job: &ClaimedJob| match &job.cause {
        JobCause::Event { object_id, .. } => object_id.as_str().to_owned(),
        other => panic!("{other:?}"),
    };
    jobs.iter().map(object).collect()
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
    let all = Prune { now: ms(100), settled_before: ms(100), tokens_before: ms(100), confirmed_before: ms(100) };
    assert_eq!(store.prune(all).await.unwrap(), 3);
    store.close().await.unwrap();
    let store = open(&path).await;
    assert_eq!(accept(&store, pending("next", "token", 1)).await, Accepted::New(EventId(4)));
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
    let inbox = survivor.counts().await.unwrap().inbox;
    assert_eq!((inbox.pending, inbox.done), (400, 100));
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
    assert_eq!(store.counts().await.unwrap().inbox.pending, 100_000);
    let lot = claim(&store, 10, 1_000).await;
    assert_eq!(lot.len(), 1_000, "no more than asked for is ever in memory");
    futures_util::future::join_all(lot.iter().map(|event| store.settle(event.lease, done(20)))).await;
    assert!(matches!(accept(&store, pending("newcomer", "token", 5)).await, Accepted::New(_)));
    let first = claim(&store, 10, 1).await.pop().unwrap();
    assert_eq!(first.object_id.as_str(), "newcomer", "due before the backlog");
    // Long work goes in lots: more of them than one transaction may take.
    let ids: Vec<_> = claim(&store, 10, 12_000).await;
    let settled = ids.iter().map(|event| store.settle(event.lease, dead(30)));
    for event in futures_util::future::join_all(settled).await {
        event.unwrap();
    }
    assert_eq!(store.replay(Replay::Dead(DeadFilter::default()), Actor::unknown(), ms(40)).await.unwrap(), 12_000);
    let audits = incode_core::store::AuditStore::audits(&store, 10, None).await.unwrap();
    assert_eq!(audits.iter().map(|audit| audit.count).collect::<Vec<_>>(), [12_000], "one entry for all its lots");
    let dead = EventFilter { state: Some(EventState::Dead), ..EventFilter::default() };
    assert!(store.events(dead).await.unwrap().is_empty());
}

/// A killed process shows nothing of it: what the system was given survives that.
#[tokio::test]
async fn a_commit_waits_for_the_disk() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    crate::file::create(&path).unwrap();
    let conn = crate::file::open_writer(&path, false).unwrap();
    let asked = |pragma| conn.query_row(pragma, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(asked("PRAGMA synchronous"), 2, "FULL");
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}
