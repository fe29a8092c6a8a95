use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use incode_sandbox::Sandbox;
use incode_tests::eventually;
use incode_tests::process::{App, Example, Settings};
use tempfile::TempDir;

use crate::load::Load;

on_both_examples!(killed_again_and_again_under_load);

/// `INCODE_KILL_ROUNDS` rounds, half of them on each app; `tests/long/kill-rounds` runs many.
async fn killed_again_and_again_under_load(example: Example) {
    let all: usize = std::env::var("INCODE_KILL_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap());
    let mut left = all.div_ceil(2);
    let (begun, mut sent, mut acknowledged) = (Instant::now(), 0, 0);
    while left > 0 {
        let rounds = left.min(ROUNDS_ON_ONE_FILE);
        let figures = rounds_on_one_file(example, rounds).await;
        (sent, acknowledged, left) = (sent + figures.0, acknowledged + figures.1, left - rounds);
    }
    println!(
        "{}: {} kills, {sent} sent, {acknowledged} acknowledged and applied once each, {:.1} s",
        example.name(),
        all.div_ceil(2),
        begun.elapsed().as_secs_f64()
    );
}

async fn rounds_on_one_file(example: Example, rounds: usize) -> (u64, usize) {
    let sandbox = Sandbox::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let settings = Settings::of(&sandbox, directory.path());
    let load = Load::new(&sandbox);
    for _ in 0..rounds {
        let app = App::start(example, &settings).await;
        let senders = load.run(app.address, CONNECTIONS);
        tokio::time::sleep(random_moment()).await;
        app.kill().await;
        senders.join_all().await;
    }
    let app = App::start(example, &settings).await;
    // The vendor tries again what it got no answer to, as it does.
    load.settle(app.address).await;
    eventually("all is applied", async || app.count("pending").await == 0).await;
    let (sent, acknowledged) = load.figures();
    assert!(acknowledged > rounds, "a load that deserves the name: {acknowledged}");
    assert_eq!(app.stop().await.code, Some(0));
    load.is_applied_once_each(&directory.path().join("incode.db"));
    (sent, acknowledged)
}

fn random_moment() -> Duration {
    Duration::from_millis(5) + Duration::from_micros(RandomState::new().hash_one(0) % 250_000)
}

const CONNECTIONS: usize = 8;
/// Before a new file and a new vendor: both remember everything, and would slow down the later rounds.
const ROUNDS_ON_ONE_FILE: usize = 25;
