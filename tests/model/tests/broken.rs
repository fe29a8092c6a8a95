//! Each rule is broken on purpose, and the checker finds it.

use incode_model::broken::Rule;
use incode_model::explorer::explore;
use incode_model::step::Walk;
use incode_model::world::World;
use incode_model::worlds;

#[test]
fn each_broken_rule_is_found() {
    let missed: Vec<_> = Rule::ALL.into_iter().filter(|rule| !is_found(*rule)).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

fn is_found(rule: Rule) -> bool {
    worlds::small().into_iter().any(|world| {
        let name = world.name;
        let explored = explore(&Walk::new(World { broken: Some(rule), ..world }), u64::MAX);
        let Some((violation, trace)) = explored.violation else { return false };
        println!("{rule:?}: {:?} ({}) in {name:?} after {} steps", violation.property, violation.seen, trace.len());
        true
    })
}
