//! A vendor that sends, remembers what was acknowledged, and sends again what was not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use incode_core::Builder;
use incode_core::testing::ManualClock;
use incode_sandbox::NewPerson;
use incode_tests::{Adapter, Plan, World, event};
use serde_json::Value;
use tokio::task::JoinSet;

/// A world whose store may come and go.
pub(crate) struct Load {
    world: World,
    made: AtomicU64,
    refused: AtomicU64,
    stop: AtomicBool,
    /// Sent, not acknowledged, to be sent again: object and delivery.
    unsettled: Mutex<Vec<(String, Value)>>,
    acknowledged: Mutex<Vec<String>>,
}

impl Load {
    pub(crate) async fn start(store: impl FnOnce(Builder) -> Builder + Send + 'static) -> Arc<Self> {
        let world = Plan::new(Adapter::Axum).incode(store).start().await;
        Arc::new(Self {
            world,
            made: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            unsettled: Mutex::default(),
            acknowledged: Mutex::default(),
        })
    }

    /// So many send until they are stopped.
    pub(crate) fn run(self: &Arc<Self>, senders: usize) -> JoinSet<()> {
        self.stop.store(false, Ordering::SeqCst);
        let mut all = JoinSet::new();
        for _ in 0..senders {
            let load = Arc::clone(self);
            all.spawn(async move {
                while !load.stop.load(Ordering::SeqCst) {
                    let again = load.unsettled.lock().unwrap().pop();
                    load.send(again.unwrap_or_else(|| load.make())).await;
                }
            });
        }
        all
    }

    pub(crate) async fn stop(&self, senders: JoinSet<()>) {
        self.stop.store(true, Ordering::SeqCst);
        senders.join_all().await;
    }

    /// Sends what is left until all of it is acknowledged. How many were, and how often the vendor was sent away.
    pub(crate) async fn settle(&self) -> (usize, u64) {
        for _ in 0..10_000 {
            let Some(next) = self.unsettled.lock().unwrap().pop() else { break };
            self.send(next).await;
        }
        assert!(self.unsettled.lock().unwrap().is_empty(), "some are never taken");
        (self.acknowledged(), self.refused.load(Ordering::SeqCst))
    }

    /// How many were, so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until nothing is pending.
    pub(crate) async fn drain(&self, clock: &ManualClock) {
        let begun = Instant::now();
        loop {
            let counts = self.world.counts().await;
            if counts.pending == 0 {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "still pending: {counts:?}");
            // What was in hand when the server went is under a lease of ten seconds, unless it could be settled.
            clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The set acknowledged is the set applied, each once. Rows: object, how many, state.
    pub(crate) fn is_applied_once_each(&self, rows: Vec<(String, i64, String)>, applied: &str) {
        let rows: HashMap<_, _> = rows.into_iter().map(|(object, rows, state)| (object, (rows, state))).collect();
        let acknowledged = self.acknowledged.lock().unwrap();
        for object in acknowledged.iter() {
            assert_eq!(rows.get(object), Some(&(1, applied.to_owned())), "{object}");
        }
        assert_eq!(rows.len(), acknowledged.len(), "everything was acknowledged in the end");
    }

    async fn send(&self, (object, delivery): (String, Value)) {
        let answer = self.world.send(self.world.delivery(delivery.to_string())).await;
        match answer.status {
            204 => self.acknowledged.lock().unwrap().push(object),
            503 => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                self.unsettled.lock().unwrap().push((object, delivery));
                tokio::task::yield_now().await;
            }
            other => panic!("a genuine event was answered {other}"),
        }
    }

    fn make(&self) -> (String, Value) {
        let id = format!("person-{}", self.made.fetch_add(1, Ordering::SeqCst));
        self.world.sandbox.add_person(NewPerson::named("Ana Flores").identity_id(&id));
        let verified = self.world.sandbox.verify(&id).unwrap();
        let delivery = event("verification.completed", &verified.verification_id, &verified.token);
        (verified.verification_id, delivery)
    }
}
