use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::client::Client;
use crate::identity::{Cause, Change, ChangeListener, Directory, NotActive, Observation, Observer, Time};
use crate::inbox::apply::{Applier, MADE_UP_TOKEN, VendorSignal, Verdict};
use crate::inbox::runner::Work;
use crate::inbox::{AtRest, CorrelationReader, Inbox, LateAttempts, NamedSubject, Watchers, Worker, WorkerSettings};
use crate::model::EventKind;
use crate::store::dedupe::object_key;
use crate::store::{Claim, ClaimedEvent, EventId, Lease, MemoryStore, NewEvent, Reason, Settlement, Store};
use crate::testing::ManualClock;
use crate::testing::store_suite::pending;
use crate::{Clock, ObjectId, Secret, Timestamp, Token};

struct Nothing;

impl CorrelationReader for Nothing {
    fn read(&self, _: &str, _: Timestamp) -> Option<NamedSubject> {
        None
    }
}

impl ChangeListener for Nothing {
    fn changed(&self, _: &Change, _: Cause) {}
    fn changed_unknown(&self) {}
    fn jobs_enqueued(&self) {}
    fn withhold(&self, _: &Arc<NotActive>) {}
    fn written(&self, _: &Observation) {}
}

fn at_rest() -> AtRest {
    AtRest::new(&[Secret::from("the key of this test, of 32 bytes or more")])
}

fn worker(clock: &ManualClock) -> Worker {
    worker_of(applier("https://vendor.example", clock), clock)
}

