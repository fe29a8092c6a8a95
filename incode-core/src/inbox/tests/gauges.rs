use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::client::Client;
use crate::model::EventKind;
use crate::store::{EventState, InboxStore, MemoryStore, NewEvent, Reason};
use crate::testing::ManualClock;
use crate::webhook::Authenticity;
use crate::{Incode, Secret, Timestamp, TokenHash};

/// Remembers whether the gauge of inbox rows was ever set.
#[derive(Clone, Default)]
struct Seen(Arc<AtomicBool>);

impl GaugeFn for Seen {
    fn increment(&self, _: f64) {}
    fn decrement(&self, _: f64) {}
    fn set(&self, _: f64) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        if key.name() == "incode_inbox_events" { Gauge::from_arc(Arc::new(self.clone())) } else { Gauge::noop() }
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// A busy inbox loses old rows at every fetch: its gauges must not wait for a fetch without any.
#[tokio::test]
async fn rows_are_counted_also_when_old_ones_were_removed() {
    let seen = Seen::default();
    let _recording = metrics::set_default_local_recorder(&seen);
    let store = MemoryStore::new();
    let old = NewEvent {
        kind: EventKind::from("something.else"),
        object_id: None,
        token: Vec::new(),
        token_hash: TokenHash([0; 32]),
        correlation_id: None,
        vendor_time: None,
        received_at: Timestamp::from_secs(0),
        authenticated: true,
        implausible: false,
        state: EventState::Ignored,
        reason: Some(Reason::UnknownKind),
    };
    store.accept(old).await.unwrap();
    let incode = Incode::builder()
        .client(Client::builder("https://vendor.example", Secret::from("the-key")).build().unwrap())
        .webhook_authenticity(Authenticity::fetch_back())
        .store(store)
        .clock(ManualClock::new(Timestamp::from_secs(1_700_000_000)))
        .build()
        .await
        .unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(incode.inbox_counts().await.unwrap().ignored, 0, "pruned");
    assert!(seen.0.load(Ordering::SeqCst));
    incode.shutdown().await;
}
