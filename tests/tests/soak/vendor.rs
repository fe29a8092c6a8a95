//! The vendor's bad days: one fault after the other, and spells in which everything fails alike.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use incode_sandbox::{Effect, Fault, Sandbox};

use crate::cluster::Cluster;
use crate::expectations::Expectations;
use crate::random::Random;

/// Stumbles until all is over. Gives the spells in which it refused tokens, in milliseconds since the epoch.
pub(crate) async fn stumble(cluster: Arc<Cluster>, mut random: Random, (least, most): (u64, u64)) -> Vec<(i64, i64)> {
    let mut refused = Vec::new();
    // The rarest fault to matter comes first: it alone makes dead letters of what is genuine.
    let mut spells = vec![401];
    let mut next_spell = std::time::Instant::now() + random.millis(1_500, 3_000);
    while !cluster.is_over() {
        cluster.pause(random.millis(30, 300)).await;
        if std::time::Instant::now() < next_spell {
            let effect = one(&mut random);
            let delay = if random.chance(20) { random.millis(10, 500) } else { Duration::ZERO };
            cluster.sandbox.add_fault(Fault::new(effect).after(delay));
            continue;
        }
        if spells.is_empty() {
            spells = random.shuffled(&[401, 403, 429, 500, 503, 0]);
        }
        let status = spells.pop().unwrap();
        cluster
            .expectations
            .count(&format!("spells/{}", if status == 0 { "resets".to_owned() } else { status.to_string() }));
        let (effect, time) = match status {
            0 => (Effect::Reset, random.millis(1_000, 4_000)),
            401 => (Effect::Status { status, retry_after: None }, random.millis(300, 1_500)),
            403 => (Effect::Status { status, retry_after: None }, random.millis(500, 3_000)),
            _ => (Effect::Status { status, retry_after: Some("1".to_owned()) }, random.millis(1_000, 4_000)),
        };
        cluster.sandbox.clear_faults();
        let begun = millis();
        cluster.sandbox.add_fault(Fault::new(effect).times(u32::MAX));
        cluster.pause(time).await;
        cluster.sandbox.clear_faults();
        if status == 401 {
            refused.push((begun, millis()));
        }
        next_spell = std::time::Instant::now() + random.millis(least, most);
    }
    cluster.sandbox.clear_faults();
    refused
}

fn one(random: &mut Random) -> Effect {
    let status =
        |status: u16, retry_after: Option<&str>| Effect::Status { status, retry_after: retry_after.map(str::to_owned) };
    match random.below(16) {
        0..2 => status(500, None),
        2 => status(502, None),
        3..5 => status(503, Some("1")),
        5 => status(504, None),
        6 => status(429, Some("1")),
        7 => status(429, None),
        8 => Effect::Reset,
        9 => Effect::Truncated,
        10 => Effect::Html,
        11 => Effect::Empty,
        12 => Effect::Trickle { interval_ms: 5 },
        13 => Effect::Redirect { location: "http://127.0.0.1:9/".to_owned() },
        14 if random.chance(30) => Effect::Stall,
        14 => Effect::Answer {
            status: 200,
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            body: "{\"status\":\"ACTIVE\"}".to_owned(),
            base64: false,
        },
        _ => Effect::Delay,
    }
}

/// Counts the calls and the faults they met, until it is stopped; the sandbox remembers only the latest.
pub(crate) struct Calls {
    sandbox: Sandbox,
    expectations: Arc<Expectations>,
    last: u64,
}

impl Calls {
    pub(crate) fn new(sandbox: Sandbox, expectations: Arc<Expectations>) -> Self {
        Self { sandbox, expectations, last: 0 }
    }

    pub(crate) fn count(&mut self) {
        let last = self.last;
        for call in self.sandbox.calls().into_iter().filter(|call| call.number > last) {
            self.last = call.number;
            self.expectations.count("vendor calls");
            match (call.fault, call.status) {
                (Some("status"), Some(status)) => self.expectations.count(&format!("faults/{status}")),
                (Some(fault), _) => self.expectations.count(&format!("faults/{fault}")),
                (None, _) => {}
            }
        }
    }
}

fn millis() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
