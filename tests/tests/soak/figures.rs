//! The figures as a table for `docs/performance.md`.

use std::time::Duration;

use crate::town::Town;
use crate::verdict::Verdict;

pub(crate) fn print(town: &Town, engine: &str, lasted: Duration, seed: u64, verdict: &Verdict) {
    let book = &town.book;
    let blow = |name: &str| book.of(&format!("blows/{name}"));
    let listed = |prefix: &str| {
        let all = book.all(prefix);
        if all.is_empty() { "none".to_owned() } else { list(&all) }
    };
    let (most, growth) = verdict.taken;
    let rows = [
        (
            "lasted",
            format!("{} s, then {} s until nothing was pending", lasted.as_secs(), verdict.calm_after.as_secs()),
        ),
        ("seed", seed.to_string()),
        ("replicas killed (SIGKILL); stopped", { format!("{}; {}", blow("Kill") + blow("Both"), blow("Stop")) }),
        ("database killed and started again", (blow("Server") + blow("Both")).to_string()),
        ("networks reset; cut; silent; slow; without notices", {
            ["Reset", "Cut", "Silent", "Slow", "NoNews"].map(|name| blow(name).to_string()).join("; ")
        }),
        ("vendor calls", book.of("vendor calls").to_string()),
        ("of which met a fault", listed("faults/")),
        ("spells in which every call failed", listed("spells/")),
        ("deliveries", listed("deliveries/")),
        ("forged deliveries", listed("forged/")),
        ("events acknowledged and applied, once each", verdict.applied.to_string()),
        ("dead letters before replay", listed("dead/")),
        ("replayed; sent again by the vendor with a fresh token", {
            format!("{}; {}", verdict.replayed, verdict.sent_afresh)
        }),
        ("handler calls beyond one for each event", verdict.called_again.to_string()),
        ("flows", listed("flows/")),
        ("faces; transfers", format!("{}; {}", listed("faces/"), listed("transfers/"))),
        ("gated requests", listed("gated/")),
        ("answers of the balancer's own", listed("balancer/")),
        ("revocations", book.of("revocations").to_string()),
        ("last open answer of a replica after the settlement, undisturbed", closings(&book.closings(false))),
        ("the same while its notices were disturbed", closings(&book.closings(true))),
        ("identities rechecked; otherwise known", format!("{}; {}", verdict.rechecked, verdict.drifted)),
        ("memory of the replica that ran all along, from the beginning to the end, MiB", {
            let memory: Vec<_> = town.fleet.slots[0].memory(10).iter().map(u64::to_string).collect();
            memory.join(", ")
        }),
        ("of any: most, growth after 10 s, open files", {
            format!("{} MiB, {} MiB, {}", most.memory >> 10, growth >> 10, most.files)
        }),
        ("log lines searched", book.of("log lines").to_string()),
        ("promises broken", book.wrongs().len().to_string()),
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
