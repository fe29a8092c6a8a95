//! What can happen in a world, step by step. The vendor, the people and the workers are made up here; what is written
//! is decided by the real rules.

use std::sync::Arc;
use std::time::Duration;

use incode_core::Timestamp;
use incode_core::identity::transition::{
    ApplyEvent, ChangeRequest, Command, EventLink, Return, Rules, UsedNonce, UsedToken,
};
use incode_core::identity::{
    Check, Checks, Confirmation, FaceOrigin, FlowWindow, Link, LinkProof, NamedFlow, Observation, Verified,
};
use incode_core::model::{EventKind, IdentityStatus};
use incode_core::store::{EventId, EventState, NewEvent};

use crate::broken::Rule;
use crate::choices::{self, Action};
use crate::explorer::{Model, Violation};
use crate::names::{self, at};
use crate::properties::{self, Step};
use crate::world::{Did, End, Hand, Object, State, Task, Truth, World};

/// A world with the rules it runs by.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The world.
    pub world: World,
    rules: Arc<Rules>,
}

impl Walk {
    /// A world with its rules.
    pub fn new(world: World) -> Self {
        let rules = world.rules();
        Self { world, rules }
    }

    fn is_broken(&self, rule: Rule) -> bool {
        self.world.broken == Some(rule)
    }

    /// Runs a command as an engine does: load, decide, write; and holds the properties against it.
    fn run(&self, state: &mut State, command: Command, step: Step) -> Result<(), Violation> {
        let now = at(state.clock.0);
        let mut request = ChangeRequest { command, rules: self.rules.clone(), now };
        let mut before = state.rows.load(&request.keys());
        let id = request.keys().identity;
        let loaded = before.clone();
        if let Some(rule) = self.world.broken {
            rule.blind(&mut request, &mut before);
        }
        let mut after = request.apply(&before);
        if let Some(rule) = self.world.broken {
            rule.bend(&request, &before, &mut after);
        }
        state.rows.write(id.as_ref(), &after);
        properties::after_command(&self.world, state, &request, &loaded, &after, step)
    }

    fn ask(&self, state: &mut State, task: Task) -> Result<(), Violation> {
        let hand = Hand { task, sent_at: state.clock.0, era: state.era, vendor_at: state.clock.1, answer: None };
        state.hands.push(hand);
        if self.world.is_quick {
            let last = state.hands.len() - 1;
            self.answer(state, last);
            return self.settle(state, last);
        }
        Ok(())
    }

    fn answer(&self, state: &mut State, hand: usize) {
        let person = self.person(state, state.hands[hand].task);
        let is_revoked = person == 0 && state.is_revoked;
        let passed = match state.hands[hand].task {
            Task::Event(row, _) => {
                let object = state.rows.inbox[usize::from(row)].object;
                state.objects[usize::from(object)].is_some_and(|object| object.end == End::Pass)
            }
            Task::Face(face) => {
                let slot = self.world.objects() - self.world.faces.len() + usize::from(face);
                let human = self.world.faces[usize::from(face)].human;
                state.objects[slot] = Some(Object {
                    identity: human,
                    human: Some(human),
                    is_face: true,
                    end: End::Pass,
                    made_at: state.clock.1,
                    flow: None,
                    is_foreign: false,
                    is_delivered: false,
                });
                true
            }
            Task::Return(..) | Task::Observe(_) => false,
        };
        state.hands[hand].answer = Some((is_revoked, passed));
    }

    fn person(&self, state: &State, task: Task) -> u8 {
        match task {
            Task::Event(row, _) => {
                let object = usize::from(state.rows.inbox[usize::from(row)].object);
                state.objects[object].map_or(0, |object| object.identity)
            }
            Task::Return(_, visit) => self.world.visits[usize::from(visit)].typed,
            Task::Observe(person) => person,
            Task::Face(face) => self.world.faces[usize::from(face)].human,
        }
    }

