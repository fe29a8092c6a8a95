//! How long a gate stays open after a revocation that arrives behind ten thousand pending events, while the vendor allows
//! fifty events a second; and while more keep arriving.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod feed;
    pub(crate) mod figures;
}

use std::time::{Duration, Instant};

use common::feed::Feed;
use common::figures::Figures;
use incode_core::gate::Standing;
use incode_core::{Actor, IdentityId, Subject};
use incode_sandbox::{NewPerson, RateLimit, Sandbox};

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("seconds from the 204 of a revocation to the shut gate\n");
    println!(
        "| more arrive a second | pending before, after | revocations | p50 | p99 | at most |\n|---|---|---|---|---|---|"
    );
    for flood in [0, 10] {
        let (waits, left) = runtime.block_on(measure(flood));
        let waits = Figures::from(waits);
        let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| waits.quantile(share));
        println!("| {flood} | {PENDING}, {left} | {REVOCATIONS} | {p50:.2} | {p99:.2} | {most:.2} |");
    }
}

/// Seconds of each revocation, and how many events were pending still at the end.
async fn measure(flood: u32) -> (Vec<f64>, u64) {
    let sandbox = Sandbox::builder().token_lifetime(Duration::from_secs(3600)).start().await.unwrap();
    let feed = Feed::start(&sandbox).await;
    let mut linked = Vec::new();
    for number in 0..REVOCATIONS {
        let person = sandbox.add_person(NewPerson::named("Ana Flores")).identity_id;
        feed.send(&sandbox.verify(&person).unwrap()).await;
        let subject = Subject::new(format!("user-{number}")).unwrap();
        let identity = IdentityId::new(&*person).unwrap();
        // Not known before its event is applied.
        while feed.incode.link(&subject, &identity, &Actor::unknown()).await.is_err() {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        linked.push((subject, person));
    }
    sandbox.change_behaviour(|behaviour| {
        behaviour.rate_limits = vec![RateLimit::new(100.0, 10)];
        behaviour.latency_ms = 50;
    });
    feed.deliver(PENDING).await;
    let more = async {
        loop {
            tokio::time::sleep(FLOOD_STEP).await;
            feed.deliver((f64::from(flood) * FLOOD_STEP.as_secs_f64()) as usize).await;
        }
    };
    let waits = tokio::select! {
        () = more => Vec::new(),
        waits = revoke(&sandbox, &feed, linked) => waits,
    };
    let left = feed.pending().await;
    feed.end().await;
    (waits, left)
}

async fn revoke(sandbox: &Sandbox, feed: &Feed, linked: Vec<(Subject, String)>) -> Vec<f64> {
    let mut waits = Vec::new();
    for (subject, person) in linked {
        assert_eq!(feed.incode.visitor(&subject).await.standing(), Standing::Active);
        let verified = sandbox.verify(&person).unwrap();
        sandbox.revoke(&person).unwrap();
        feed.send(&verified).await;
        let acknowledged = Instant::now();
        while feed.incode.visitor(&subject).await.standing() == Standing::Active {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        waits.push(acknowledged.elapsed().as_secs_f64());
    }
    waits
}

const PENDING: usize = 10_000;
const REVOCATIONS: usize = 50;
const FLOOD_STEP: Duration = Duration::from_millis(100);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
