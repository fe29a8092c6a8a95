use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::*;
use crate::identity::transition::{ApplyEvent, Command, Rules};
use crate::identity::{Cause, Change, ChangeListener, Check, NamedFlow, NotActive, Observation, Time};
use crate::inbox::AppliedEvent;
use crate::model::EventKind;
use crate::store::{EventId, JobFilter, JobState, MemoryStore, Settlement, Store};
use crate::testing::ManualClock;
use crate::testing::store_suite::{pending, seen};
use crate::{Clock, ObjectId, Subject};

struct Ignored;

impl ChangeListener for Ignored {
    fn changed(&self, _: &Change, _: Cause) {}
    fn changed_unknown(&self) {}
    fn jobs_enqueued(&self) {}
    fn withhold(&self, _: &Arc<NotActive>) {}
    fn written(&self, _: &Observation) {}
}

struct Setup {
    store: Arc<dyn Store>,
    directory: Directory,
    clock: ManualClock,
    stop: watch::Sender<bool>,
    runners: Vec<JoinHandle<()>>,
}

impl Setup {
    fn start(handlers: &Handlers, settings: JobSettings) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let clock = ManualClock::new(Timestamp::from_secs(1_000));
        let (stop, stopped) = watch::channel(false);
        let rules = Rules { handlers: handlers.names(), ..Rules::default() };
        let time = Time::Clock(Arc::new(clock.clone()));
        let directory = Directory::new(Arc::clone(&store), Arc::new(rules), time, Arc::new(Ignored));
        let runners = HandlerRunner::runners(handlers, &directory, settings, &stopped);
        let runners = runners.into_iter().map(|runner| tokio::spawn(runner.run())).collect();
        Self { store, directory, clock, stop, runners }
    }

    async fn apply(&self, handlers: &Handlers, object: &str) {
        let now = self.clock.now();
        self.store.accept(pending(object, "token", now.as_millis())).await.unwrap();
        let claim = Claim { now, lease_until: now.after(Duration::from_secs(9)), limit: 1, newest_first: false };
        let event = self.store.claim(claim).await.unwrap().events.pop().unwrap();
        let command = Command::ApplyEvent(ApplyEvent {
            event: event.lease.event,
            kind: event.kind.clone(),
            object_id: event.object_id.clone(),
            seen: seen("person", now.as_millis()),
            check: Check {
                passed: true,
                made_at: Some(now),
                received_at: now,
                authenticated: true,
                flow: NamedFlow::Unnamed,
            },
            link: None,
        });
        let apply = Some(Box::new(self.directory.request(command, now)));
        self.store.settle(event.lease, Settlement::Done { apply, at: now }).await.unwrap();
        handlers.notify();
    }

    async fn states(&self) -> HashMap<String, (JobState, u32, Option<JobFailure>)> {
        let filter = JobFilter { state: None, handler: None, before: None, limit: 100 };
        let rows = self.store.jobs(filter).await.unwrap();
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
    handlers.on_event("hangs", move |applied: AppliedEvent| {
        called.send(applied.attempt).unwrap();
        std::future::pending()
    });
    let settings = JobSettings { deadline: Duration::from_secs(3600), ..JobSettings::default() };
    let mut setup = Setup::start(&handlers, settings);
    setup.apply(&handlers, "object").await;
    assert_eq!(calls.recv().await, Some(1));
    setup.end().await;
    assert_eq!(setup.states().await["hangs"], (JobState::Pending, 0, None));
    let row =
        setup.store.jobs(JobFilter { state: None, handler: None, before: None, limit: 1 }).await.unwrap().remove(0);
    assert_eq!(row.due_at, Some(setup.clock.now()), "free for the next process at once");
}

#[tokio::test(start_paused = true)]
async fn what_finishes_while_draining_is_done() {
    let (called, mut calls) = mpsc::unbounded_channel();
    let mut handlers = Handlers::default();
    handlers.on_event("slow", move |_| {
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
async fn each_failure_has_its_name_and_stops_no_other_call() {
    let mut handlers = Handlers::default();
    handlers.on_event("fails", |_| async { Err("no".into()) });
    handlers.on_event("hangs", |_| std::future::pending());
    handlers.on_event("panics", |_| async { panic!("a handler that panics") });
    handlers.on_event("panics-early", |_| -> std::future::Ready<_> { panic!("before its first await") });
    handlers.on_event("works", |_| async { Ok(()) });
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
    handlers.on_event("counts", move |_| {
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
    while setup.store.counts().await.unwrap().jobs.pending > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(now.1.load(Ordering::SeqCst), 3);
    setup.end().await;
}

#[test]
fn the_key_is_of_handler_and_cause_alone() {
    let mut handlers = Handlers::default();
    handlers.on_event("mail", |_| async { Ok(()) });
    handlers.on_event("account", |_| async { Ok(()) });
    let all: Vec<_> = handlers.each().collect();
    let event = |event, kind, object: &str| JobCause::Event {
        event: EventId(event),
        kind,
        object_id: ObjectId::new(object).unwrap(),
    };
    let key = all[0].idempotency_key(&event(1, EventKind::Verification, "1"));
    assert_eq!(key, all[0].idempotency_key(&event(2, EventKind::Verification, "1")), "whichever event named it");
    let (subject, at) = (Subject::new("1").unwrap(), Timestamp::from_secs);
    let others = [
        all[1].idempotency_key(&event(1, EventKind::Verification, "1")),
        all[0].idempotency_key(&event(1, EventKind::Authentication, "1")),
        all[0].idempotency_key(&event(1, EventKind::Verification, "2")),
        all[0].idempotency_key(&JobCause::Verified { subject: subject.clone(), linked_at: at(1) }),
        all[0].idempotency_key(&JobCause::Verified { subject: subject.clone(), linked_at: at(2) }),
        all[0].idempotency_key(&JobCause::Revoked { subject, checked_at: at(1) }),
    ];
    for (n, other) in others.iter().enumerate() {
        assert_ne!(*other, key);
        assert!(!others[..n].contains(other));
        assert_eq!(other.len(), 32);
    }
}
