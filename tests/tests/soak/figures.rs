//! The figures as a table for `docs/performance.md`.

use std::time::Duration;

use crate::checks::Findings;
use crate::cluster::Cluster;

pub(crate) fn print(cluster: &Cluster, engine: &str, lasted: Duration, seed: u64, findings: &Findings) {
    let expectations = &cluster.expectations;
    let blow = |name: &str| expectations.of(&format!("blows/{name}"));
    let listed = |prefix: &str| {
        let all = expectations.all(prefix);
        if all.is_empty() { "none".to_owned() } else { list(&all) }
    };
    let (most, growth) = findings.taken;
    let rows = [
        (
            "lasted",
            format!("{} s, then {} s until nothing was pending", lasted.as_secs(), findings.calm_after.as_secs()),
        ),
        ("seed", seed.to_string()),
        ("replicas killed (SIGKILL); stopped", { format!("{}; {}", blow("Kill") + blow("Both"), blow("Stop")) }),
        ("replicas restarted with the old store key alone, and with both again", blow("OldKey").to_string()),
        ("database killed and started again", (blow("Server") + blow("Both")).to_string()),
        ("networks reset; cut; silent; slow; without notices", {
            ["Reset", "Cut", "Silent", "Slow", "NoNotices"].map(|name| blow(name).to_string()).join("; ")
        }),
        ("vendor calls", expectations.of("vendor calls").to_string()),
        ("of which met a fault", listed("faults/")),
        ("spells in which every call failed", listed("spells/")),
        ("deliveries", listed("deliveries/")),
        ("forged deliveries", listed("forged/")),
        ("events acknowledged and applied, once each", findings.applied.to_string()),
        ("dead letters before replay", listed("dead/")),
        ("replayed; sent again by the vendor with a fresh token", {
            format!("{}; {}", findings.replayed, findings.sent_afresh)
        }),
        ("handler calls beyond one for each event", findings.called_again.to_string()),
        ("flows", listed("flows/")),
        ("faces; transfers", format!("{}; {}", listed("faces/"), listed("transfers/"))),
        ("gated requests", listed("gated/")),
        ("answers of the balancer's own", listed("balancer/")),
        ("revocations", expectations.of("revocations").to_string()),
        ("last open answer of a replica after the settlement, undisturbed", closings(&expectations.closings(false))),
        ("the same while its notices were disturbed", closings(&expectations.closings(true))),
        ("identities rechecked; otherwise known", format!("{}; {}", findings.rechecked, findings.drifted)),
        ("memory of the replica that ran all along, from the beginning to the end, MiB", {
            let memory: Vec<_> = cluster.fleet.slots[0].memory(10).iter().map(u64::to_string).collect();
            memory.join(", ")
        }),
        ("of any: most, growth after 10 s, open files", {
            format!("{} MiB, {} MiB, {}", most.memory >> 10, growth >> 10, most.files)
        }),
        ("log lines searched", expectations.of("log lines").to_string()),
        ("promises broken", expectations.wrongs().len().to_string()),
    ];
    println!("\n| | {engine} |\n|---|---|");
    for (what, figure) in rows {
        println!("| {what} | {figure} |");
    }
    println!();
}

fn list(all: &[(String, u64)]) -> String {
    let each: Vec<_> = all.iter().map(|(name, count)| format!("{name} {count}")).collect();
    each.join(", ")
}

/// Number, p50, p99, most.
fn closings(sorted: &[Duration]) -> String {
    let Some(most) = sorted.last() else { return "none".to_owned() };
    let rank = |share: f64| sorted[(share * (sorted.len() - 1) as f64).round() as usize];
    let millis = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1_000.0);
    let [p50, p99] = [0.5, 0.99].map(rank).map(millis);
    format!("{} times, p50 {p50} ms, p99 {p99} ms, at most {} ms", sorted.len(), millis(*most))
}