    fn settle(&self, state: &mut State, hand: usize) -> Result<(), Violation> {
        let hand = state.hands.remove(hand);
        let person = self.person(state, hand.task);
        let (is_revoked, passed) = hand.answer.unwrap_or_default();
        let seen = Observation {
            identity_id: names::identity(person),
            sent_at: at(hand.sent_at),
            status: if is_revoked { IdentityStatus::Revoked } else { IdentityStatus::Active },
            attestation: None,
            verified: None,
            face_authenticated_at: None,
            face_origin: FaceOrigin::default(),
            checks: Checks::default(),
            fields: Vec::new(),
        };
        let step = Step { era: hand.era, source_era: hand.era, ..Step::default() };
        match hand.task {
            Task::Observe(_) => self.run(state, Command::Observe(seen), step),
            Task::Return(flow, visit) => {
                state.truth.came_back[usize::from(flow)] |= 1 << visit;
                let command = Command::Return(self.come_back(state, seen, flow, visit, hand.vendor_at));
                self.run(state, command, Step { flow: Some(flow), visit: Some(visit), ..step })
            }
            Task::Face(face) => {
                let face = self.world.faces[usize::from(face)];
                let confirmation = Confirmation {
                    subject: names::subject(face.subject),
                    identity_id: seen.identity_id.clone(),
                    session: names::session(face.session),
                    action: face.action.map(names::action),
                    passed_at: at(hand.sent_at),
                };
                self.run(state, Command::Confirm { confirmation, seen }, step)
            }
            Task::Event(row, lease) => self.settle_event(state, row, lease, seen, passed, step),
        }
    }

    fn settle_event(
        &self,
        state: &mut State,
        row: u8,
        lease: u8,
        seen: Observation,
        passed: bool,
        step: Step,
    ) -> Result<(), Violation> {
        let index = usize::from(row);
        let event = state.rows.inbox[index].clone();
        let is_held = event.leases == lease && event.state == EventState::Pending;
        if !is_held && !self.is_broken(Rule::LostLease) {
            return Ok(());
        }
        state.rows.inbox[index].settled += 1;
        if !state.rows.is_done(&event) || self.is_broken(Rule::LostLease) {
            let command = self.apply_event(state, &event, row, seen, passed);
            let step = Step { source_era: step.era.min(event.era), object: Some(event.object), ..step };
            self.run(state, Command::ApplyEvent(command), step)?;
            let object = state.objects[usize::from(event.object)];
            state.rows.inbox[index].applied = object.map(|object| {
                let id = names::identity(object.identity);
                incode_core::store::dedupe::applied_key(&kind(&object), &names::object(event.object), &id)
            });
        }
        state.rows.inbox[index].state = EventState::Done;
        properties::settled_once(&state.rows.inbox[index])
    }

    fn apply_event(
        &self,
        state: &State,
        event: &crate::rows::Event,
        row: u8,
        mut seen: Observation,
        passed: bool,
    ) -> ApplyEvent {
        let object = state.objects[usize::from(event.object)];
        let is_face = object.is_some_and(|object| object.is_face);
        let made_at = object.filter(|_| self.world.is_timed).map(|object| at(object.made_at));
        // As `Observation::known_time` does.
        let known = made_at.filter(|made| *made <= seen.sent_at.after(MINUTE)).map(|made| made.min(seen.sent_at));
        if passed && is_face {
            seen.face_authenticated_at = known;
        } else if passed {
            seen.verified = Some(Verified { id: names::object(event.object), at: known });
        }
        let flow = object.and_then(|object| object.flow).filter(|_| self.world.is_named && event.authenticated);
        let subject = flow.map(|flow| names::subject(self.world.flows[usize::from(flow)]));
        let is_foreign = self.world.is_named && event.authenticated && object.is_some_and(|object| object.is_foreign);
        let check = Check {
            passed,
            made_at,
            received_at: event.received_at,
            authenticated: event.authenticated,
            flow: match &subject {
                Some(subject) => NamedFlow::Of(subject.clone()),
                None if is_foreign => NamedFlow::Foreign,
                None => NamedFlow::Unnamed,
            },
        };
        seen.checks = Checks::default().with(&check);
        let link = flow.zip(subject).filter(|_| self.world.links_by_webhook).map(|(flow, subject)| EventLink {
            subject,
            proof: LinkProof::Webhook,
            nonce: Some(used(flow)),
        });
        let kind = object.map_or(EventKind::Verification, |object| kind(&object));
        let object_id = names::object(event.object);
        ApplyEvent { event: EventId(i64::from(row)), kind, object_id, seen, check, link }
    }

    fn come_back(&self, state: &State, seen: Observation, flow: u8, visit: u8, vendor_at: i64) -> Return {
        let (ours, vendors) = state.flows[usize::from(flow)].unwrap_or_default();
        Return {
            subject: names::subject(self.world.flows[usize::from(flow)]),
            seen,
            window: FlowWindow { began_at: at(ours), vendor_began_at: at(vendors), vendor_returned_at: at(vendor_at) },
            nonce: used(flow),
            token: UsedToken { hash: names::token(visit, 0), expires_at: FAR },
            token_is_older: false,
            pending_until: at(state.clock.0 + PENDING_SECONDS),
        }
    }

