use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::*;
use crate::store::{JobFilter, JobState, MemoryStore, Settlement};
use crate::testing::ManualClock;
use crate::testing::store_suite::{pending, seen};

struct Setup {
    store: Arc<dyn Store>,
    clock: ManualClock,
    stop: watch::Sender<bool>,
    runners: Vec<JoinHandle<()>>,
}

impl Setup {
    fn start(handlers: &Handlers, settings: JobSettings) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let clock = ManualClock::new(Timestamp::from_secs(1_000));
        let (stop, stopped) = watch::channel(false);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let runners = Effects::runners(handlers, &store, &shared, settings, &stopped);
        let runners = runners.into_iter().map(|runner| tokio::spawn(runner.run())).collect();
        Self { store, clock, stop, runners }
    }

    async fn apply(&self, handlers: &Handlers, object: &str) {
        let now = self.clock.now();
        self.store.accept(pending(object, "token", now.as_millis())).await.unwrap();
        let claim = Claim { now, lease_until: now.after(Duration::from_secs(9)), limit: 1, newest_first: false };
        let event = self.store.claim(claim).await.unwrap().pop().unwrap();
        let (seen, names) = (Some(seen("person", now.as_millis())), handlers.names());
        let done = Settlement::Done { seen, link: None, handlers: names, at: now };
        self.store.settle(event.lease, done).await.unwrap();
        handlers.notify();
    }

    async fn states(&self) -> HashMap<String, (JobState, u32, Option<JobFailure>)> {
        let filter = JobFilter { state: None, handler: None, before: None, limit: 100 };
        let rows = self.store.effects().list_jobs(filter).await.unwrap();
        rows.into_iter().map(|row| (row.handler.to_string(), (row.state, row.attempts, row.failure))).collect()
    }

    async fn end(&mut self) {
        self.stop.send_replace(true);
        for runner in self.runners.drain(..) {
            runner.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_hangs_at_shutdown_is_given_back_uncounted() {
    let (called, mut calls) = mpsc::unbounded_channel();
    let mut handlers = Handlers::default();
    handlers.add("hangs", move |applied: AppliedEvent| {
        called.send(applied.attempt).unwrap();
        std::future::pending()
    });
    let settings = JobSettings { deadline: Duration::from_secs(3600), ..JobSettings::default() };
    let mut setup = Setup::start(&handlers, settings);
    setup.apply(&handlers, "object").await;
    assert_eq!(calls.recv().await, Some(1));
    setup.end().await;
    assert_eq!(setup.states().await["hangs"], (JobState::Pending, 0, None));
    let next = setup.store.effects().next_job_due("hangs".into()).await.unwrap();
    assert_eq!(next, Some(setup.clock.now()), "free for the next process at once");
}

#[tokio::test(start_paused = true)]
async fn what_finishes_while_draining_is_done() {
    let (called, mut calls) = mpsc::unbounded_channel();
    let mut handlers = Handlers::default();
    handlers.add("slow", move |_| {
        called.send(()).unwrap();
        async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(())
        }
    });
    let mut setup = Setup::start(&handlers, JobSettings::default());
    setup.apply(&handlers, "object").await;
    calls.recv().await;
    setup.end().await;
    assert_eq!(setup.states().await["slow"], (JobState::Done, 1, None));
}

#[tokio::test(start_paused = true)]
async fn each_failure_has_its_name_and_hinders_nobody() {
    let mut handlers = Handlers::default();
    handlers.add("fails", |_| async { Err("no".into()) });
    handlers.add("hangs", |_| std::future::pending());
    handlers.add("panics", |_| async { panic!("a handler that panics") });
    handlers.add("panics-early", |_| -> std::future::Ready<_> { panic!("before its first await") });
    handlers.add("works", |_| async { Ok(()) });
    let mut setup = Setup::start(&handlers, JobSettings { waits: Vec::new(), ..JobSettings::default() });
    for object in ["one", "two"] {
        setup.apply(&handlers, object).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let states = setup.states().await;
    for (name, failure) in [
        ("fails", JobFailure::Failed),
        ("hangs", JobFailure::TimedOut),
        ("panics", JobFailure::Panicked),
        ("panics-early", JobFailure::Panicked),
    ] {
        assert_eq!(states[name], (JobState::Dead, 1, Some(failure)), "{name}");
    }
    assert_eq!(states["works"], (JobState::Done, 1, None));
    setup.end().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_at_once_than_allowed() {
    let now = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let mut handlers = Handlers::default();
    let counters = Arc::clone(&now);
    handlers.add("counts", move |_| {
        let counters = Arc::clone(&counters);
        async move {
            let running = counters.0.fetch_add(1, Ordering::SeqCst) + 1;
            counters.1.fetch_max(running, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            counters.0.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let mut setup = Setup::start(&handlers, JobSettings { concurrency: 3, ..JobSettings::default() });
    for n in 0..20 {
        setup.apply(&handlers, &format!("object-{n}")).await;
    }
    while setup.store.effects().job_counts().await.unwrap().pending > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(now.1.load(Ordering::SeqCst), 3);
    setup.end().await;
}

#[test]
fn the_key_is_of_handler_kind_and_object_alone() {
    let mut handlers = Handlers::default();
    handlers.add("mail", |_| async { Ok(()) });
    handlers.add("account", |_| async { Ok(()) });
    let all: Vec<_> = handlers.each().collect();
    let object = |id: &str| ObjectId::new(id).unwrap();
    let key = all[0].idempotency_key(&EventKind::Verification, &object("1"));
    assert_eq!(key, "5498703e9ed682af3ba312beea07bcec", "the same in every version");
    for other in [
        all[1].idempotency_key(&EventKind::Verification, &object("1")),
        all[0].idempotency_key(&EventKind::Authentication, &object("1")),
        all[0].idempotency_key(&EventKind::Verification, &object("2")),
    ] {
        assert_ne!(other, key);
        assert_eq!(other.len(), 32);
    }
}
