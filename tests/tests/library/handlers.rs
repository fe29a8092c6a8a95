//! Handlers and the change stream from delivery to call, against the sandbox, over a SQLite file.

use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use incode_core::client::Client;
use incode_core::flow::{FaceOutcome, FaceScope, HostedFlow};
use incode_core::http::Reply;
use incode_core::model::{Face, FaceAuthenticationRequest, IdentityStatus};
use incode_core::store::{JobFailure, JobFilter, JobRow, JobState, ReplayJobs};
use incode_core::testing::ManualClock;
use incode_core::webhook::Authenticity;
use incode_core::{
    Actor, AppliedEvent, Builder, ChangeNotice, HandlerError, IdentityId, Incode, Secret, Subject, Timestamp,
};
use incode_sandbox::{NewPerson, Sandbox, Verified};
use incode_sqlite::SqliteOptions;
use serde_json::json;
use tempfile::TempDir;

use crate::request::Request;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fails_twice_then_succeeds_and_is_never_called_again() {
    let (sandbox, directory) = start().await;
    let path = directory.path().join("incode.db");
    let calls = Calls::default();
    let mail = || calls.handler(|applied| if applied.attempt < 3 { Err("not yet".into()) } else { Ok(()) });
    let incode = builder(&sandbox, &path).on_event("mail", mail()).build().await.unwrap();
    let verified = verify(&sandbox);
    assert_eq!(deliver(&incode, &verified).await, 204);
    until(async || are(&incode, 1, JobState::Done).await).await;
    assert_eq!(calls.count(), 3);
    assert_eq!(deliver(&incode, &verified).await, 204, "the vendor repeats itself");
    incode.shutdown().await;

    let incode = builder(&sandbox, &path).on_event("mail", mail()).build().await.unwrap();
    let other = verify(&sandbox);
    deliver(&incode, &other).await;
    until(async || are(&incode, 2, JobState::Done).await).await;
    incode.shutdown().await;

    let of = |verified: &Verified| calls.of(&verified.verification_id);
    let first = of(&verified);
    assert_eq!(first.iter().map(|call| call.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(first.iter().all(|call| call.idempotency_key == first[0].idempotency_key));
    let identity = first[0].identity.as_ref().unwrap();
    assert_eq!((identity.identity_id.as_str(), &identity.status), (&*verified.identity_id, &IdentityStatus::Active));
    assert_eq!(of(&other).len(), 3);
    assert_ne!(of(&other)[0].idempotency_key, first[0].idempotency_key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_panics_dies_alone_and_is_replayed() {
    let (sandbox, directory) = start().await;
    let calls = Calls::default();
    let broken = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&broken);
    let panics = calls.handler(move |_| {
        assert!(!switch.load(Ordering::SeqCst), "this handler panics");
        Ok(())
    });
    let incode = builder(&sandbox, &directory.path().join("incode.db"))
        .handler_schedule([Duration::from_millis(10)])
        .on_event("panics", panics)
        .on_event("works", |_| async { Ok(()) })
        .build()
        .await
        .unwrap();
    deliver(&incode, &verify(&sandbox)).await;
    until(async || are(&incode, 1, JobState::Done).await && are(&incode, 1, JobState::Dead).await).await;
    let rows = effects(&incode).await;
    let row = |name: &str| rows.iter().find(|row| &*row.handler == name).unwrap();
    assert_eq!((row("works").state, row("works").attempts), (JobState::Done, 1));
    assert_eq!((row("panics").state, row("panics").attempts), (JobState::Dead, 2));
    assert_eq!(row("panics").failure, Some(JobFailure::Panicked));
    let counts = incode.job_counts().await.unwrap();
    assert_eq!((counts.pending, counts.dead), (0, 1));

    broken.store(false, Ordering::SeqCst);
    assert_eq!(incode.replay_jobs(ReplayJobs::Dead(Some("works".into())), &Actor::unknown()).await.unwrap(), 0);
    assert_eq!(incode.replay_jobs(ReplayJobs::One(row("panics").id), &Actor::unknown()).await.unwrap(), 1);
    until(async || are(&incode, 2, JobState::Done).await).await;
    assert_eq!(incode.replay_jobs(ReplayJobs::Dead(None), &Actor::unknown()).await.unwrap(), 0);
    assert_eq!(calls.count(), 3);
    incode.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waits_for_its_handler_across_restarts() {
    let (sandbox, directory) = start().await;
    let path = directory.path().join("incode.db");
    let before = Calls::default();
    let fails = before.handler(|_| Err("not in this process".into()));
    let incode = builder(&sandbox, &path).on_event("mail", fails).build().await.unwrap();
    let verified = verify(&sandbox);
    deliver(&incode, &verified).await;
    until(async || before.count() >= 2).await;
    incode.shutdown().await;

    let incode = builder(&sandbox, &path).on_event("other", |_| async { Ok(()) }).build().await.unwrap();
    deliver(&incode, &verify(&sandbox)).await;
    until(async || are(&incode, 1, JobState::Done).await).await;
    assert_eq!(incode.job_counts().await.unwrap().pending, 1, "no other worker took it");
    incode.shutdown().await;

    let after = Calls::default();
    let incode = builder(&sandbox, &path).on_event("mail", after.handler(|_| Ok(()))).build().await.unwrap();
    until(async || incode.job_counts().await.unwrap().pending == 0).await;
    incode.shutdown().await;
    let (before, after) = (before.of(&verified.verification_id), after.all());
    assert_eq!(after.len(), 1, "and nothing of what was applied while it was not registered");
    assert_eq!(after[0].idempotency_key, before[0].idempotency_key);
    assert!(after[0].attempt > before.len() as u32 - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_during_the_call_leads_to_another() {
    let (sandbox, directory) = start().await;
    let path = directory.path().join("incode.db");
    let before = Calls::default();
    let record = before.handler(|_| Ok(()));
    let hangs = move |applied: AppliedEvent| {
        let call = record(applied);
        async move {
            call.await?;
            std::future::pending().await
        }
    };
    let crashed = builder(&sandbox, &path).on_event("mail", hangs).build().await.unwrap();
    deliver(&crashed, &verify(&sandbox)).await;
    until(async || before.count() == 1).await;
    // What a crash leaves: the files as they are on disk. The log first: it may be copied over at any time.
    let copy = directory.path().join("copy.db");
    std::fs::copy(directory.path().join("incode.db-wal"), directory.path().join("copy.db-wal")).unwrap();
    std::fs::copy(&path, &copy).unwrap();

    let after = Calls::default();
    let later = ManualClock::new(Timestamp::from(SystemTime::now()).after(Duration::from_secs(600)));
    let survivor = builder(&sandbox, &copy).clock(later).on_event("mail", after.handler(|_| Ok(())));
    let survivor = survivor.build().await.unwrap();
    until(async || are(&survivor, 1, JobState::Done).await).await;
    survivor.shutdown().await;
    let (before, after) = (before.all(), after.all());
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_eq!(after[0].idempotency_key, before[0].idempotency_key);
    assert_eq!((before[0].attempt, after[0].attempt), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_published_whatever_their_cause() {
    let (sandbox, directory) = start().await;
    let secret = Secret::from("a flow secret of thirty-two bytes");
    let flow = HostedFlow::new(sandbox.client_id(), &sandbox.web_url(), "http://127.0.0.1", secret).unwrap();
    let calls = Calls::default();
    let incode = builder(&sandbox, &directory.path().join("incode.db"))
        .hosted_flow(flow)
        .on_event("mail", calls.handler(|_| Ok(())))
        .build()
        .await
        .unwrap();
    let mut changes = incode.changes();
    let verified = verify(&sandbox);
    let alice = Subject::new("alice").unwrap();
    let of_alice = std::slice::from_ref(&alice);

    come_back(&incode, &alice, &verified.token).await;
    assert_eq!(subjects(changes.next().await), of_alice, "the callback");
    deliver(&incode, &verified).await;
    assert_eq!(subjects(changes.next().await), of_alice, "an event");
    until(async || calls.count() == 1).await;
    assert_eq!(calls.all()[0].subjects, of_alice);
    let image = sandbox.faces().swap_remove(0).base64_image;
    let face = FaceAuthenticationRequest { face: Face::Base64Image(image), source: None };
    assert!(matches!(incode.authenticate(FaceScope::new(alice.clone()), &face).await.unwrap(), FaceOutcome::Passed(_)));
    assert_eq!(subjects(changes.next().await), of_alice, "a face");
    assert!(incode.unlink(&alice, &Actor::unknown()).await.unwrap());
    assert_eq!(subjects(changes.next().await), of_alice, "unlinked");
    assert!(incode.forget(&IdentityId::new(&verified.identity_id).unwrap(), &Actor::unknown()).await.unwrap());
    assert_eq!(subjects(changes.next().await), [], "forgotten, without a link");
    incode.shutdown().await;
    assert_eq!(changes.next().await, None);
    assert_eq!(incode.changes().next().await, None, "over is over");
}

#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<AppliedEvent>>>);

impl Calls {
    /// A handler that records its calls and answers as `outcome` says.
    fn handler<F: Fn(&AppliedEvent) -> Result<(), HandlerError> + Send + Sync + 'static>(
        &self,
        outcome: F,
    ) -> impl Fn(AppliedEvent) -> std::future::Ready<Result<(), HandlerError>> + Send + Sync + 'static + use<F> {
        let calls = self.clone();
        move |applied| {
            calls.0.lock().unwrap().push(applied.clone());
            std::future::ready(outcome(&applied))
        }
    }

    fn all(&self) -> Vec<AppliedEvent> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, object: &str) -> Vec<AppliedEvent> {
        self.all().into_iter().filter(|call| call.object_id.as_str() == object).collect()
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

async fn start() -> (Sandbox, TempDir) {
    (Sandbox::builder().start().await.unwrap(), TempDir::new().unwrap())
}

fn builder(sandbox: &Sandbox, path: &Path) -> Builder {
    let client = Client::builder(&sandbox.url(), Secret::from(sandbox.api_key())).build().unwrap();
    Incode::builder()
        .client(client)
        .webhook_authenticity(Authenticity::fetch_back())
        .open_store(SqliteOptions::new(path))
        .handler_schedule([Duration::from_millis(10); 1_000])
}

fn verify(sandbox: &Sandbox) -> Verified {
    let person = sandbox.add_person(NewPerson::named("Ana Flores"));
    sandbox.verify(&person.identity_id).unwrap()
}

async fn deliver(incode: &Incode, verified: &Verified) -> u16 {
    let event = json!({
        "event": "verification.completed",
        "object": "verification",
        "id": verified.verification_id,
        "token": verified.token,
        "timestamp": Timestamp::from(SystemTime::now()).as_millis() / 1000,
    });
    let post = Request { method: "POST", path: "/incode/webhook", query: String::new(), subject: None };
    answer(incode, &post, event.to_string()).await.status
}

/// Leaves for the hosted page, and comes back from there with a token.
async fn come_back(incode: &Incode, subject: &Subject, token: &str) {
    let get = |path, query| Request { method: "GET", path, query, subject: Some(subject) };
    let sent = answer(incode, &get("/incode/start", String::new()), String::new()).await;
    let (_, page) = sent.headers.iter().find(|(name, _)| *name == "location").unwrap();
    let (_, id) = page.split_once("correlation_id=").unwrap();
    let back = get("/incode/callback", format!("token={token}&correlation_id={id}"));
    assert_eq!(answer(incode, &back, String::new()).await.status, 303);
}

async fn answer(incode: &Incode, request: &Request<'_>, body: String) -> Reply {
    let body = futures_util::stream::iter([Ok::<_, Infallible>(body)]);
    incode.open(request).unwrap().answer(body).await
}

async fn effects(incode: &Incode) -> Vec<JobRow> {
    let filter = JobFilter { state: None, handler: None, before: None, limit: 100 };
    let rows = incode.jobs(filter).await.unwrap();
    assert!(rows.len() < 100);
    rows
}

async fn are(incode: &Incode, many: usize, state: JobState) -> bool {
    effects(incode).await.iter().filter(|row| row.state == state).count() == many
}

fn subjects(changed: Option<ChangeNotice>) -> Vec<Subject> {
    match changed {
        Some(ChangeNotice::Identity(change)) => change.subjects,
        other => panic!("no change: {other:?}"),
    }
}

async fn until(fits: impl AsyncFn() -> bool) {
    let wait = async {
        while !fits().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("this should have happened by now");
}
