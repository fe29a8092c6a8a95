//! What can happen next in a world.

use incode_core::store::EventState;

use crate::world::{End, State, Task, World};

/// One step.
#[expect(missing_docs, reason = "each field is the number of what the step is about, in the order of the world")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A subject leaves for the vendor's page.
    Start { flow: u8 },
    /// Someone is in front of the vendor's page, and the check ends so.
    Visit { visit: u8, end: End },
    /// The vendor decides about a check it had left open.
    Decide { object: u8, end: End },
    /// The vendor's event of an object arrives.
    Deliver { object: u8 },
    /// It comes once more, with another token.
    Redeliver { object: u8 },
    /// A stranger sends an event of the object.
    Forge { object: u8 },
    /// A replica leases an event and asks the vendor.
    Claim { row: u8 },
    /// A subject comes back with the token of a visit, and a replica asks the vendor.
    Return { flow: u8, visit: u8 },
    /// A replica asks the vendor about a person, without an event.
    Observe { person: u8 },
    /// Someone shows a face to the application, and a replica asks the vendor.
    Face { face: u8 },
    /// The vendor answers.
    Answer { hand: u8 },
    /// The replica writes what it was answered.
    Settle { hand: u8 },
    /// The replica dies.
    Crash { hand: u8 },
    /// A confirmation is used.
    Use { number: u8 },
    /// The vendor revokes the victim's identity.
    Revoke,
    /// The victim verifies elsewhere, and the identity is ACTIVE again.
    Reverify,
    /// The application forgets the victim's identity.
    Forget,
    /// The application links.
    Link { number: u8 },
    /// The application unlinks.
    Unlink { number: u8 },
    /// Both clocks jump.
    Jump,
}

/// Every step that can be taken now.
pub(crate) fn all(world: &World, state: &State, into: &mut Vec<Action>) {
    let did = &state.did;
    for (hand, held) in (0u8..).zip(&state.hands) {
        into.push(if held.answer.is_some() { Action::Settle { hand } } else { Action::Answer { hand } });
        if did.crashes < world.crashes {
            into.push(Action::Crash { hand });
        }
    }
    vendors(world, state, into);
    if state.hands.len() < world.replicas {
        exchanges(world, state, into);
    }
    for (flow, started) in (0u8..).zip(&state.flows) {
        if started.is_none() {
            into.push(Action::Start { flow });
        }
    }
    for (number, tried) in (0u8..).zip(did.uses).take(world.uses.len()) {
        if tried < 2 {
            into.push(Action::Use { number });
        }
    }
    if did.forgets < world.forgets {
        into.push(Action::Forget);
    }
    let left = |done: u8, number: &u8| done & (1 << number) == 0;
    let numbers = |len: usize| 0..u8::try_from(len).unwrap_or(u8::MAX);
    into.extend(numbers(world.links.len()).filter(|n| left(did.links, n)).map(|number| Action::Link { number }));
    let unlinks = numbers(world.unlinks.len()).filter(|n| left(did.unlinks, n));
    into.extend(unlinks.map(|number| Action::Unlink { number }));
    if usize::from(state.era) <= world.clock.len() {
        into.push(Action::Jump);
    }
}

/// What the vendor and the people in front of its page can do.
fn vendors(world: &World, state: &State, into: &mut Vec<Action>) {
    let did = &state.did;
    for (number, visit) in (0u8..).zip(&world.visits) {
        let is_open = visit.flow.is_none_or(|flow| state.flows[usize::from(flow)].is_some());
        if is_open && state.objects[usize::from(number)].is_none() {
            into.extend(visit.ends.iter().map(|end| Action::Visit { visit: number, end: *end }));
        }
    }
    for (number, object) in (0u8..).zip(&state.objects) {
        let Some(of) = object else { continue };
        if of.end == End::Undecided {
            into.push(Action::Decide { object: number, end: End::Fail });
            if of.human == Some(of.identity) {
                into.push(Action::Decide { object: number, end: End::Pass });
            }
            continue;
        }
        if !of.is_delivered {
            into.push(Action::Deliver { object: number });
        } else if did.redeliveries < world.redeliveries {
            into.push(Action::Redeliver { object: number });
        }
        if did.forgeries < world.forgeries {
            into.push(Action::Forge { object: number });
        }
    }
    if !state.is_revoked && did.revokes < world.revokes {
        into.push(Action::Revoke);
    }
    // Who was revoked verifies again; who was not may too.
    if did.reverifies < world.reverifies {
        into.push(Action::Reverify);
    }
}

/// The exchanges with the vendor that a replica can begin.
fn exchanges(world: &World, state: &State, into: &mut Vec<Action>) {
    let did = &state.did;
    for (row, event) in (0u8..).zip(&state.rows.inbox) {
        let is_held = state.hands.iter().any(|hand| hand.task == Task::Event(row, event.leases));
        if event.state == EventState::Pending && (!is_held || did.steals < world.steals) {
            into.push(Action::Claim { row });
        }
    }
    if did.returns < world.returns {
        for (flow, subject) in (0u8..).zip(world.flows) {
            for (number, visit) in (0u8..).zip(&world.visits) {
                let has_token = visit.flow.is_some()
                    && visit.human == world.human_of(*subject)
                    && state.objects[usize::from(number)].is_some();
                if has_token && state.flows[usize::from(flow)].is_some() {
                    into.push(Action::Return { flow, visit: number });
                }
            }
        }
    }
    if did.observes < world.observes.1 {
        into.extend(world.observes.0.iter().map(|person| Action::Observe { person: *person }));
    }
    let faces = 0..u8::try_from(world.faces.len()).unwrap_or(u8::MAX);
    into.extend(faces.filter(|face| did.faces & (1 << face) == 0).map(|face| Action::Face { face }));
}