fn worker_of(applier: Arc<Applier>, clock: &ManualClock) -> Worker {
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let inbox = Inbox::new(store(), Arc::clone(&shared), at_rest(), Duration::from_secs(5));
    Worker::new(inbox, applier, shared, WorkerSettings::default())
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

fn applier(vendor: &str, clock: &ManualClock) -> Arc<Applier> {
    let time = Time::Clock(Arc::new(clock.clone()));
    Arc::new(Applier {
        client: Client::builder(vendor, Secret::from("the-key")).retries(0).build().unwrap(),
        directory: Directory::new(store(), Arc::default(), time, Arc::new(Nothing)),
        observer: Arc::new(Observer::new()),
        correlations: Arc::new(Nothing),
        link_rule: None,
        at_rest: at_rest(),
        watchers: Watchers::default(),
        late: LateAttempts::default(),
    })
}

fn sealed(object: &str) -> Vec<u8> {
    let row = object_key(&EventKind::Verification, Some(&ObjectId::new(object).unwrap()), false);
    at_rest().seal(&Token::new("token").unwrap(), &row).unwrap()
}

fn claimed(number: i64, clock: &ManualClock) -> ClaimedEvent {
    let object = format!("object-{number}");
    ClaimedEvent {
        lease: Lease { event: EventId(number), number: 1 },
        kind: EventKind::Verification,
        token: sealed(&object),
        object_id: ObjectId::new(object).unwrap(),
        correlation_id: None,
        vendor_time: None,
        received_at: clock.now(),
        authenticated: false,
        attempts: 4,
        already_done: false,
    }
}

async fn refused(worker: &Worker, event: &ClaimedEvent) -> Settlement {
    let settlement = Settlement::Release { due_at: Timestamp::from_secs(0), reason: Some(Reason::KeyRefused) };
    worker.on_finished(event, Some(Verdict { settlement, signal: VendorSignal::KeyRefused })).await
}

async fn answered(worker: &Worker, event: &ClaimedEvent) {
    let settlement = Settlement::Dead { reason: Reason::NotFound, wipe_token: false, at: Timestamp::from_secs(0) };
    worker.on_finished(event, Some(Verdict { settlement, signal: VendorSignal::Answered })).await;
}

/// For example: a filter in front of the vendor answers 403 to an id that looks like an attack. Any sender can use one.
#[tokio::test]
async fn an_event_that_is_refused_while_others_are_answered_delays_no_other_and_ends() {
    let clock = ManualClock::new(Timestamp::from_secs(1_700_000_000));
    let worker = worker(&clock);
    let (poison, good) = (claimed(1, &clock), claimed(2, &clock));
    for _ in 0..3 {
        assert!(matches!(refused(&worker, &poison).await, Settlement::Release { .. }), "it may be the key");
        assert!(!worker.capacity(0).0.is_zero());
        clock.advance(Duration::from_secs(5));
        answered(&worker, &good).await;
    }
    assert!(matches!(refused(&worker, &poison).await, Settlement::Retry { reason: Reason::Refused, .. }));
    let (wait, room) = worker.capacity(0);
    assert!(wait.is_zero() && room > 1, "the others go on");
    clock.advance(Duration::from_secs(40 * 60));
    for _ in 0..3 {
        let late = refused(&worker, &poison).await;
        assert!(matches!(late, Settlement::Retry { reason: Reason::Refused, .. }), "the clock may have jumped");
    }
    let end = refused(&worker, &poison).await;
    assert!(matches!(end, Settlement::Dead { reason: Reason::Refused, wipe_token: false, .. }), "{end:?}");
    assert!(matches!(refused(&worker, &good).await, Settlement::Release { .. }));
    assert!(!worker.capacity(0).0.is_zero(), "a key that is refused pauses all, as ever");
}

/// Any sender can bring a token that the vendor answers with 403, for each call. What it says of a token that it never made
/// shows that the key is good.
#[tokio::test]
async fn a_token_that_is_refused_as_if_for_the_key_delays_no_other() {
    let clock = ManualClock::new(Timestamp::from_secs(1_700_000_000));
    for (made_up, is_key) in [("401 Unauthorized", false), ("403 Forbidden", true), ("500 Oops", true)] {
        let vendor = vendor(move |head| {
            let status = if head.contains(MADE_UP_TOKEN) { made_up } else { "403 Forbidden" };
            format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        })
        .await;
        let worker = worker_of(applier(&vendor, &clock), &clock);
        for round in 0..3 {
            for number in 1..20 {
                let event = ClaimedEvent { attempts: 1, ..claimed(number, &clock) };
                let verdict = worker.run(event.clone()).await;
                let settlement = worker.on_finished(&event, Some(verdict)).await;
                assert!(matches!(settlement, Settlement::Release { .. }), "{round} {settlement:?}");
                let (wait, room) = worker.capacity(0);
                assert_eq!(wait.is_zero() && room > 1, !is_key, "{made_up}");
            }
        }
        let event = ClaimedEvent { attempts: 1, ..claimed(1, &clock) };
        let verdict = worker.run(event.clone()).await;
        let settlement = worker.on_finished(&event, Some(verdict)).await;
        let is_alone = matches!(settlement, Settlement::Retry { reason: Reason::Refused, .. });
        assert_eq!(is_alone, !is_key, "{settlement:?}");
    }
}

/// As long as no event is answered the key is the cause, however often an event is refused.
#[tokio::test]
async fn a_key_that_is_refused_kills_nothing() {
    let clock = ManualClock::new(Timestamp::from_secs(1_700_000_000));
    let worker = worker(&clock);
    let event = claimed(1, &clock);
    for _ in 0..1_000 {
        assert!(matches!(refused(&worker, &event).await, Settlement::Release { .. }));
        clock.advance(Duration::from_secs(300));
    }
}

/// One goes ahead at a time, and each fourth time the newest: that must be one who just came, not one who was just sent
/// back.
#[tokio::test]
async fn who_was_refused_is_not_taken_for_a_newcomer() {
    let clock = ManualClock::new(Timestamp::from_secs(1_700_000_000));
    let applier = applier(&forbidden().await, &clock);
    let accept = async |object: &str| {
        let new = pending(object, "token", clock.now().as_millis());
        let row = object_key(&new.kind, new.object_id.as_ref(), new.authenticated);
        let token = at_rest().seal(&Token::new("token").unwrap(), &row).unwrap();
        applier.directory.store().accept(NewEvent { token, ..new }).await.unwrap();
    };
    let claim = async |newest_first| {
        clock.advance(Duration::from_secs(5));
        let now = clock.now();
        let claim = Claim { now, lease_until: now.after(Duration::from_secs(120)), limit: 1, newest_first };
        applier.directory.store().claim(claim).await.unwrap().events.remove(0)
    };
    accept("poison-1").await;
    clock.advance(Duration::from_secs(1));
    accept("poison-2").await;
    clock.advance(Duration::from_secs(1));
    accept("newcomer").await;
    let ahead = claim(false).await;
    assert_eq!(ahead.object_id.as_str(), "poison-1");
    let verdict = applier.judge(&ahead).await;
    assert_eq!(verdict.signal, VendorSignal::KeyRefused);
    applier.directory.store().settle(ahead.lease, verdict.settlement).await.unwrap();
    assert_eq!(claim(true).await.object_id.as_str(), "newcomer");
}

/// An id at which the vendor fails, which any sender can use, must not count as a vendor that is down.
#[tokio::test]
async fn a_vendor_that_answers_one_of_two_questions_is_not_down() {
    let clock = ManualClock::new(Timestamp::from_secs(1_700_000_000));
    let person = r#"{"status":"ACTIVE","identityId":"person"}"#;
    for (userinfo, signal) in [(Some(person), VendorSignal::Unknown), (None, VendorSignal::Down)] {
        let vendor = vendor(move |head| match userinfo {
            Some(body) if head.contains("/userinfo") => {
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", body.len()) + "connection: close\r\n\r\n" + body
            }
            _ => "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        })
        .await;
        for kind in [EventKind::Verification, EventKind::Authentication] {
            let object = ObjectId::new("object-1").unwrap();
            let token = Token::new("token").unwrap();
            let token = at_rest().seal(&token, &object_key(&kind, Some(&object), false)).unwrap();
            let event = ClaimedEvent { kind, token, attempts: 1, ..claimed(1, &clock) };
            let verdict = applier(&vendor, &clock).judge(&event).await;
            assert_eq!(verdict.signal, signal, "{:?}", event.kind);
            let reason = Reason::VendorUnavailable;
            assert!(matches!(verdict.settlement, Settlement::Retry { reason: told, .. } if told == reason));
        }
    }
}

/// A person with a token of their own names the object of another person. The vendor takes the key, and refuses the object.
#[tokio::test]
async fn a_vendor_that_refuses_one_of_two_questions_does_not_refuse_the_key() {
    let clock = ManualClock::new(Timestamp::from_secs(1_700_000_000));
    let person = r#"{"status":"ACTIVE","identityId":"person"}"#;
    for (userinfo, is_key) in [((200, person), false), ((403, ""), true)] {
        let vendor = vendor(move |head| {
            let (status, body) = if head.contains("/userinfo") { userinfo } else { (403, "") };
            let head = format!("HTTP/1.1 {status} Answer\r\ncontent-length: {}\r\n", body.len());
            head + "connection: close\r\n\r\n" + body
        })
        .await;
        for kind in [EventKind::Verification, EventKind::Authentication] {
            let row = object_key(&kind, Some(&ObjectId::new("object-1").unwrap()), false);
            let token = at_rest().seal(&Token::new("token").unwrap(), &row).unwrap();
            let event = ClaimedEvent { kind, token, attempts: 1, ..claimed(1, &clock) };
            let verdict = applier(&vendor, &clock).judge(&event).await;
            assert_eq!(verdict.signal == VendorSignal::KeyRefused, is_key, "{:?} {userinfo:?}", event.kind);
            let is_its_own = matches!(verdict.settlement, Settlement::Retry { reason: Reason::Refused, .. });
            assert_eq!(is_its_own, !is_key, "{verdict:?}");
        }
    }
}

/// A vendor that refuses every key.
async fn forbidden() -> String {
    vendor(|_| "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()).await
}

async fn vendor(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let vendor = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", vendor.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = vendor.accept().await {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let _ = stream.write_all(answer(&String::from_utf8_lossy(&head[..read])).as_bytes()).await;
        }
    });
    url
}
