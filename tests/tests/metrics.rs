//! Every metric that `docs/operations.md` names moves when it should, and none moves that is not named there.
//!
//! Alone in its process, because a recorder is installed once for each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy spares only the functions marked as such, and these are marked by a macro"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use incode_core::flow::FaceScope;
use incode_core::identity::Change;
use incode_core::model::{Face, FaceAuthenticationRequest};
use incode_core::store::hub::ChangeHub;
use incode_core::store::{Accepted, LifeCycle, MemoryStore, Store, StoreNotice};
use incode_core::testing::{ManualClock, with_token};
use incode_core::{Actor, AppliedEvent, BearerTokens, IdentityId, Secret, Subject, Timestamp, Token, VerifiedPerson};
use incode_redis::RedisStore;
use incode_sandbox::{Fault, Route};
use incode_sqlite::SqliteOptions;
use incode_tests::servers::RedisServer;
use incode_tests::{
    Adapter, Auth, CLIENT_ID, Failing, Plan, SECRET, Tally, World, ask_for_token, event, eventually, post, row,
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_metric_moves_and_every_metric_is_documented() {
    let tally = Tally::default();
    metrics::set_global_recorder(tally.clone()).unwrap();
    deliveries(&tally).await;
    a_store_that_is_down(&tally).await;
    a_backlog(&tally).await;
    a_refused_key(&tally).await;
    the_gate(&tally).await;
    bearer_tokens(&tally).await;
    tokens(&tally).await;
    links(&tally).await;
    handlers(&tally).await;
    a_shared_store(&tally).await;
    secrets(&tally).await;
    unknown_times(&tally).await;
    limits(&tally).await;
    let mut documented = documented();
    if !lost_rows(&tally).await {
        documented.remove("incode_store_rows_lost_total");
    }
    assert_eq!(tally.names(), documented);
}

async fn deliveries(tally: &Tally) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("incode.db");
    let world = Plan::new(Adapter::Axum).incode(|builder| builder.open_store(SqliteOptions::new(file))).start().await;
    let seconds = tally.of("incode_accept_seconds");
    let good = verified(&world, "Ana Flores");
    tally.moves("incode_events_accepted_total{state=pending}", 1.0, world.deliver(&good)).await;
    world.settles(1, 0, 0).await;
    eventually("counted", async || tally.of("incode_events_settled_total{outcome=done,reason=}") == 1.0).await;
    assert_eq!(tally.of("incode_event_attempts"), 1.0);
    assert_eq!(tally.of("incode_vendor_seconds{call=userinfo,outcome=answered}"), 1.0);
    assert_eq!(tally.of("incode_vendor_seconds{call=verification,outcome=answered}"), 1.0);

    tally.moves("incode_events_duplicate_total", 1.0, world.deliver(&good)).await;
    let unknown = json!({"event": "unknown.kind", "id": "an-id", "token": "a-token"});
    tally.moves("incode_events_accepted_total{state=ignored}", 1.0, world.deliver(&unknown)).await;
    assert_eq!(tally.of("incode_accept_seconds"), seconds + 3.0, "each that was kept or known");
    assert!(tally.of("incode_store_commit_events") >= 2.0);

    let unsigned = async || world.send(post("/incode/webhook").body(good.to_string())).await;
    tally.moves("incode_deliveries_rejected_total{reason=unauthentic}", 1.0, unsigned()).await;
    let broken = async || world.send(world.delivery("{")).await;
    tally.moves("incode_deliveries_rejected_total{reason=malformed}", 1.0, broken()).await;

    let dead = event("verification.completed", "no-such-object", &world.sandbox.issue_token("nobody"));
    let died = async {
        world.deliver(&dead).await;
        eventually("dead", async || world.counts().await.dead == 1).await;
        eventually("counted", async || tally.sum("incode_events_settled_total{outcome=dead") > 0.0).await;
    };
    tally.moves("incode_event_attempts", 1.0, died).await;
    world.incode.shutdown().await;
}