    fn deliver(&self, state: &mut State, object: u8, token: u8, authenticated: bool) {
        let Some(of) = state.objects[usize::from(object)] else { return };
        let now = at(state.clock.0);
        let event = NewEvent {
            kind: kind(&of),
            object_id: Some(names::object(object)),
            token: Vec::new(),
            token_hash: names::token(object, token),
            correlation_id: None,
            vendor_time: None,
            received_at: now,
            authenticated: authenticated || self.is_broken(Rule::StrangersEvent),
            implausible: false,
            state: EventState::Pending,
            reason: None,
        };
        if state.rows.accept(&event, object, state.era)
            && let Some(row) = state.rows.inbox.last_mut()
        {
            row.authenticated = authenticated;
        }
    }

    /// What the vendor makes that no visit made: the status of the victim changes, and an event says so.
    fn change_status(&self, state: &mut State, is_revoked: bool) {
        state.is_revoked = is_revoked;
        let slot = self.world.visits.len() + usize::from(state.did.revokes + state.did.reverifies);
        state.objects[slot] = Some(Object {
            identity: 0,
            human: (!is_revoked).then_some(0),
            is_face: false,
            end: if is_revoked { End::Fail } else { End::Pass },
            made_at: state.clock.1,
            flow: None,
            is_foreign: false,
            is_delivered: false,
        });
        if is_revoked {
            state.did.revokes += 1;
        } else {
            state.did.reverifies += 1;
        }
    }

    /// Something that was known before the world began: the victim is linked, ACTIVE and VERIFIED.
    fn link_victim(&self, state: &mut State) -> Result<(), Violation> {
        let seen = Observation {
            identity_id: names::identity(0),
            sent_at: at(state.clock.0 - 1000),
            status: IdentityStatus::Active,
            attestation: None,
            verified: Some(Verified { id: names::object(15), at: None }),
            face_authenticated_at: None,
            face_origin: FaceOrigin::default(),
            checks: Checks::default(),
            fields: Vec::new(),
        };
        self.run(state, Command::Observe(seen), Step::default())?;
        self.application_links(state, (0, 0))
    }

    fn application_links(&self, state: &mut State, (subject, person): (u8, u8)) -> Result<(), Violation> {
        let (subject, id) = (names::subject(subject), names::identity(person));
        let link = Link::new(subject, id, LinkProof::Application, at(state.clock.0));
        self.run(state, Command::Link { link, by: None }, Step { era: state.era, ..Step::default() })
    }
}

