//! Explores worlds and prints the figures; fails when a rule does not hold.
//!
//! `incode-model small` explores the worlds of the test command, `incode-model large N` those of the long run, each up
//! to N million states. Without an argument: small.

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use std::process::ExitCode;
use std::time::Duration;

use incode_model::explorer::explore;
use incode_model::step::Walk;
use incode_model::worlds;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (worlds, limit) = match arguments.next().as_deref() {
        Some("large") => {
            let millions = arguments.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(2);
            (worlds::large(), millions * 1_000_000)
        }
        _ => (worlds::small(), u64::MAX),
    };
    let (mut states, mut transitions, mut took, mut whole, mut broken) = (0, 0, Duration::ZERO, 0, 0);
    let count = worlds.len();
    for world in worlds {
        let name = world.name;
        let explored = explore(&Walk::new(world), limit);
        let extent = if explored.is_cut_short { "cut short" } else { "whole" };
        println!(
            "{:>10} states {:>11} transitions  depth {:>2}  {:>6.1} s  {extent:<9}  {name}",
            explored.states,
            explored.transitions,
            explored.depth,
            explored.took.as_secs_f64()
        );
        if let Some((violation, trace)) = explored.violation {
            println!("  BROKEN: {} ({})\n    {}", violation.property, violation.seen, trace.join("\n    "));
            broken += 1;
        }
        states += explored.states;
        transitions += explored.transitions;
        took += explored.took;
        whole += u32::from(!explored.is_cut_short);
    }
    println!("{count} worlds ({whole} whole), {states} states, {transitions} transitions, {:.0} s", took.as_secs_f64());
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
