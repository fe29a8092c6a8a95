//! Opening an account for a slow person, on each engine: the vendor's event comes first, the person seconds later. The
//! account is opened once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use incode_core::store::{JobFilter, JobState};
use incode_core::{Builder, VerifiedSubject};
use incode_sandbox::{Sandbox, Verified};
use incode_sqlite::SqliteOptions;
use incode_tests::{Adapter, Plan, World, event, eventually};
use tempfile::TempDir;

use crate::engine::Engine;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    let bank = Bank::default();
    let world = open(&bank, Builder::memory).await;
    let (verified, flow) = event_first(&world, &bank).await;
    comes_back(&world, &verified, &flow).await;
    opened_once(&world, &bank).await;
    said_again(&world, &world.sandbox, &verified, &flow).await;
    opened_once(&world, &bank).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("incode.db");
    across_restarts(async || {
        let options = SqliteOptions::new(&path);
        Box::new(|builder: Builder| builder.open_store(options)) as Chosen
    })
    .await;
}

on_both_engines!(the_account_is_opened_once);

async fn the_account_is_opened_once(engine: Engine) {
    across_restarts(async || engine.choose()).await;
}

/// The process ends between event and callback, and again while the account can't be opened.
async fn across_restarts(choose: impl AsyncFn() -> Chosen) {
    let bank = Bank::default();
    let first = open(&bank, choose().await).await;
    let (verified, flow) = event_first(&first, &bank).await;
    first.incode.shutdown().await;

    bank.0.lock().unwrap().is_shut = true;
    let second = beside(&first, &bank, choose().await).await;
    comes_back(&second, &verified, &flow).await;
    eventually("it is tried", async || !bank.0.lock().unwrap().refused.is_empty()).await;
    second.incode.shutdown().await;

    bank.0.lock().unwrap().is_shut = false;
    let third = beside(&first, &bank, choose().await).await;
    opened_once(&third, &bank).await;
    said_again(&third, &first.sandbox, &verified, &flow).await;
    opened_once(&third, &bank).await;
    third.incode.shutdown().await;
    let last = beside(&first, &bank, choose().await).await;
    opened_once(&last, &bank).await;
    let books = bank.0.lock().unwrap();
    assert!(books.refused.iter().all(|key| *key == books.opened[0].1), "one idempotency key: {books:?}");
}

/// The vendor says that Ana passed. Nothing is owed yet: she is not back, so whose account it is is unknown.
async fn event_first(world: &World, bank: &Bank) -> (Verified, String) {
    let ana = world.person("Ana Flores");
    let flow = world.start_flow("ana").await;
    let verified = world.sandbox.verify(&ana.identity_id).unwrap();
    world.deliver(&completed(&verified)).await;
    world.settles(1, 0, 0).await;
    assert_eq!(world.standing("ana").await, "not_linked");
    assert!(world.incode.jobs(all_jobs()).await.unwrap().is_empty(), "{bank:?}");
    (verified, flow)
}

async fn comes_back(world: &World, verified: &Verified, flow: &str) {
    let back = world.come_back("ana", flow, &verified.token).await;
    assert_eq!(back.status, 303, "{back:?}");
    assert_eq!(world.status("ana", "/vault").await, 200, "at once");
}

/// The callback once more, the event once more with another token, and another event of the person.
async fn said_again(world: &World, vendor: &Sandbox, verified: &Verified, flow: &str) {
    comes_back(world, verified, flow).await;
    let token = vendor.issue_token(&verified.identity_id);
    world.deliver(&event("verification.completed", &verified.verification_id, &token)).await;
    world.deliver(&completed(&vendor.verify(&verified.identity_id).unwrap())).await;
    eventually("settled", async || world.counts().await.pending == 0).await;
}

/// One job, which is done, and one account.
async fn opened_once(world: &World, bank: &Bank) {
    eventually("the account is open", async || world.incode.job_counts().await.unwrap().pending == 0).await;
    let jobs = world.incode.jobs(all_jobs()).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.state).collect::<Vec<_>>(), [JobState::Done], "{jobs:?}");
    let opened = bank.0.lock().unwrap().opened.clone();
    assert_eq!(opened.iter().map(|(subject, _)| &**subject).collect::<Vec<_>>(), ["ana"]);
}

fn all_jobs() -> JobFilter {
    JobFilter { state: None, handler: None, before: None, limit: 100 }
}

fn completed(verified: &Verified) -> serde_json::Value {
    event("verification.completed", &verified.verification_id, &verified.token)
}

/// The store of a world.
type Chosen = Box<dyn FnOnce(Builder) -> Builder + Send>;

/// Who got an account, by which idempotency key. Shared with the handlers of each process.
#[derive(Clone, Debug, Default)]
struct Bank(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    opened: Vec<(String, String)>,
    refused: Vec<String>,
    is_shut: bool,
}

fn plan(bank: &Bank, choose: impl FnOnce(Builder) -> Builder + Send + 'static) -> Plan {
    let bank = bank.clone();
    let open_account = move |verified: VerifiedSubject| {
        let bank = bank.clone();
        async move {
            let mut books = bank.0.lock().unwrap();
            if books.is_shut {
                books.refused.push(verified.idempotency_key);
                return Err("the bank is shut".into());
            }
            books.opened.push((verified.subject.as_str().to_owned(), verified.idempotency_key));
            Ok(())
        }
    };
    Plan::new(Adapter::Axum).with_checks().incode(|builder| {
        choose(builder).on_verified("open-account", open_account).handler_schedule([Duration::from_millis(5); 5_000])
    })
}

async fn open(bank: &Bank, choose: impl FnOnce(Builder) -> Builder + Send + 'static) -> World {
    plan(bank, choose).start().await
}

/// The next process: same vendor, same store.
async fn beside(first: &World, bank: &Bank, choose: Chosen) -> World {
    crate::replicas::beside(first, plan(bank, choose)).start().await
}