impl Model for Walk {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        let world = &self.world;
        let mut state = State {
            rows: crate::rows::Rows::default(),
            clock: (BEGIN, BEGIN),
            era: 1,
            is_revoked: false,
            objects: vec![None; world.objects()],
            flows: vec![None; world.flows.len()],
            hands: Vec::new(),
            did: Did::default(),
            truth: Truth {
                on_event: vec![0; world.objects()],
                linked_by: vec![0; world.flows.len()],
                token_for: vec![0; world.visits.len()],
                came_back: vec![0; world.flows.len()],
                ..Truth::default()
            },
        };
        if world.is_linked {
            // A rule broken on purpose may show here already; it shows again at the first step.
            let _ = self.link_victim(&mut state);
            state.truth.is_meddled = false;
        }
        state
    }

    fn actions(&self, state: &State, into: &mut Vec<Action>) {
        choices::all(&self.world, state, into);
    }

    fn step(&self, state: &mut State, action: Action) -> Result<(), Violation> {
        let world = &self.world;
        match action {
            Action::Start { flow } => state.flows[usize::from(flow)] = Some(state.clock),
            Action::Visit { visit, end } => self.visit(state, visit, end)?,
            Action::Decide { object, end } => {
                if let Some(object) = &mut state.objects[usize::from(object)] {
                    object.end = end;
                }
            }
            Action::Deliver { object } => {
                self.deliver(state, object, 0, true);
                if let Some(object) = &mut state.objects[usize::from(object)] {
                    object.is_delivered = true;
                }
            }
            Action::Redeliver { object } => {
                state.did.redeliveries += 1;
                self.deliver(state, object, state.did.redeliveries, true);
            }
            Action::Forge { object } => {
                state.did.forgeries += 1;
                self.deliver(state, object, 100 + state.did.forgeries, false);
            }
            Action::Claim { row } => self.claim(state, row)?,
            Action::Return { flow, visit } => {
                state.did.returns += 1;
                self.ask(state, Task::Return(flow, visit))?;
            }
            Action::Observe { person } => {
                state.did.observes += 1;
                self.ask(state, Task::Observe(person))?;
            }
            Action::Face { face } => {
                state.did.faces |= 1 << face;
                self.ask(state, Task::Face(face))?;
            }
            Action::Answer { hand } => self.answer(state, usize::from(hand)),
            Action::Settle { hand } => self.settle(state, usize::from(hand))?,
            Action::Crash { hand } => {
                state.did.crashes += 1;
                state.hands.remove(usize::from(hand));
            }
            Action::Use { number } => {
                state.did.uses[usize::from(number)] += 1;
                let (subject, session, action) = world.uses[usize::from(number)];
                let command = Command::UseConfirmation {
                    subject: names::subject(subject),
                    session: names::session(session),
                    action: names::action(action),
                    within: USE_WITHIN,
                };
                self.run(state, command, Step { using: Some(number), ..Step::default() })?;
            }
            Action::Revoke => self.change_status(state, true),
            Action::Reverify => self.change_status(state, false),
            Action::Forget => {
                state.did.forgets += 1;
                let command = Command::Forget { identity: names::identity(0), by: names::actor() };
                self.run(state, command, Step { era: state.era, ..Step::default() })?;
            }
            Action::Link { number } => {
                state.did.links |= 1 << number;
                self.application_links(state, world.links[usize::from(number)])?;
            }
            Action::Unlink { number } => {
                state.did.unlinks |= 1 << number;
                let subject = names::subject(world.unlinks[usize::from(number)]);
                self.run(state, Command::Unlink { subject, by: None }, Step::default())?;
            }
            Action::Jump => {
                let (ours, vendors) = world.clock[usize::from(state.era) - 1];
                state.clock = (state.clock.0 + ours, state.clock.1 + vendors);
                state.era += 1;
            }
        }
        // Replicas are alike: which of them has which exchange makes no difference.
        state.hands.sort_unstable();
        properties::of_state(world, state)
    }
}

impl Walk {
    fn visit(&self, state: &mut State, number: u8, end: End) -> Result<(), Violation> {
        let visit = self.world.visits[usize::from(number)];
        state.objects[usize::from(number)] = Some(Object {
            identity: visit.typed,
            human: Some(visit.human),
            is_face: false,
            end,
            made_at: state.clock.1,
            flow: visit.flow.filter(|_| !visit.is_foreign),
            is_foreign: visit.is_foreign,
            is_delivered: false,
        });
        if self.world.is_prompt && end == End::Fail {
            self.step(state, Action::Deliver { object: number })?;
            let row = u8::try_from(state.rows.inbox.len() - 1).unwrap_or(u8::MAX);
            self.claim(state, row)?;
        }
        Ok(())
    }

    fn claim(&self, state: &mut State, row: u8) -> Result<(), Violation> {
        let index = usize::from(row);
        let held = Task::Event(row, state.rows.inbox[index].leases);
        if state.hands.iter().any(|hand| hand.task == held) {
            state.did.steals += 1;
        }
        state.rows.inbox[index].leases += 1;
        if self.is_broken(Rule::DoneWhenApplied) {
            state.rows.inbox[index].state = EventState::Done;
        }
        self.ask(state, Task::Event(row, state.rows.inbox[index].leases))
    }
}

fn kind(object: &Object) -> EventKind {
    if object.is_face { EventKind::Authentication } else { EventKind::Verification }
}

fn used(flow: u8) -> UsedNonce {
    UsedNonce { nonce: names::nonce(flow), expires_at: FAR }
}

/// When the world begins, in seconds: early enough for sums, late enough for clocks that are set back.
const BEGIN: i64 = 10_000;
/// Used correlation ids and tokens are kept for longer than any world lasts.
const FAR: Timestamp = Timestamp::from_millis(i64::MAX);
/// A pending link outlasts most worlds; one with a long jump sees it end.
const PENDING_SECONDS: i64 = 3600;
/// How old a confirmation may be.
const USE_WITHIN: Duration = Duration::from_secs(120);
/// How far the vendor's clock may be ahead of ours.
const MINUTE: Duration = Duration::from_secs(60);
