//! Other crates' ways to the same ends, beside ours: the same request in the same process, in instructions and in time.
//!
//! Run by `tests/bench-peers`, with the word `durable` for durable acceptance alone. What each case is, and what the figures mean: docs/performance.md.

mod actix;
#[path = "../../benches/common/callgrind.rs"]
mod callgrind;
mod clerk;
mod durable;
#[path = "../../benches/common/events.rs"]
mod events;
#[path = "../../benches/common/figures.rs"]
mod figures;
mod ours;
#[path = "../../benches/common/rows.rs"]
#[expect(dead_code, reason = "other benchmarks number their deliveries")]
mod rows;
mod tower;
mod webhook;

use std::env;
use std::time::Instant;

use figures::Figures;

fn main() {
    if callgrind::is_counted_child(repeat) {
        return;
    }
    match env::args().nth(1).as_deref() {
        None => {
            report();
            durable::report();
        }
        Some("durable") => durable::report(),
        Some(other) => panic!("what is {other}?"),
    }
}

/// Requests and deliveries one after the other, in one thread.
fn report() {
    println!(
        "| | instructions | over the first of its kind | ns | over the first of its kind |\n|---|---|---|---|---|"
    );
    for cases in [&tower::CASES[..], &actix::CASES[..], &webhook::CASES[..]] {
        let mut bare = None;
        for case in cases {
            let count = callgrind::instructions(case).unwrap_or(f64::NAN);
            let time = Figures::from((0..ROUNDS).map(|_| nanos(case)).collect::<Vec<_>>());
            let (bare_count, bare_time) = *bare.get_or_insert((count, time.median()));
            let (more, later) = (count - bare_count, time.median() - bare_time);
            println!("| {case} | {count:.0} | {more:+.0} | {time} | {later:+.0} |");
        }
    }
}

/// Of one request: two runs whose difference leaves out the start.
fn nanos(case: &str) -> f64 {
    let [few, many] = [FEW, MANY].map(|times| {
        let begun = Instant::now();
        repeat(case, times);
        begun.elapsed().as_secs_f64() * 1e9
    });
    (many - few) / f64::from(MANY - FEW)
}

fn repeat(case: &str, times: u32) {
    match case.split_once(": ") {
        Some(("axum", way)) => tower::repeat(way, times),
        Some(("actix-web", way)) => actix::repeat(way, times),
        Some(("webhook", way)) => webhook::repeat(way, times),
        _ => panic!("no such case: {case}"),
    }
}

/// The headers of every request, without those that name the user.
const HEADERS: [(&str, &str); 3] = [
    ("host", "app.example"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
];
const USER: &str = "user-000000000000";
const ROUNDS: usize = 5;
const FEW: u32 = 1_000;
const MANY: u32 = 21_000;