async fn a_store_that_is_down(tally: &Tally) {
    let (store, switch) = Failing::store();
    let plan = Plan::new(Adapter::Axum).incode(|builder| {
        builder.store(store).near_cache_lifetime(Duration::ZERO).serve_stale(Duration::from_secs(3600))
    });
    let world = plan.start().await;
    world.link("ana", &world.person("Ana Flores").identity_id).await;
    assert_eq!(world.status("ana", "/vault").await, 200);
    switch.fail();
    let known = async { assert_eq!(world.status("ana", "/vault").await, 200) };
    tally.moves("incode_standing_stale_total", 1.0, known).await;
    let delivery = async {
        let body = event("verification.completed", "an-id", "a-token").to_string();
        assert_eq!(world.send(world.delivery(body)).await.status, 503);
    };
    tally.moves("incode_deliveries_refused_total{reason=store_unavailable}", 1.0, delivery).await;
    let gated = async { assert_eq!(world.status("ben", "/vault").await, 503) };
    tally.moves("incode_standing_loads_total{outcome=failed}", 1.0, gated).await;
    let denied = async { assert_eq!(world.status("ben", "/vault").await, 503) };
    tally.moves("incode_denials_total{code=identity_unavailable}", 1.0, denied).await;
    world.incode.shutdown().await;
}

/// The gauges are taken now and then: time goes by on a clock of our own, and a delivery wakes the worker.
async fn a_backlog(tally: &Tally) {
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let world = Plan::new(Adapter::Axum).incode(|builder| builder.clock(shown)).start().await;
    eventually("counted at the start", async || tally.is("incode_inbox_events{state=pending}", 0.0)).await;
    world.fault(Fault::status(500).on(Route::Verification).times(u32::MAX));
    world.deliver(&verified(&world, "Ana Flores")).await;
    let retried = "incode_events_settled_total{outcome=retry,reason=vendor_unavailable}";
    eventually("to be tried again", async || tally.of(retried) >= 1.0).await;
    assert!(tally.of("incode_vendor_seconds{call=verification,outcome=server}") >= 1.0);
    let gauges = async |pending: f64, at_least: f64| {
        tally.of("incode_inbox_events{state=pending}") >= pending && tally.of("incode_inbox_oldest_seconds") >= at_least
    };
    clock.advance(Duration::from_secs(100));
    world.deliver(&verified(&world, "Ben Ochoa")).await;
    eventually("the backlog shows", async || gauges(1.0, 100.0).await).await;
    // What is still being asked about would be due by the clock of then: after all that this test advances.
    eventually("nothing is under way", async || tally.of(retried) >= 3.0).await;

    world.sandbox.clear_faults();
    for id in ["wakes-the-worker", "wakes-it-again"] {
        clock.advance(Duration::from_secs(100));
        world.deliver(&json!({"event": "unknown.kind", "id": id})).await;
        eventually("applied", async || world.counts().await.pending == 0).await;
    }
    let over =
        async || tally.is("incode_inbox_events{state=pending}", 0.0) && tally.is("incode_inbox_oldest_seconds", 0.0);
    eventually("the backlog is gone", over).await;
    assert!(tally.of("incode_inbox_events{state=done}") >= 2.0);
    world.incode.shutdown().await;
}

async fn a_refused_key(tally: &Tally) {
    let world = World::start(Adapter::Axum).await;
    world.fault(Fault::status(403).times(u32::MAX));
    world.deliver(&verified(&world, "Ana Flores")).await;
    eventually("paused", async || tally.is("incode_worker_paused", 1.0)).await;
    world.sandbox.clear_faults();
    assert!(tally.sum("incode_vendor_seconds{call=") > 0.0);
    eventually("goes on", async || tally.is("incode_worker_paused", 0.0)).await;
    eventually("given back", async || tally.sum("incode_events_settled_total{outcome=release") >= 1.0).await;
    world.settles(1, 0, 0).await;
}

