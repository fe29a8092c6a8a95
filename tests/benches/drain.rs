//! How near the worker comes to what a vendor allows, at several limits and times to answer: pending events without end,
//! a minute to find the limit, then a time that is counted.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod common {
    pub(crate) mod feed;
}

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::feed::Feed;
use incode_sandbox::{RateLimit, Sandbox};

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("calls a second that the vendor answered, of those that it allows, after {WARM_UP:?}, in {COUNTED:?}\n");
    println!(
        "| allowed a second | answer after ms | answered a second | share | refused (429) |\n|---|---|---|---|---|"
    );
    for allowed in [20, 100, 1000] {
        for latency in [5, 50, 300] {
            let (answered, refused) = runtime.block_on(measure(allowed, latency));
            let share = 100.0 * answered / f64::from(allowed);
            println!("| {allowed} | {latency} | {answered:.1} | {share:.1} % | {refused:.2} % |");
        }
    }
}

/// Answered calls a second, and which share of all calls was refused, in percent.
async fn measure(allowed: u32, latency: u64) -> (f64, f64) {
    let sandbox = Sandbox::builder().token_lifetime(LONG).start().await.unwrap();
    sandbox.change_behaviour(|behaviour| {
        behaviour.rate_limits = vec![RateLimit::new(f64::from(allowed), (allowed / 10).max(2))];
        behaviour.latency_ms = latency;
    });
    let feed = Feed::start(&sandbox).await;
    // An event takes two calls, so this is the work of some seconds.
    let enough = u64::from(allowed) * 3;
    let fill = async {
        loop {
            if feed.pending().await < enough {
                feed.deliver(allowed as usize).await;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    };
    let counted = async {
        tokio::time::sleep(WARM_UP).await;
        let since = millis();
        tokio::time::sleep(COUNTED).await;
        (since, millis(), sandbox.calls())
    };
    let (since, until, calls) = tokio::select! {
        () = fill => (0, 0, Vec::new()),
        counted = counted => counted,
    };
    assert!(feed.pending().await > 0, "it ran dry: nothing was measured");
    let within = calls.iter().filter(|call| (since..until).contains(&call.at));
    let (mut answered, mut refused) = (0.0, 0.0);
    for call in within {
        match call.status {
            Some(429) => refused += 1.0,
            Some(200) => answered += 1.0,
            _ => {}
        }
    }
    feed.end().await;
    (answered / COUNTED.as_secs_f64(), 100.0 * refused / (answered + refused))
}

fn millis() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

const WARM_UP: Duration = Duration::from_secs(60);
/// The sandbox remembers the latest 20,000 calls.
const COUNTED: Duration = Duration::from_secs(15);
/// No token may end before its event is taken up.
const LONG: Duration = Duration::from_secs(3600);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
