//! Explores worlds and prints the figures; fails when a rule does not hold.
//!
//! `incode-model small` explores the worlds of the test command, `incode-model large N` those of the long run, each up
//! to N million states. Without an argument: small.

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use incode_model::explorer::{Explored, explore};
use incode_model::step::Walk;
use incode_model::worlds;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (worlds, limit) = match arguments.next().as_deref() {
        Some("large") => {
            let millions = arguments.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
            (worlds::large(), millions * 1_000_000)
        }
        _ => (worlds::small(), u64::MAX),
    };
    let count = worlds.len();
    let began = Instant::now();
    // Both cores take the next world. The first worlds come first: they are the better known.
    let queue = Mutex::new(worlds.into_iter().rev().collect::<Vec<_>>());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || {
        let mut sum = Sum::default();
        while let Some(world) = take() {
            sum.add(world.name, &explore(&Walk::new(world), limit));
        }
        sum
    };
    let sums = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let own = work();
        // A thread that panicked has found something too.
        [own, other.join().unwrap_or(Sum { broken: 1, ..Sum::default() })]
    });
    let of = |part: fn(&Sum) -> u64| sums.iter().map(part).sum::<u64>();
    println!(
        "{count} worlds ({} whole), {} states, {} transitions, {:.0} s",
        of(|sum| sum.whole),
        of(|sum| sum.states),
        of(|sum| sum.transitions),
        began.elapsed().as_secs_f64()
    );
    if of(|sum| sum.broken) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the worlds of one thread came to.
#[derive(Default)]
struct Sum {
    states: u64,
    transitions: u64,
    whole: u64,
    broken: u64,
}

impl Sum {
    fn add(&mut self, name: &str, explored: &Explored) {
        let extent = if explored.is_cut_short { "cut short" } else { "whole" };
        println!(
            "{:>10} states {:>11} transitions  depth {:>2}  {:>6.1} s  {extent:<9}  {name}",
            explored.states,
            explored.transitions,
            explored.depth,
            explored.took.as_secs_f64()
        );
        if let Some((violation, trace)) = &explored.violation {
            println!("  BROKEN: {} ({})\n    {}", violation.property, violation.seen, trace.join("\n    "));
            self.broken += 1;
        }
        self.states += explored.states;
        self.transitions += explored.transitions;
        self.whole += u64::from(!explored.is_cut_short);
    }
}