async fn the_gate(tally: &Tally) {
    let world = World::start(Adapter::Axum).await;
    let ana = world.person("Ana Flores");
    tally.moves("incode_links_total{proof=flow}", 1.0, world.link("ana", &ana.identity_id)).await;
    let loads = tally.of("incode_standing_loads_total{outcome=loaded}");
    let hits = tally.of("incode_standing_hits_total");
    for _ in 0..5 {
        assert_eq!(world.status("ana", "/vault").await, 200);
    }
    assert_eq!(tally.of("incode_standing_loads_total{outcome=loaded}"), loads + 1.0);
    assert_eq!(tally.of("incode_standing_hits_total"), hits + 4.0);
    let taken = async {
        let id = world.start_flow("eve").await;
        assert_eq!(world.come_back("eve", &id, &world.sandbox.issue_token(&ana.identity_id)).await.status, 409);
    };
    tally.moves("incode_links_refused_total{proof=flow}", 1.0, taken).await;
    let unknown = async {
        assert!(world.incode.link(&subject("eve"), &identity("nobody"), &Actor::unknown()).await.is_err());
    };
    tally.moves("incode_links_refused_total{proof=application}", 0.0, unknown).await;
    let taken = async {
        assert!(world.incode.link(&subject("eve"), &identity(&ana.identity_id), &Actor::unknown()).await.is_err());
    };
    tally.moves("incode_links_refused_total{proof=application}", 1.0, taken).await;
    let again = async {
        world.incode.link(&subject("ana"), &identity(&ana.identity_id), &Actor::unknown()).await.unwrap();
    };
    tally.moves("incode_links_total{proof=application}", 1.0, again).await;
    faces(tally, &world, &ana.identity_id).await;
    let nobody = async { assert_eq!(world.send(incode_tests::get("/vault")).await.status, 401) };
    tally.moves("incode_denials_total{code=authentication_required}", 1.0, nobody).await;
    let stranger = async { assert_eq!(world.status("ben", "/vault").await, 403) };
    tally.moves("incode_denials_total{code=verification_required}", 1.0, stranger).await;
}

async fn tokens(tally: &Tally) {
    let world = Plan::new(Adapter::Axum).auth(Auth::OAuth).start().await;
    for (secret, outcome, status) in [(SECRET, "issued", 200), ("wrong", "invalid_client", 401)] {
        let asked = async { assert_eq!(world.send(ask_for_token(CLIENT_ID, secret)).await.status, status) };
        tally.moves(&format!("incode_token_requests_total{{outcome={outcome}}}"), 1.0, asked).await;
    }
}

async fn faces(tally: &Tally, world: &World, ana: &str) {
    world.sandbox.verify(ana).unwrap();
    let ben = world.person("Ben Ochoa");
    world.sandbox.verify(&ben.identity_id).unwrap();
    let stranger = world.sandbox.faces().into_iter().find(|face| face.identity_id.is_none()).unwrap().base64_image;
    for (image, outcome) in [
        (world.face_of(ana), "passed"),
        (world.face_of(&ben.identity_id), "other_identity"),
        (stranger, "failed"),
        ("not base64!".to_owned(), "none"),
    ] {
        let request = FaceAuthenticationRequest { face: Face::Base64Image(image), source: None };
        let asked = async { world.incode.authenticate(FaceScope::new(subject("ana")), &request).await };
        tally.moves(&format!("incode_face_outcomes_total{{outcome={outcome}}}"), 1.0, asked).await;
    }
}

/// What a webhook and a rule link, and what they are refused.
async fn links(tally: &Tally) {
    let rule = |_: VerifiedPerson| async { Ok(Some(subject("ana"))) };
    let plan = Plan::new(Adapter::Axum).incode(move |builder| builder.link_by_webhook().link_rule(rule));
    let world = plan.start().await;
    let ana = verified(&world, "Ana Flores");
    let deliver = async |event: &Value, done| {
        world.deliver(event).await;
        world.settles(done, 0, 0).await;
    };
    tally.moves("incode_links_total{proof=application}", 1.0, settle(tally, deliver(&ana, 1))).await;
    let ben = verified(&world, "Ben Ochoa");
    tally.moves("incode_links_refused_total{proof=application}", 1.0, settle(tally, deliver(&ben, 2))).await;
    let mut carla = verified(&world, "Carla Diaz");
    carla["correlation_id"] = world.start_flow("carla").await.into();
    tally.moves("incode_links_total{proof=webhook}", 1.0, settle(tally, deliver(&carla, 3))).await;
    let mut again = event("verification.completed", "none", "none");
    let carla = world.sandbox.people().into_iter().find(|person| person.name == "Carla Diaz").unwrap();
    let next = world.sandbox.verify(&carla.identity_id).unwrap();
    again["id"] = next.verification_id.into();
    again["token"] = next.token.into();
    again["correlation_id"] = world.start_flow("eve").await.into();
    tally.moves("incode_links_refused_total{proof=webhook}", 1.0, settle(tally, deliver(&again, 4))).await;
}

