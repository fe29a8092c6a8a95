//! Breadth-first search through every state that can be reached: the trace it finds is one of the shortest.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// What can be explored.
pub trait Model {
    /// Everything that the next steps depend on.
    type State: Clone + Hash;
    /// One step.
    type Action: Copy + Debug;

    /// Where it begins.
    fn start(&self) -> Self::State;

    /// Every step that can be taken now.
    fn actions(&self, state: &Self::State, into: &mut Vec<Self::Action>);

    /// Takes a step.
    ///
    /// # Errors
    /// The step breaks a property.
    fn step(&self, state: &mut Self::State, action: Self::Action) -> Result<(), Violation>;
}

/// The property that does not hold, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its name.
    pub property: &'static str,
    /// What was seen.
    pub seen: String,
}

/// What an exploration came to.
#[derive(Clone, Debug)]
pub struct Explored {
    /// States that differ.
    pub states: u64,
    /// Steps taken between them.
    pub transitions: u64,
    /// The number of steps of the longest of all shortest ways to a state.
    pub depth: u32,
    /// How long it took.
    pub took: Duration,
    /// The first broken property, with the steps that lead there.
    pub violation: Option<(Violation, Vec<String>)>,
    /// The search ended because it reached its limit: there are more states.
    pub is_cut_short: bool,
}

/// Explores until every state was visited, a property is broken, or `limit` states were seen.
pub fn explore<M: Model>(model: &M, limit: u64) -> Explored {
    let began = Instant::now();
    let start = model.start();
    let first = fingerprint(&start);
    // Fingerprint -> (fingerprint of the state before, number of the action there). 64 bits: among ten million states
    // the chance that two share one is one in 400,000.
    let mut seen: HashMap<u64, (u64, u16), BuildHasherDefault<Identity>> = HashMap::default();
    seen.insert(first, (first, 0));
    let mut layer = vec![(first, start)];
    let mut actions = Vec::new();
    let mut explored =
        Explored { states: 1, transitions: 0, depth: 0, took: Duration::ZERO, violation: None, is_cut_short: false };
    while !layer.is_empty() && !explored.is_cut_short {
        let mut next_layer = Vec::new();
        for (from, state) in &layer {
            actions.clear();
            model.actions(state, &mut actions);
            for (number, action) in actions.iter().enumerate() {
                let mut next = state.clone();
                explored.transitions += 1;
                if let Err(violation) = model.step(&mut next, *action) {
                    let mut trace = trace(model, &seen, *from);
                    trace.push(format!("{action:?}"));
                    explored.violation = Some((violation, trace));
                    explored.took = began.elapsed();
                    return explored;
                }
                let to = fingerprint(&next);
                if let Entry::Vacant(free) = seen.entry(to) {
                    free.insert((*from, u16::try_from(number).unwrap_or(u16::MAX)));
                    explored.states += 1;
                    next_layer.push((to, next));
                }
            }
            if explored.states >= limit {
                explored.is_cut_short = true;
                break;
            }
        }
        explored.depth += u32::from(!next_layer.is_empty());
        layer = next_layer;
    }
    explored.took = began.elapsed();
    explored
}

/// The steps from the start to a state, found by walking back and then taking the same steps again.
fn trace<M: Model>(
    model: &M,
    seen: &HashMap<u64, (u64, u16), BuildHasherDefault<Identity>>,
    mut at: u64,
) -> Vec<String> {
    let mut numbers = Vec::new();
    while let Some((before, number)) = seen.get(&at)
        && *before != at
    {
        numbers.push(*number);
        at = *before;
    }
    let mut state = model.start();
    let mut steps = Vec::new();
    let mut actions = Vec::new();
    for number in numbers.into_iter().rev() {
        actions.clear();
        model.actions(&state, &mut actions);
        let Some(action) = actions.get(usize::from(number)) else { break };
        steps.push(format!("{action:?}"));
        if model.step(&mut state, *action).is_err() {
            break;
        }
    }
    steps
}

fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// A fingerprint is a hash already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}
