//! Checks what is promised, after the last fault, when nothing is pending any more.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use incode_core::store::{OpenStore, StoreError};
use incode_core::{Actor, Builder, Incode, ObjectId, Token, adapter};
use incode_sandbox::Outcome;
use incode_tests::post;
use incode_tests::process::{ADMIN_TOKEN, Settings};

use crate::Length;
use crate::cluster::{Class, Cluster, Person, admin};
use crate::engine::{Engine, Row};
use crate::fleet::Taken;
use crate::people::{flow, shows};
use crate::random::Random;
use crate::sender::{self, KIND, Object};

/// The figures that were measured, beside those that were counted.
pub(crate) struct Findings {
    /// Events that were meant: all applied.
    pub(crate) applied: usize,
    /// Handler calls beyond the first for each object.
    pub(crate) called_again: usize,
    pub(crate) replayed: u64,
    pub(crate) sent_afresh: usize,
    pub(crate) rechecked: usize,
    pub(crate) drifted: usize,
    /// The most that any replica took, and by how many KiB any grew.
    pub(crate) taken: (Taken, u64),
    /// How long it took until nothing was pending.
    pub(crate) calm_after: Duration,
}

/// What a soak is about: it goes on until each has happened.
pub(crate) const HAPPENED: [&str; 7] = [
    "revocations",
    "flows/linked",
    "blows/Kill",
    "blows/Server",
    "blows/OldKey",
    "spells/401",
    "forged/token of another",
];
const ENOUGH_APPLIED: usize = 50;

pub(crate) async fn run(
    cluster: &Cluster,
    engine: &Engine,
    settings: &Settings,
    length: &Length,
    refused: &[(i64, i64)],
    journal: &Path,
) -> Findings {
    let over = Instant::now();
    sender::collect(cluster).await;
    calm(cluster, engine, length).await;
    let calm_after = over.elapsed();
    explain_the_dead(cluster, &engine.rows().await, refused);
    let replayed = replay(cluster).await;
    calm(cluster, engine, length).await;
    let sent_afresh = send_afresh(cluster, &engine.rows().await).await;
    let last = last_word(cluster).await;
    calm(cluster, engine, length).await;

    let rows = engine.rows().await;
    let applied = is_applied(cluster, &rows);
    let called_again = has_one_job_each(cluster, engine, &rows, journal).await;
    let drifted = is_as_the_vendor_says(cluster, engine, settings, &last).await;
    cluster.fleet.weigh();
    let (most, growth) = cluster.fleet.weights();
    if most.memory > MOST_MEMORY || growth > MOST_GROWTH || most.files > MOST_FILES {
        cluster
            .expectations
            .wrong(format!("a replica took {} KiB and {} files, grew by {growth} KiB", most.memory, most.files));
    }
    if applied < ENOUGH_APPLIED || HAPPENED.iter().any(|what| cluster.expectations.of(what) == 0) {
        cluster.expectations.wrong(format!("no soak that deserves the name: {applied} applied"));
    }
    Findings {
        applied,
        called_again,
        replayed,
        sent_afresh,
        rechecked: last.len(),
        drifted,
        taken: (most, growth),
        calm_after,
    }
}