/// Until the event is counted, which is after it was written.
async fn settle(tally: &Tally, delivered: impl Future<Output = ()>) {
    let settled = tally.sum("incode_events_settled_total{outcome=done");
    delivered.await;
    eventually("counted", async || tally.sum("incode_events_settled_total{outcome=done") > settled).await;
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn identity(id: &str) -> IdentityId {
    IdentityId::new(id).unwrap()
}

async fn bearer_tokens(tally: &Tally) {
    let plan = Plan::new(Adapter::Axum).incode(|builder| builder.bearer_tokens(BearerTokens::on_paths(["/vault"])));
    let world = plan.start().await;
    let ana = world.person("Ana Flores").identity_id;
    let ask = async |token: String, status| {
        let call = incode_tests::get("/vault").header("authorization", format!("Bearer {token}"));
        assert_eq!(world.send(call).await.status, status);
    };
    let token = world.sandbox.issue_token(&ana);
    tally.moves("incode_bearer_tokens_total{outcome=accepted}", 1.0, ask(token, 200)).await;
    tally.moves("incode_bearer_tokens_total{outcome=refused}", 1.0, ask("junk".to_owned(), 401)).await;
    world.fault(Fault::status(500).on(Route::Userinfo).times(u32::MAX));
    let token = world.sandbox.issue_token(&ana);
    tally.moves("incode_bearer_tokens_total{outcome=unavailable}", 1.0, ask(token, 503)).await;
}

async fn handlers(tally: &Tally) {
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let plan = Plan::new(Adapter::Axum).incode(|builder| {
        builder
            .clock(shown)
            .handler_schedule([Duration::from_millis(10)])
            .on_event("well", |_: AppliedEvent| async { Ok(()) })
            .on_event("ill", |_: AppliedEvent| async { Err("out of order".into()) })
    });
    let world = plan.start().await;
    world.deliver(&verified(&world, "Ana Flores")).await;
    let calls =
        |handler, outcome| tally.of(&format!("incode_handler_calls_total{{handler={handler},outcome={outcome}}}"));
    eventually("called", async || calls("well", "done") == 1.0 && calls("ill", "retry") == 1.0).await;
    clock.advance(Duration::from_secs(1));
    eventually("called again", async || calls("ill", "dead") == 1.0).await;
    clock.advance(Duration::from_secs(100));
    world.deliver(&json!({"event": "unknown.kind", "id": "an-id"})).await;
    eventually("given up", async || tally.is("incode_handler_jobs{state=dead}", 1.0)).await;
    world.incode.shutdown().await;

    // One that never comes back to it: what is owed grows old.
    let clock = ManualClock::new(Timestamp::from(std::time::SystemTime::now()));
    let shown = clock.clone();
    let plan = Plan::new(Adapter::Axum).incode(|builder| {
        builder.clock(shown).on_event("slow", |_: AppliedEvent| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(())
        })
    });
    let world = plan.start().await;
    world.deliver(&verified(&world, "Ana Flores")).await;
    world.settles(1, 0, 0).await;
    clock.advance(Duration::from_secs(100));
    world.deliver(&json!({"event": "unknown.kind", "id": "an-id"})).await;
    let owed = async || {
        tally.is("incode_handler_jobs{state=pending}", 1.0) && tally.of("incode_handler_oldest_seconds") >= 100.0
    };
    eventually("what is owed shows", owed).await;
}

