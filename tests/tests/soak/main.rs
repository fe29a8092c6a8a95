//! Replicas of the example apps on one real database, behind a round-robin, with a vendor that fails at times; killed,
//! stopped, cut off, and their database killed, at random. At the end everything that is promised is checked.
//!
//! A short form with every other test; `tests/long/soak` for half an hour. `INCODE_SOAK_MINUTES` says how long,
//! `INCODE_SOAK_SEED` repeats the decisions of an earlier run: their moments are the machine's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; clippy spares only the functions marked as such, and these are modules of one"
)]

mod balancer;
mod checks;
mod cluster;
mod engine;
mod expectations;
mod faults;
mod figures;
mod fleet;
mod net;
mod people;
mod random;
mod sender;
mod vendor;
mod watch;

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use incode_sandbox::{NewPerson, Sandbox, Webhook, WebhookAuth};
use incode_tests::process::{ADMIN_TOKEN, FLOW_SECRET, Settings, WEBHOOK_HEADER, WEBHOOK_SECRET};
use tempfile::TempDir;
use tokio::task::JoinSet;

use balancer::Balancer;
use cluster::{CANARY, Class, Cluster, Person};
use engine::Engine;
use expectations::Expectations;
use fleet::{Fleet, OLD_STORE_KEY, STORE_KEY};
use random::Random;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_on_postgres() {
    let Some(engine) = Engine::postgres().await else { return };
    soak(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_on_redis() {
    let Some(engine) = Engine::redis().await else { return };
    soak(engine).await;
}

/// How long, and whether it may take its time.
struct Length {
    time: Duration,
    /// An event may wait for hours between two tries. The short form ends the waits sooner.
    is_short: bool,
}

impl Length {
    fn chosen() -> Self {
        let minutes = std::env::var("INCODE_SOAK_MINUTES").ok().map(|minutes| minutes.parse::<f64>().unwrap());
        let time = minutes.map_or(SHORT, |minutes| Duration::from_secs_f64(minutes * 60.0));
        Self { time, is_short: time < Duration::from_secs(5 * 60) }
    }
}

/// So many were acknowledged that half of them are applied events.
const ENOUGH_DELIVERED: u64 = 100;

async fn soak(engine: Engine) {
    let seed =
        std::env::var("INCODE_SOAK_SEED").map_or_else(|_| RandomState::new().hash_one(0), |seed| seed.parse().unwrap());
    let (length, mut random) = (Length::chosen(), Random::new(seed));
    println!("{}: {:?}, INCODE_SOAK_SEED={seed}", engine.name(), length.time);
    let folder = TempDir::new().unwrap();
    let engine = Arc::new(engine);
    let balancer = Balancer::bind().await;
    let (cluster, settings) = settle(&engine, &balancer, folder.path(), length.is_short).await;
    for which in 0..cluster.fleet.slots.len() {
        cluster.fleet.start(which).await;
    }
    let serving = tokio::spawn(balancer.serve(Arc::clone(&cluster.fleet)));
    let cluster = Arc::new(move_in(cluster).await);

    let begun = Instant::now();
    let mut all = JoinSet::new();
    for who in 0..cluster.people.len() {
        if cluster.people[who].class != Class::Visitor {
            all.spawn(people::live(Arc::clone(&cluster), who, random.fork()));
        }
    }
    for which in 0..cluster.fleet.slots.len() {
        all.spawn(watch::poll(Arc::clone(&cluster), which, random.fork()));
        all.spawn(sender::work(Arc::clone(&cluster), which, random.fork()));
    }
    let pace = &PACE[usize::from(length.is_short)];
    all.spawn(faults::cause(Arc::clone(&cluster), Arc::clone(&engine), random.fork(), pace.blows));
    all.spawn(observe(Arc::clone(&cluster)));
    let vendor = tokio::spawn(vendor::stumble(Arc::clone(&cluster), random.fork(), pace.spells));
    let ended = tokio::time::timeout(length.time, all.join_next()).await;
    assert!(ended.is_err(), "no task ends before the time is over: {ended:?}");
    // On a busy machine it takes longer until there is something to judge.
    for _ in 0..180 {
        let happened = checks::HAPPENED.iter().all(|what| cluster.expectations.of(what) > 0);
        if happened && cluster.expectations.of("deliveries/acknowledged") >= ENOUGH_DELIVERED {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    cluster.finish();
    let lasted = begun.elapsed();
    tokio::time::timeout(PATIENCE, all.join_all()).await.expect("every task ends once it is over");
    let refused = vendor.await.unwrap();

    let findings = checks::run(&cluster, &engine, &settings, &length, &refused, &folder.path().join("journal")).await;
    for which in 0..cluster.fleet.slots.len() {
        cluster.fleet.stop(which).await;
    }
    serving.abort();
    figures::print(&cluster, engine.name(), lasted, seed, &findings);
    let wrongs = cluster.expectations.wrongs();
    assert!(
        wrongs.is_empty(),
        "{} of {}, INCODE_SOAK_SEED={seed}:\n{}",
        wrongs.len(),
        engine.name(),
        wrongs.join("\n")
    );
}

/// The vendor, the fleet, and what each replica is set to.
async fn settle(engine: &Engine, balancer: &Balancer, folder: &Path, is_short: bool) -> (Cluster, Settings) {
    let auth = WebhookAuth::Header { name: WEBHOOK_HEADER.to_owned(), secret: WEBHOOK_SECRET.to_owned() };
    let webhook = Webhook::to(format!("http://{}/incode/webhook", balancer.address())).auth(auth);
    let sandbox = Sandbox::builder().webhook(webhook).time_scale(0.01).start().await.unwrap();
    let settings = Settings::of(&sandbox, folder)
        .with("INCODE_STORE", engine.url_at(engine.port()))
        .with("PUBLIC_URL", format!("http://{}", balancer.address()))
        .with("EXAMPLE_JOURNAL", folder.join("journal").to_str().unwrap())
        .with("INCODE_STORE_KEY", format!("{STORE_KEY},{OLD_STORE_KEY}"))
        .with("RUST_LOG", "info");
    // The sandbox's tokens all begin alike.
    let tokens = "eyJhbGciOiJIUzI1NiJ9";
    let canaries =
        [WEBHOOK_SECRET, ADMIN_TOKEN, FLOW_SECRET, STORE_KEY, OLD_STORE_KEY, sandbox.api_key(), CANARY, tokens];
    let canaries = canaries.map(str::to_owned);
    let expectations = Arc::new(Expectations::default());
    let url = |port| engine.url_at(port);
    let fleet = Fleet::new(settings.clone(), url, engine.port(), canaries.to_vec(), Arc::clone(&expectations)).await;
    (Cluster::new(sandbox, Arc::new(fleet), balancer.address(), expectations, is_short), settings)
}

/// People and their sessions.
async fn move_in(mut cluster: Cluster) -> Cluster {
    for (class, count) in [(Class::Member, 6), (Class::Refused, 2), (Class::Visitor, 2)] {
        for number in 0..count {
            let user = format!("{class:?}-{number}").to_lowercase();
            let cookie = people::log_in(cluster.balancer, &user).await;
            cluster.people.push(Person::new(user, class, cookie));
        }
    }
    for number in 0..CROWD {
        let email = format!("{number}@{CANARY}.example");
        let person = NewPerson::named(format!("Eva {CANARY}")).email(email).identity_id(format!("crowd-{number}"));
        let id = cluster.sandbox.add_person(person).identity_id;
        // From here on ACTIVE, and never anything else.
        cluster.sandbox.verify(&id).unwrap();
        cluster.crowd.push(id);
    }
    cluster
}

/// Counts what is stored nowhere, until all is over.
async fn observe(cluster: Arc<Cluster>) {
    let mut calls = vendor::Calls::new(cluster.sandbox.clone(), Arc::clone(&cluster.expectations));
    while !cluster.is_over() {
        cluster.pause(Duration::from_secs(1)).await;
        cluster.fleet.weigh();
        calls.count();
    }
}

/// The short form.
const SHORT: Duration = Duration::from_secs(25);
/// Milliseconds between two blows, and between two spells of the vendor: at least and at most.
struct Pace {
    blows: (u64, u64),
    spells: (u64, u64),
}

/// At leisure, and in the short form.
const PACE: [Pace; 2] =
    [Pace { blows: (2_000, 15_000), spells: (5_000, 25_000) }, Pace { blows: (300, 1_200), spells: (1_500, 4_000) }];
const CROWD: usize = 20;
/// For requests that are under way when it is over.
const PATIENCE: Duration = Duration::from_secs(180);
