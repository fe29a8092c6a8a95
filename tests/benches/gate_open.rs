//! From the 204 for an event to the first request that its subject gets through the gate, the vendor answering at once.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod figures;
}

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use common::figures::Figures;
use futures_util::future::join_all;
use incode_core::client::Client;
use incode_core::identity::transition::{ChangeRequest, Command, Outcome};
use incode_core::identity::{Checks, FaceOrigin, Link, LinkProof, Observation};
use incode_core::model::{EventKind, WebhookEvent};
use incode_core::store::{IdentityStore, LifeCycle};
use incode_core::webhook::Authenticity;
use incode_core::{Clock, IdentityId, Secret, Subject, SystemClock};
use incode_sandbox::{NewPerson, Sandbox};
use incode_sqlite::SqliteOptions;
use incode_tower::{GateLayer, Incode, IncodeLayer, SubjectSource};
use tokio::net::TcpListener;

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("{RUNS} runs of {EVENTS} events; of each run the p50 and the p99, median (range) of the runs\n");
    println!("| events at a time | p50 ms | p99 ms |\n|---|---|---|");
    for at_a_time in [1, 16] {
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let waits = runtime.block_on(measure(at_a_time));
            p50.push(waits.median());
            p99.push(waits.quantile(0.99));
        }
        let [p50, p99] = [p50, p99].map(Figures::from);
        println!("| {at_a_time} | {p50} | {p99} |");
    }
}

async fn measure(at_a_time: usize) -> Figures {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let sandbox = Sandbox::builder().start().await.unwrap();
    let people: Vec<String> =
        (0..EVENTS).map(|number| sandbox.add_person(NewPerson::named(format!("Ana {number}"))).identity_id).collect();
    link_every_person(&directory.path().join("db"), &people).await;
    let app = serve(&sandbox, &directory.path().join("db")).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();

    let mut waits = Vec::new();
    for group in people.chunks(at_a_time) {
        waits.extend(join_all(group.iter().map(|person| wait_for_gate(&sandbox, &app, &http, person))).await);
    }
    sandbox.stop().await;
    Figures::from(waits)
}

/// Milliseconds. The subject is named as the identity: the one is linked to the other.
async fn wait_for_gate(sandbox: &Sandbox, app: &str, http: &reqwest::Client, person: &str) -> f64 {
    let ask = || async {
        let answer = http.get(format!("{app}/account")).header("x-user", person).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(ask().await, 403, "shut before the event, and remembered as shut");
    let verified = sandbox.verify(person).unwrap();
    let event = WebhookEvent::new(EventKind::Verification, &*verified.verification_id, &*verified.token);
    let body = serde_json::to_vec(&event).unwrap();
    let answer = http.post(format!("{app}/incode/webhook")).body(body).send().await.unwrap();
    let accepted = Instant::now();
    assert_eq!(answer.status(), 204);
    while ask().await != 200 {
        assert!(accepted.elapsed() < Duration::from_secs(10), "the gate never opened");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    accepted.elapsed().as_secs_f64() * 1000.0
}

async fn link_every_person(path: &Path, people: &[String]) {
    let store = SqliteOptions::new(path).open().await.unwrap();
    let store = &store;
    let links = people.iter().map(|person| async move {
        let now = SystemClock.now();
        let identity_id = IdentityId::new(person).unwrap();
        let seen = Observation {
            identity_id: identity_id.clone(),
            sent_at: now,
            status: "PENDING".into(),
            attestation: None,
            verified: None,
            face_authenticated_at: None,
            face_origin: FaceOrigin::default(),
            checks: Checks::default(),
            fields: Vec::new(),
        };
        let link = Link::new(Subject::new(person).unwrap(), identity_id, LinkProof::Application, now);
        for command in [Command::Observe(seen), Command::Link { link, by: None }] {
            let request = ChangeRequest { command, rules: Arc::default(), now };
            let changed = store.change(request).await.unwrap();
            assert!(matches!(changed.outcome, Outcome::Observed | Outcome::Linked), "{changed:?}");
        }
    });
    join_all(links).await;
    store.close().await.unwrap();
}

/// The base URL of an application whose gate and webhook run on the store at `path`.
async fn serve(sandbox: &Sandbox, path: &Path) -> String {
    let client = Client::builder(&sandbox.url(), Secret::from(sandbox.api_key())).build().unwrap();
    let builder = Incode::builder()
        .client(client)
        .webhook_authenticity(Authenticity::fetch_back())
        .open_store(SqliteOptions::new(path))
        .subjects(SubjectSource::trusted_header("x-user"));
    let layer = IncodeLayer::new(builder.build().await.unwrap());
    let app = Router::new().route("/account", get(async || "ok")).route_layer(GateLayer::active()).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = listener.tap_io(|socket| socket.set_nodelay(true).unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

const RUNS: usize = 3;
const EVENTS: usize = 300;
const BETWEEN_LOOKS: Duration = Duration::from_micros(200);