async fn a_shared_store(tally: &Tally) {
    let (store, _switch, news) = Failing::shared();
    let world = Plan::new(Adapter::Axum).incode(|builder| builder.store(store)).start().await;
    news.send(StoreNotice::Up).unwrap();
    eventually("up", async || tally.is("incode_store_feed_up", 1.0)).await;
    news.send(StoreNotice::Gap).unwrap();
    eventually("a gap", async || tally.of("incode_store_feed_gaps_total") == 1.0).await;
    news.send(StoreNotice::Down).unwrap();
    eventually("down", async || tally.is("incode_store_feed_up", 0.0)).await;
    assert_eq!(tally.of("incode_store_feed_losses_total"), 1.0);
    world.incode.shutdown().await;

    let hub = ChangeHub::new(&[7; 32]).unwrap();
    let foreign = async { assert!(!hub.received("of another program")) };
    tally.moves("incode_store_feed_foreign_total", 1.0, foreign).await;
    let identity_id = IdentityId::new("person").unwrap();
    let neighbour = ChangeHub::new(&[7; 32]).unwrap();
    let captured = neighbour.payload(&Change { identity_id, subjects: Vec::new() }, 8_000).unwrap();
    assert!(!hub.received(&captured));
    let again = async { assert!(!hub.received(&captured)) };
    tally.moves("incode_store_feed_replays_total", 1.0, again).await;
}

/// Two processes on one store with different store keys.
async fn secrets(tally: &Tally) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let start = async |key: &str| {
        let (store, key) = (Arc::clone(&store), Secret::from(key));
        let plan = Plan::new(Adapter::Axum).incode(move |builder| builder.shared_store(store).store_key(key));
        plan.start().await
    };
    let first = start("the store key of the first, 32 bytes").await;
    let verified = first.sandbox.verify(&first.person("Ana Flores").identity_id).unwrap();
    let token = Token::new(verified.token.as_str()).unwrap();
    let sealed = with_token(row(&verified), &token, &Secret::from("a store key that is gone, 32 bytes"));
    assert!(matches!(store.accept(sealed).await.unwrap(), Accepted::New(_)));
    eventually("not opened", async || tally.of("incode_tokens_sealed_total") >= 1.0).await;
    let second = async { drop(start("the store key of another, 32 bytes").await) };
    tally.moves("incode_secret_mismatches_total{secret=store key}", 1.0, second).await;
}

async fn unknown_times(tally: &Tally) {
    let world = World::start(Adapter::Axum).await;
    let ana = world.person("Ana Flores");
    let body = json!({"id": "timeless", "status": "VERIFIED", "data": {"email": ana.email}});
    world.sandbox.seed_verification("timeless", Some(&ana.identity_id), body);
    let timeless = event("verification.completed", "timeless", &world.sandbox.issue_token(&ana.identity_id));
    let delivered = async {
        world.deliver(&timeless).await;
        world.settles(1, 0, 0).await;
    };
    tally.moves("incode_unknown_times_total{object=verification}", 1.0, delivered).await;
}

async fn limits(tally: &Tally) {
    let plan = Plan::new(Adapter::Axum).incode(|builder| builder.callback_limit(1, Duration::from_secs(3600)));
    let world = plan.start().await;
    let ana = world.person("Ana Flores").identity_id;
    world.link("ana", &ana).await;
    assert!(world.incode.unlink(&subject("ana"), &Actor::unknown()).await.unwrap());
    let again = async {
        let flow = world.start_flow("ana").await;
        assert_eq!(world.come_back("ana", &flow, &world.sandbox.issue_token(&ana)).await.status, 429);
    };
    tally.moves("incode_vendor_calls_limited_total{call=callback}", 1.0, again).await;
}

/// False where there is no server to lose them.
async fn lost_rows(tally: &Tally) -> bool {
    let Some(server) = RedisServer::start(&["--appendonly", "no"]).await else { return false };
    let store = RedisStore::open(&server.url()).await.unwrap();
    let lost = async {
        redis::cmd("FLUSHALL").exec_async(&mut server.connect().await).await.unwrap();
        store.time().await.unwrap();
    };
    tally.moves("incode_store_rows_lost_total{row=meta}", 1.0, lost).await;
    store.close().await.unwrap();
    true
}

fn verified(world: &World, name: &str) -> Value {
    let person = world.person(name);
    let verified = world.sandbox.verify(&person.identity_id).unwrap();
    event("verification.completed", &verified.verification_id, &verified.token)
}

/// The names in the table of `docs/operations.md`.
fn documented() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `incode_"));
    rows.map(|row| format!("incode_{}", row.split(['`', '{']).next().unwrap())).collect()
}
