//! Every order of grant, revoke, re-verify and face events ends where a small model says, on every store.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test: a panic is how it fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use incode_core::identity::transition::Rules;
use incode_core::identity::{Checks, Identity, Observation, Verified};
use incode_core::model::{EventKind, IdentityStatus};
use incode_core::store::{Accepted, Claim, EventState, MemoryStore, NewEvent, Settled, Store};
use incode_core::testing::store_suite::{apply, applying};
use incode_core::{IdentityId, ObjectId, Timestamp, Token};
use incode_sqlite::SqliteOptions;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// What the vendor shows at one instant, and by which kind of event it is learned.
#[derive(Clone, Debug)]
enum Step {
    Grant,
    Revoke,
    Suspend,
    Reverify,
    Face,
}

/// A step with the instant its request was sent. Instants repeat, so ties happen.
#[derive(Clone, Debug)]
struct Shown {
    step: Step,
    sent_at: i64,
}

/// The model: no merging, only a look at everything that was ever shown.
#[derive(Debug, PartialEq)]
struct Expected {
    status: &'static str,
    verified_at: Option<i64>,
    face_at: Option<i64>,
}

fn model(all: &[Shown]) -> Expected {
    let newest = all.iter().map(|shown| shown.sent_at).max().unwrap();
    let last: Vec<_> = all.iter().filter(|shown| shown.sent_at == newest).map(|shown| &shown.step).collect();
    let status = if last.iter().any(|step| matches!(step, Step::Revoke)) {
        "REVOKED"
    } else if last.iter().any(|step| matches!(step, Step::Suspend)) {
        "SUSPENDED"
    } else {
        "ACTIVE"
    };
    let newest_of =
        |wanted: fn(&Step) -> bool| all.iter().filter(|shown| wanted(&shown.step)).map(|shown| shown.sent_at).max();
    Expected {
        status,
        verified_at: newest_of(|step| matches!(step, Step::Grant | Step::Reverify)),
        face_at: newest_of(|step| matches!(step, Step::Face)),
    }
}

fn observation(number: usize, shown: &Shown) -> Observation {
    let at = Timestamp::from_millis(shown.sent_at);
    let status = match shown.step {
        Step::Grant | Step::Reverify | Step::Face => "ACTIVE",
        Step::Revoke => "REVOKED",
        Step::Suspend => "SUSPENDED",
    };
    let id = || ObjectId::new(format!("v{number}")).unwrap();
    Observation {
        identity_id: IdentityId::new("person").unwrap(),
        sent_at: at,
        status: IdentityStatus::from(status),
        attestation: None,
        verified: matches!(shown.step, Step::Grant | Step::Reverify).then(|| Verified { id: id(), at: Some(at) }),
        face_authenticated_at: matches!(shown.step, Step::Face).then_some(at),
        face_origin: Default::default(),
        checks: Checks::default(),
        fields: Vec::new(),
    }
}

fn seen(identity: &Identity) -> Expected {
    Expected {
        status: match identity.status.as_str() {
            "ACTIVE" => "ACTIVE",
            "REVOKED" => "REVOKED",
            _ => "SUSPENDED",
        },
        verified_at: identity.verified_at.map(Timestamp::as_millis),
        face_at: identity.face_authenticated_at.map(Timestamp::as_millis),
    }
}

/// Brings each observation through the inbox, in the order given: accepted, claimed, settled.
async fn play(store: &dyn Store, steps: &[(usize, Shown)]) -> Identity {
    let now = Timestamp::from_secs(1_700_000_000);
    for (number, shown) in steps {
        let kind = if matches!(shown.step, Step::Face) { EventKind::Authentication } else { EventKind::Verification };
        let token = Token::new(format!("token-{number}")).unwrap();
        let event = NewEvent {
            kind,
            object_id: Some(ObjectId::new(format!("object-{number}")).unwrap()),
            token: token.expose().as_bytes().to_vec(),
            token_hash: token.hash(),
            correlation_id: None,
            vendor_time: None,
            received_at: now,
            authenticated: true,
            implausible: false,
            state: EventState::Pending,
            reason: None,
        };
        // Twice: the second delivery of the same event must not count.
        assert!(matches!(store.accept(event.clone()).await.unwrap(), Accepted::New(_)));
        assert_eq!(store.accept(event).await.unwrap(), Accepted::Duplicate);
        let claim = Claim { now, lease_until: now.after(Duration::from_secs(60)), limit: 10, newest_first: false };
        let claimed = store.claim(claim).await.unwrap().events;
        assert_eq!(claimed.len(), 1);
        let done = apply(applying(&claimed[0], observation(*number, shown)), &Rules::default(), now.as_millis());
        let settled = store.settle(claimed[0].lease, done.clone()).await.unwrap();
        assert!(matches!(settled, Settled::Written(Some(_))));
        assert_eq!(store.settle(claimed[0].lease, done).await.unwrap(), Settled::LeaseLost, "settled once");
    }
    store.identity(IdentityId::new("person").unwrap()).await.unwrap().unwrap()
}

fn steps() -> impl Strategy<Value = Vec<(usize, Shown)>> {
    let step =
        prop_oneof![Just(Step::Grant), Just(Step::Revoke), Just(Step::Suspend), Just(Step::Reverify), Just(Step::Face)];
    let shown = (step, 0..4_i64).prop_map(|(step, sent_at)| Shown { step, sent_at });
    proptest::collection::vec(shown, 1..7)
        .prop_map(|all| all.into_iter().enumerate().collect::<Vec<_>>())
        .prop_shuffle()
}

fn check(cases: u32, new_store: impl AsyncFn() -> Arc<dyn Store>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    TestRunner::new(Config::with_cases(cases))
        .run(&steps(), |steps| {
            let identity = runtime.block_on(async {
                let store = new_store().await;
                let identity = play(&*store, &steps).await;
                store.close().await.unwrap();
                identity
            });
            let all: Vec<_> = steps.iter().map(|(_, shown)| shown.clone()).collect();
            prop_assert_eq!(seen(&identity), model(&all));
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_order_ends_where_the_model_says_in_memory() {
    check(500, async || Arc::new(MemoryStore::new()) as _);
}

#[test]
fn any_order_ends_where_the_model_says_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let number = AtomicU32::new(0);
    check(40, async || {
        let file = format!("{}.db", number.fetch_add(1, Ordering::Relaxed));
        Arc::new(SqliteOptions::new(folder.path().join(file)).open().await.unwrap()) as _
    });
}