/// Waits until nothing is pending.
async fn calm(cluster: &Cluster, engine: &Engine, length: &Length) {
    let begun = Instant::now();
    let mut hasten_at = Duration::from_secs(3);
    loop {
        let inbox =
            cluster.ask("the inbox", &admin("/admin/inbox?limit=1")).await.filter(|answer| answer.status == 200);
        let pending = inbox.map_or(u64::MAX, |inbox| inbox.json()["counts"]["pending"].as_u64().unwrap());
        if pending == 0 && engine.jobs().await.1 == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(300), "{pending} events are pending still on {}", engine.name());
        if length.is_short && begun.elapsed() > hasten_at {
            engine.hasten().await;
            hasten_at += Duration::from_secs(6);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Dead is what the vendor refused, by its own fault or because it was forged.
fn explain_the_dead(cluster: &Cluster, rows: &[Row], refused: &[(i64, i64)]) {
    let sent = &cluster.sent;
    let (forged, shadowed) = (sent.forged.lock().unwrap(), sent.shadowed.lock().unwrap());
    let mut unlucky = 0;
    for row in rows.iter().filter(|row| row.state == "dead") {
        let object = object(row);
        if forged.contains(&object) || shadowed.contains(&object) && row.reason == "token_dead" {
            cluster.expectations.count(&format!("dead/forged, {}", row.reason));
            continue;
        }
        // It is settled after it was refused, and a store that was away at that moment makes it later.
        let in_a_spell = |(from, to): &(i64, i64)| (*from - 1_000..*to + 30_000).contains(&row.settled_at);
        if row.reason == "token_dead" && refused.iter().any(in_a_spell) {
            cluster.expectations.count("dead/the vendor refused its own token");
            unlucky += 1;
        } else {
            cluster.expectations.wrong(format!("dead for an unknown reason: {row:?}"));
        }
    }
    if unlucky > cluster.expectations.of("faults/401") {
        cluster.expectations.wrong(format!("{unlucky} died of refused tokens, of which there were fewer"));
    }
}

/// Each acknowledged event is there and applied; nothing else is.
fn is_applied(cluster: &Cluster, rows: &[Row]) -> usize {
    let done: BTreeSet<Object> = rows.iter().filter(|row| row.state == "done").map(object).collect();
    let there: BTreeSet<Object> = rows.iter().map(object).collect();
    let acknowledged = cluster.sent.acknowledged.lock().unwrap();
    for object in acknowledged.iter().filter(|object| !done.contains(*object)) {
        let how = if there.contains(object) { "not applied" } else { "LOST" };
        cluster.expectations.wrong(format!("acknowledged, and {how}: {object:?}"));
    }
    for object in cluster.sent.forged.lock().unwrap().intersection(&done) {
        cluster.expectations.wrong(format!("forged, and applied: {object:?}"));
    }
    for object in done.difference(&acknowledged) {
        cluster.expectations.wrong(format!("applied, and never acknowledged: {object:?}"));
    }
    if let Some(row) = rows.iter().find(|row| !matches!(&*row.state, "done" | "dead")) {
        cluster.expectations.wrong(format!("neither done nor dead: {row:?}"));
    }
    done.len()
}

/// One job for each object, and the handler was called for each. How many calls were not the first.
async fn has_one_job_each(cluster: &Cluster, engine: &Engine, rows: &[Row], journal: &Path) -> usize {
    let (jobs, open) = engine.jobs().await;
    for (object, count) in jobs.iter().filter(|(_, count)| **count != 1) {
        cluster.expectations.wrong(format!("{count} jobs of {object:?}"));
    }
    // A face that did not pass belongs to no identity, and has none.
    let done = rows.iter().filter(|row| row.state == "done" && row.kind == KIND).map(object);
    for object in done.collect::<BTreeSet<_>>() {
        if !jobs.contains_key(&object) {
            cluster.expectations.wrong(format!("no job of {object:?}"));
        }
    }
    let journal = std::fs::read_to_string(journal).unwrap();
    let mut calls = BTreeMap::<&str, usize>::new();
    for line in journal.lines() {
        *calls.entry(line.split(' ').next().unwrap()).or_default() += 1;
    }
    if calls.len() != jobs.len() || open != 0 {
        cluster.expectations.wrong(format!("{} jobs, {open} not done, {} in the journal", jobs.len(), calls.len()));
    }
    journal.lines().count() - calls.len()
}

/// What is dead and could still be applied: once more, from the page's own route.
async fn replay(cluster: &Cluster) -> u64 {
    let call = post("/admin/inbox/replay").header("authorization", format!("Bearer {ADMIN_TOKEN}"));
    let answer = cluster.ask("a replay", &call.header("accept", "application/json")).await.unwrap();
    answer.json()["replayed"].as_u64().unwrap_or_else(|| panic!("{answer:?}"))
}

/// What died of a refused token is sent by the vendor with a fresh one.
async fn send_afresh(cluster: &Cluster, rows: &[Row]) -> usize {
    let done: BTreeSet<Object> = rows.iter().filter(|row| row.state == "done").map(object).collect();
    let acknowledged = cluster.sent.acknowledged.lock().unwrap().clone();
    let left: Vec<_> = acknowledged.difference(&done).collect();
    for (kind, id) in &left {
        let sandbox = &cluster.sandbox;
        let number = if kind == KIND { sandbox.send_verification(id) } else { sandbox.send_authentication(id) };
        sandbox.settled(number.unwrap()).await.unwrap();
    }
    left.len()
}

/// One more event about every person, so that the vendor's present answer is stored. Verifications by identity.
async fn last_word(cluster: &Cluster) -> BTreeMap<String, String> {
    let people = cluster.people.iter().filter_map(|person| person.identity(&cluster.sandbox));
    let mut last = BTreeMap::new();
    for identity in people.chain(cluster.crowd.iter().cloned()) {
        let verified = cluster.sandbox.verify_as(&identity, Outcome::Fail).unwrap();
        sender::deliver(cluster, KIND, &verified.verification_id, &verified.token).await;
        last.insert(identity, verified.verification_id);
    }
    last
}

/// A user whose flows were all cut off by faults is let in by one more.
async fn passes_in_peace(cluster: &Cluster, person: &Person) {
    for seed in 0..20 {
        if shows_at_once(cluster, person).await || flow(cluster, person, "pass", &mut Random::new(seed)).await {
            cluster.expectations.count("flows/in peace");
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    cluster.expectations.wrong(format!("{} can't get in, though nothing is in the way", person.user));
}

async fn shows_at_once(cluster: &Cluster, person: &Person) -> bool {
    cluster.ask("the vault", &person.get("/vault")).await.is_some_and(|answer| answer.status == 200)
}

/// Every replica, and a fourth that asks the vendor once more about each. How many it found otherwise.
async fn is_as_the_vendor_says(
    cluster: &Cluster,
    engine: &Engine,
    settings: &Settings,
    last: &BTreeMap<String, String>,
) -> usize {
    let addresses = cluster.addresses();
    for identity in last.keys() {
        let truth = cluster.sandbox.person(identity).unwrap().status;
        for address in &addresses {
            let call = admin(&format!("/admin/identities/{identity}"));
            let answer = cluster.ask_at(*address, "an identity", &call).await.unwrap();
            if answer.status != 200 || answer.json()["status"] != *truth {
                cluster.expectations.wrong(format!("the vendor says {truth} of {identity}, and {address} {answer:?}"));
            }
        }
    }
    for person in &cluster.people {
        let status = person.identity(&cluster.sandbox).map(|id| cluster.sandbox.person(&id).unwrap().status);
        let open = person.class == Class::Member && status.as_deref() == Some("ACTIVE");
        if open && !person.was_let_in() {
            passes_in_peace(cluster, person).await;
        }
        for address in &addresses {
            if !shows(*address, person, if open { 200 } else { 403 }).await {
                cluster
                    .expectations
                    .wrong(format!("{address} is not as the vendor says of {}: {status:?}", person.user));
            }
        }
    }
    let incode = fourth(settings, engine).await;
    let report = incode.reconcile(&Actor::new("soak").unwrap()).await.unwrap();
    let mut drifted = report.applied.iter().filter(|drift| drift.is_change()).count();
    for (identity, verification) in last {
        let token = Token::new(cluster.sandbox.issue_token(identity)).unwrap();
        let drift = incode.recheck(&ObjectId::new(verification.as_str()).unwrap(), &token).await.unwrap();
        drifted += usize::from(drift.is_change());
    }
    incode.shutdown().await;
    if drifted > 0 {
        cluster.expectations.wrong(format!("{drifted} were otherwise known than the vendor has them"));
    }
    drifted
}

async fn fourth(settings: &Settings, engine: &Engine) -> Incode {
    let store = engine.url_at(engine.port());
    let settings = settings.clone().with("INCODE_STORE", store);
    let variables = settings.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let engines: &[adapter::Engine] = &[
        |store| incode_postgres::from_url(store.url).map(boxed),
        |store| incode_redis::from_url(store.url).map(boxed),
    ];
    Builder::from_settings(variables, engines).unwrap().build().await.unwrap()
}

fn boxed<O: OpenStore>(options: Result<O, StoreError>) -> Result<Box<dyn OpenStore>, StoreError> {
    options.map(|options| Box::new(options) as Box<dyn OpenStore>)
}

fn object(row: &Row) -> Object {
    (row.kind.clone(), row.object.clone())
}

/// KiB of an app built for debugging.
const MOST_MEMORY: u64 = 256 << 10;
const MOST_GROWTH: u64 = 64 << 10;
const MOST_FILES: u64 = 256;
