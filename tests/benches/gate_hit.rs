//! What the gate adds to a request of a known user, in instructions; and whether it stays the same with many known
//! users.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod callgrind;
    pub(crate) mod figures;
    pub(crate) mod gated;
    pub(crate) mod partial_store;
}

use std::time::Instant;

use common::callgrind;
use common::figures::Figures;
use common::gated::{self, ACTIX_CASES, AXUM_CASES};
use incode_tower::{GateLayer, IncodeLayer};
use tower::Layer;

fn main() {
    if callgrind::is_counted_child(gated::repeat) {
        return;
    }
    println!("| one request, its subject known | instructions | over bare |\n|---|---|---|");
    count(&AXUM_CASES);
    count(&ACTIX_CASES);
    println!("\n{ROUNDS} rounds of {REQUESTS} requests, each of another subject in no order; median (range)\n");
    println!("| subjects known | ns per request | of it layer and gate |\n|---|---|---|");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for subjects in [1_000, 100_000, 1_000_000] {
        runtime.block_on(flatness(subjects));
    }
}

fn count(cases: &[&str]) {
    let mut bare = None;
    for case in cases {
        let Some(count) = callgrind::instructions(case) else { return println!("| {case} | no valgrind | |") };
        let added = count - *bare.get_or_insert(count);
        println!("| {case} | {count:.0} | {added:+.0} |");
    }
}

async fn flatness(subjects: u64) {
    let incode = gated::incode(usize::try_from(subjects).unwrap() * 2).await;
    let mut gated = IncodeLayer::new(incode).layer(GateLayer::active().layer(gated::router()));
    let mut bare = gated::router();
    for subject in 0..subjects {
        gated::answer(&mut gated, &name(subject)).await;
    }
    let (mut with, mut added) = (Vec::new(), Vec::new());
    let mut random = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..ROUNDS {
        let seed = random;
        let begun = Instant::now();
        for _ in 0..REQUESTS {
            gated::answer(&mut gated, &name(next(&mut random) % subjects)).await;
        }
        let gated_time = begun.elapsed();
        random = seed;
        let begun = Instant::now();
        for _ in 0..REQUESTS {
            gated::answer(&mut bare, &name(next(&mut random) % subjects)).await;
        }
        let [gated, bare] = [gated_time, begun.elapsed()].map(|time| time.as_secs_f64() * 1e9 / f64::from(REQUESTS));
        with.push(gated);
        added.push(gated - bare);
    }
    let [with, added] = [with, added].map(Figures::from);
    println!("| {subjects} | {with} | {added} |");
}

fn name(subject: u64) -> String {
    format!("user-{subject:012}")
}

/// Xorshift: the same order in every run, and cheap.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

const ROUNDS: usize = 15;
const REQUESTS: u32 = 100_000;
