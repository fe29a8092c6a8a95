//! Every small world, explored whole.

use std::sync::Mutex;

use incode_model::explorer::explore;
use incode_model::step::Walk;
use incode_model::worlds;

#[test]
fn in_every_small_world_the_rules_hold() {
    // Both cores take the next world: they share nothing else.
    let (worlds, states) = (Mutex::new(worlds::small()), Mutex::new(0));
    let work = || {
        loop {
            let next = worlds.lock().unwrap().pop();
            let Some(world) = next else { return };
            let name = world.name;
            let explored = explore(&Walk::new(world), u64::MAX);
            if let Some((violation, trace)) = explored.violation {
                panic!("{name}: {violation:?}\n{}", trace.join("\n"));
            }
            *states.lock().unwrap() += explored.states;
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        work();
        other.join().unwrap();
    });
    // Fewer would mean that a world stopped moving.
    let states = states.into_inner().unwrap();
    assert!(states > 500_000, "{states} states");
}

/// The cases that the rules can't distinguish are listed, and are no worse than that. When one of these is mended, it
/// moves to the worlds where the rules hold.
#[test]
fn the_known_limits_are_those_written_down() {
    for world in worlds::known_limits() {
        let name = world.name;
        let found = explore(&Walk::new(world), u64::MAX).violation.map(|(violation, _)| violation.property);
        assert_eq!(found, Some("no link to another person"), "{name}");
    }
}
