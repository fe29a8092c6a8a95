//! Explores the large worlds and prints what was found.
#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use incode_model::explorer::explore;
use incode_model::step::Walk;
use incode_model::worlds;

fn main() {
    for world in worlds::small() {
        let name = world.name;
        let explored = explore(&Walk::new(world), 300_000);
        println!(
            "{name}: {} states, {} transitions, depth {}, {:.1?}",
            explored.states, explored.transitions, explored.depth, explored.took
        );
        if let Some((violation, trace)) = explored.violation {
            println!("  BROKEN {violation:?}");
            for step in trace {
                println!("    {step}");
            }
        }
    }
}
