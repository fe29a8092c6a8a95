//! Allocations that the gate adds to a request of a known user, and the memory it takes to know a million.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod gated;
    pub(crate) mod partial_store;
}

use std::alloc::System;

use common::gated::{self, ACTIX_CASES, AXUM_CASES};
use incode_tower::{GateLayer, IncodeLayer};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tower::Layer;

/// Counts what everything in this program allocates, which is why it measures no times.
#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    println!("| one request, its subject known | allocations | over bare |\n|---|---|---|");
    for cases in [&AXUM_CASES[..], &ACTIX_CASES[..]] {
        let mut bare = None;
        for case in cases {
            let [few, many] = [FEW, MANY].map(|times| {
                let region = Region::new(COUNTED);
                gated::repeat(case, times);
                let change = region.change();
                change.allocations + change.reallocations
            });
            let count = (many as f64 - few as f64) / f64::from(MANY - FEW);
            println!("| {case} | {count:.1} | {:+.1} |", count - *bare.get_or_insert(count));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bytes = runtime.block_on(memory());
    println!("\n{SUBJECTS} subjects known: {:.0} MiB", bytes as f64 / f64::from(1 << 20));
}

async fn memory() -> usize {
    let incode = gated::incode(2 * SUBJECTS as usize).await;
    let mut gated = IncodeLayer::new(incode).layer(GateLayer::active().layer(gated::router()));
    let region = Region::new(COUNTED);
    for subject in 0..SUBJECTS {
        gated::answer(&mut gated, &format!("user-{subject:012}")).await;
    }
    let change = region.change();
    change.bytes_allocated - change.bytes_deallocated
}

const FEW: u32 = 500;
const MANY: u32 = 2500;
const SUBJECTS: u32 = 1_000_000;
