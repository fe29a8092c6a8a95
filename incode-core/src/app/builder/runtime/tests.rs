use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder as RuntimeBuilder, Handle};
use tokio::time::sleep;

use crate::app::bearer::BearerTokens;
use crate::app::test_world::{Request, SECRET, problem};
use crate::app::{Builder, Incode};
use crate::client::Client;
use crate::gate::{Requirement, check};
use crate::http::Reply;
use crate::store::{MemoryStore, Store, StoreError, StoreErrorKind};
use crate::testing::{Hook, HookedStore, StoreCall};
use crate::webhook::Authenticity;
use crate::{ConfigErrorKind, Secret};

/// Each call needs a turn of a runtime, as those of a database's connections do.
struct NeedsTurn(Handle);

impl Hook for NeedsTurn {
    async fn before(&self, _: StoreCall) -> Result<(), StoreError> {
        self.0.spawn(async {}).await.map_err(|_| StoreError::new(StoreErrorKind::Unavailable))
    }
}

/// Each call fails when its deadline ends, but for the first of each kind that `build` needs.
struct Away;

impl Hook for Away {
    async fn before(&self, call: StoreCall) -> Result<(), StoreError> {
        if call == StoreCall::CheckSecret {
            return Ok(());
        }
        sleep(Duration::from_secs(4)).await;
        Err(StoreError::new(StoreErrorKind::Unavailable))
    }
}

fn builder(store: impl Store) -> Builder {
    Incode::builder()
        .client(Client::builder("http://127.0.0.1:9", Secret::from("a-key")).build().unwrap())
        .webhook_authenticity(Authenticity::header("x-incode-secret", [Secret::from(SECRET)]).unwrap())
        .bearer_tokens(BearerTokens::on_paths(["/kiosk"]))
        .store(store)
}

async fn gate(incode: &Incode, request: &Request) -> Reply {
    let visitor = incode.visit(request).visitor().await;
    check(Some(&visitor), &Requirement::active(), request).expect_err("closed")
}

async fn deliver(incode: &Incode) -> Reply {
    let event = serde_json::json!({
        "token": "e30.e30.c2ln", "event": "verification.completed", "object": "verification", "id": "an-id",
        "timestamp": 1_688_052_828,
    });
    let request = Request::post("/incode/webhook").with("x-incode-secret", SECRET);
    let route = incode.open(&request.with("content-type", "application/json")).expect("a mounted route");
    let body = event.to_string().into_bytes();
    route.answer(futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)])).await
}

/// The application builds on one runtime, and serves from another.
#[test]
fn a_runtime_that_nothing_drives_shuts_the_gate_and_takes_no_delivery() {
    let ours = RuntimeBuilder::new_current_thread().enable_all().build().unwrap();
    let store = HookedStore::new(MemoryStore::new(), NeedsTurn(ours.handle().clone()));
    let incode = ours.block_on(builder(store).build()).unwrap();
    // Its clock goes on as soon as all of it waits, so nothing here depends on how fast the machine is.
    let theirs = RuntimeBuilder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    theirs.block_on(async {
        let of_bert = Request::get("/vault").of("bert");
        for _ in 0..2 {
            assert_eq!(problem(&gate(&incode, &of_bert).await), (503, "identity_unavailable".to_owned()));
        }
        let with_token = Request::get("/kiosk").with("authorization", "Bearer e30.e30.c2ln");
        assert_eq!(gate(&incode, &with_token).await.status, 503);
        let reply = deliver(&incode).await;
        assert_eq!(reply.status, 503, "{reply:?}");
        let health = incode.health().await;
        assert!(!health.store, "{health:?}");
        sleep(Duration::from_secs(20)).await;
        assert!(!incode.is_working() && !incode.health().await.worker);
    });
    // Driven again, it is well, and answers.
    let driven = ours.block_on(async {
        while !incode.is_working() {
            sleep(Duration::from_millis(10)).await;
        }
        (deliver(&incode).await.status, incode.health().await.store)
    });
    assert_eq!(driven, (204, true));
}

#[test]
fn to_build_outside_of_a_runtime_is_an_error_in_words() {
    let built = pin!(builder(MemoryStore::new()).build()).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(error)) = built else { panic!("neither waits nor succeeds") };
    assert_eq!((error.kind(), error.setting()), (ConfigErrorKind::Invalid, "build"));
    assert!(error.to_string().contains("inside the tokio runtime"), "{error}");
}

/// A liveness probe restarts the process, which does not bring a store back.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_no_fault_of_the_worker() {
    let incode = builder(HookedStore::new(MemoryStore::new(), Away)).build().await.unwrap();
    for _ in 0..60 {
        sleep(Duration::from_secs(5)).await;
        assert!(incode.is_working());
    }
    let health = incode.health().await;
    assert!(!health.store && !health.worker, "{health:?}");
}
