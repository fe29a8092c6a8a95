//! What must hold, in every state or where nothing is left to do.

use incode_core::identity::LinkProof;
use incode_core::identity::transition::{After, Before, ChangeRequest, Command, JobCause, Outcome, Refusal, Write};
use incode_core::model::IdentityStatus;
use incode_core::store::EventState;

use crate::explorer::Violation;
use crate::names::{self, PEOPLE, at};
use crate::rows::Event;
use crate::world::{End, State, World};

/// What the witness knows of a command beside its text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    /// When the vendor was asked, in the true order.
    pub era: u8,
    /// When what it answers was first known of: an event's reception, if that was earlier.
    pub source_era: u8,
    /// The event's object.
    pub object: Option<u8>,
    /// The callback's flow.
    pub flow: Option<u8>,
    /// The visit whose token it carries.
    pub visit: Option<u8>,
    /// The use of a confirmation.
    pub using: Option<u8>,
}

type Held = Result<(), Violation>;

/// Holds the properties of one command, and notes what later ones need.
pub fn after_command(
    world: &World,
    state: &mut State,
    request: &ChangeRequest,
    before: &Before,
    after: &After,
    step: Step,
) -> Held {
    forgotten_stays_forgotten(state, request, before, after, step)?;
    note_answer(state, request, after, step);
    links(world, state, before, after)?;
    single_use(state, request, before, after, step)?;
    jobs(world, state, before, after, step)?;
    confirmations(world, state, request, after, step)
}

/// An event is settled once.
pub fn settled_once(event: &Event) -> Held {
    hold("an event is settled once", event.settled <= 1, || format!("event of object {}", event.object))
}

/// Holds the properties of a state.
pub fn of_state(world: &World, state: &State) -> Held {
    rows_fit_together(world, state)?;
    revoked_wins(world, state)?;
    no_freshness_without_time(world, state)?;
    owed_to_links(state)?;
    let is_decided = |object: &crate::world::Object| object.end != End::Undecided;
    let is_sent = state.objects.iter().flatten().filter(|object| is_decided(object)).all(|object| object.is_delivered);
    let is_at_rest =
        state.hands.is_empty() && is_sent && state.rows.inbox.iter().all(|event| event.state != EventState::Pending);
    if is_at_rest { at_rest(world, state) } else { Ok(()) }
}

fn rows_fit_together(world: &World, state: &State) -> Held {
    for subject in 0..PEOPLE {
        let linked = state.rows.links[subject].as_ref().map(|link| usize::from(names::person_of(&link.identity_id)));
        let pending = state.rows.pending[subject].as_ref().map(|link| usize::from(names::person_of(&link.identity_id)));
        for person in linked.iter().chain(&pending) {
            hold("a link leads to an identity", state.rows.identities[*person].is_some(), || format!("of {subject}"))?;
        }
        for one in &state.rows.confirmations[subject] {
            let is_own = linked == Some(usize::from(names::person_of(&one.identity_id)));
            hold("a confirmation belongs to the link", is_own, || format!("of subject {subject}"))?;
        }
    }
    let linked = state.rows.links.iter().flatten();
    let people: Vec<_> = linked.map(|link| names::person_of(&link.identity_id)).collect();
    let is_exclusive = world.is_shared || people.len() < PEOPLE || people[0] != people[1];
    hold("one identity serves one subject", is_exclusive, || "both subjects are linked to it".into())
}

fn revoked_wins(world: &World, state: &State) -> Held {
    let Some(row) = &state.rows.identities[0] else { return Ok(()) };
    let truth = &state.truth;
    let seen = || format!("ACTIVE of {:?}, REVOKED of {:?}", truth.active_era, truth.revoked_era);
    match row.status {
        IdentityStatus::Active => hold("revoked wins", truth.active_era > truth.revoked_era, seen),
        // A clock that was set back shuts people out for as long as it was ahead: the safe side.
        _ if !world.is_monotonic() => Ok(()),
        _ => hold("the newest answer stands", truth.revoked_era >= truth.active_era, seen),
    }
}

fn no_freshness_without_time(world: &World, state: &State) -> Held {
    for (person, row) in state.rows.identities.iter().enumerate() {
        let Some(row) = row else { continue };
        let times = [row.verified_at, row.face_authenticated_at, row.checks.passed_at];
        let passes = state
            .objects
            .iter()
            .flatten()
            .filter(|object| usize::from(object.identity) == person && object.end == End::Pass);
        let newest = passes.map(|object| at(object.made_at)).max();
        let is_known = times.iter().flatten().all(|time| world.is_timed && Some(*time) <= newest);
        hold("no freshness without a known time", is_known, || format!("of person {person}"))?;
    }
    Ok(())
}

/// `on_verified` is owed once for each link whose conditions are met.
fn owed_to_links(state: &State) -> Held {
    for (subject, link) in state.rows.links.iter().enumerate() {
        let Some(link) = link else { continue };
        let Some(row) = &state.rows.identities[usize::from(names::person_of(&link.identity_id))] else { continue };
        let enqueued = state.truth.on_verified[subject];
        let is_active = row.status == IdentityStatus::Active;
        let is_owed = [is_active, is_active && row.verification_id.is_some()];
        let is_paid = enqueued.iter().zip(is_owed).all(|(times, is_owed)| *times <= 1 && (!is_owed || *times == 1));
        hold("on_verified once for each link", is_paid, || format!("subject {subject}: {enqueued:?}"))?;
    }
    Ok(())
}

/// Nothing is left to do: every event arrived and is settled, and no exchange is under way.
fn at_rest(world: &World, state: &State) -> Held {
    for (number, object) in state.objects.iter().enumerate() {
        if object.is_some_and(|object| object.is_delivered) {
            let is_applied = state.truth.on_event[number] > 0 || state.truth.dropped & (1 << number) != 0;
            hold("nothing acknowledged is lost", is_applied, || format!("object {number}"))?;
        }
    }
    if let Some(row) = &state.rows.identities[0]
        && world.is_monotonic()
        && state.is_revoked
    {
        hold("at rest the vendor's word stands", row.status == IdentityStatus::Revoked, || "ACTIVE".into())?;
    }
    if world.is_honest && !state.truth.is_meddled { honest_people_are_in(world, state) } else { Ok(()) }
}

/// Each who passed in a flow, came back from it, and did not fail in it, is linked.
fn honest_people_are_in(world: &World, state: &State) -> Held {
    for (number, visit) in world.visits.iter().enumerate() {
        let Some(flow) = visit.flow.map(usize::from) else { continue };
        let (Some(object), Some((_, began))) = (state.objects[number], state.flows[flow]) else { continue };
        // A failure that names the flow of another subject is no reason.
        let is_of_another = |other: &crate::world::Object| {
            let subject = |flow: u8| world.flows[usize::from(flow)];
            world.is_named && other.flow.is_some_and(|of| subject(of) != world.flows[flow])
        };
        let is_failure = |other: &crate::world::Object| {
            other.identity == visit.typed
                && other.end == End::Fail
                && (!world.is_timed || other.made_at >= began - 1)
                && !is_of_another(other)
        };
        let has_passed = object.end == End::Pass
            && visit.human == world.human_of(world.flows[flow])
            && state.truth.came_back[flow] & (1 << number) != 0
            && !state.objects.iter().flatten().any(is_failure);
        let is_linked = state.rows.links[usize::from(visit.human)].is_some();
        hold("an honest person gets in", !has_passed || is_linked, || format!("visit {number}"))?;
    }
    Ok(())
}

fn forgotten_stays_forgotten(
    state: &mut State,
    request: &ChangeRequest,
    before: &Before,
    after: &After,
    step: Step,
) -> Held {
    if let Command::Forget { .. } = request.command {
        state.truth.forgotten_era = Some(step.era);
        (state.truth.active_era, state.truth.revoked_era) = (None, None);
        state.truth.owed_uses = Default::default();
        state.truth.is_meddled = true;
        let is_gone = state.rows.identities[0].is_none();
        return hold("forgetting erases", is_gone, || "the row is still there".into());
    }
    let is_victim = request.keys().identity.is_some_and(|id| names::person_of(&id) == 0);
    let becomes_known = is_victim && before.identity.is_none() && matches!(after.identity, Write::Put(_));
    let is_newer = Some(step.source_era) > state.truth.forgotten_era || state.truth.forgotten_era.is_none();
    hold("forgotten stays forgotten", !becomes_known || is_newer, || {
        format!("known by something of {}, forgotten in {:?}", step.source_era, state.truth.forgotten_era)
    })
}

/// Notes in which era the vendor was asked, for what was or should have been written.
fn note_answer(state: &mut State, request: &ChangeRequest, after: &After, step: Step) {
    let seen = match &request.command {
        Command::ApplyEvent(event) => &event.seen,
        Command::Observe(seen) | Command::Confirm { seen, .. } => seen,
        Command::Return(back) => &back.seen,
        Command::Unlink { .. } => {
            state.truth.is_meddled = true;
            return;
        }
        _ => return,
    };
    let is_dropped = matches!(after.outcome, Outcome::Dropped | Outcome::Refused(Refusal::Forgotten));
    if let (true, Some(object)) = (is_dropped, step.object) {
        state.truth.dropped |= 1 << object;
    }
    if is_dropped || names::person_of(&seen.identity_id) != 0 || state.rows.identities[0].is_none() {
        return;
    }
    let revoked = seen.status == IdentityStatus::Revoked;
    let newest = if revoked { &mut state.truth.revoked_era } else { &mut state.truth.active_era };
    *newest = (*newest).max(Some(step.era));
}

/// Each new link is of the person themselves, who passed in a flow of their own and came back from it.
fn links(world: &World, state: &mut State, before: &Before, after: &After) -> Held {
    for (subject, write) in &after.links {
        let number = names::number_of(subject);
        let was_linked = before.links.iter().chain(&before.link).any(|link| link.subject == *subject);
        let Write::Put(link) = write else { continue };
        if was_linked {
            continue;
        }
        state.truth.on_verified[usize::from(number)] = [0, 0];
        if link.proof == LinkProof::Application {
            continue;
        }
        let person = names::person_of(&link.identity_id);
        hold("no link to another person", world.human_of(number) == person, || {
            format!("subject {number} to person {person}")
        })?;
        let has_passed = state.objects.iter().flatten().any(|object| {
            object.human == Some(person)
                && object.end == End::Pass
                && is_in_own_flow(world, state, number, object.made_at)
        });
        hold("no link without a passed check of the flow", has_passed, || format!("subject {number}"))?;
    }
    Ok(())
}

/// The instant lies in a flow of the subject that came back, with a minute of tolerance. For a link by webhook too: the
/// person came back, or will.
fn is_in_own_flow(world: &World, state: &State, subject: u8, made_at: i64) -> bool {
    let mut flows = state.flows.iter().enumerate();
    flows.any(|(flow, began)| {
        let came_back = world.links_by_webhook || state.truth.came_back[flow] != 0;
        world.flows[flow] == subject && came_back && began.is_some_and(|(_, vendors)| made_at >= vendors - 60)
    })
}

/// A correlation id links once, a token links one subject.
fn single_use(state: &mut State, request: &ChangeRequest, before: &Before, after: &After, step: Step) -> Held {
    let (Some(flow), Some(visit), Command::Return(back)) = (step.flow, step.visit, &request.command) else {
        return Ok(());
    };
    let is_new = |link: &Write<incode_core::identity::Link>| matches!(link, Write::Put(_)) && before.link.is_none();
    let makes_link = after.links.iter().any(|(subject, link)| *subject == back.subject && is_new(link))
        || after.pending_links.iter().any(|(_, pending)| matches!(pending, Write::Put(_)));
    if !makes_link {
        return Ok(());
    }
    let times = &mut state.truth.linked_by[usize::from(flow)];
    *times += 1;
    hold("a correlation id links once", *times <= 1, || format!("flow {flow}"))?;
    let subjects = &mut state.truth.token_for[usize::from(visit)];
    *subjects |= 1 << names::number_of(&back.subject);
    hold("a token links one subject", subjects.count_ones() <= 1, || format!("token of visit {visit}"))
}

fn jobs(world: &World, state: &mut State, before: &Before, after: &After, step: Step) -> Held {
    let is_revoked =
        |row: Option<&incode_core::identity::Identity>| row.is_some_and(|row| row.status == IdentityStatus::Revoked);
    let row = if let Write::Put(row) = &after.identity { Some(row) } else { None };
    let becomes_revoked = is_revoked(row) && !is_revoked(before.identity.as_ref());
    let mut revoked = [0u8; PEOPLE];
    for job in &after.jobs {
        match &job.cause {
            JobCause::Event { .. } => {
                let Some(object) = step.object else { continue };
                let times = &mut state.truth.on_event[usize::from(object)];
                *times += 1;
                hold("on_event once for each object", *times <= 1, || format!("object {object}"))?;
            }
            JobCause::Verified { subject, .. } => {
                let times = &mut state.truth.on_verified[usize::from(names::number_of(subject))];
                times[usize::from(&*job.handler == "verified")] += 1;
            }
            JobCause::Revoked { subject, .. } => revoked[usize::from(names::number_of(subject))] += 1,
            _ => {}
        }
    }
    for link in &before.links {
        let times = revoked[usize::from(names::number_of(&link.subject))];
        let is_right = times == u8::from(becomes_revoked);
        hold("on_revoked once for each revocation and subject", is_right, || format!("{times} times"))?;
        state.truth.on_revoked[usize::from(names::number_of(&link.subject))] += times;
    }
    // An ACTIVE that was answered before the revocation and asked after it can come in between: then twice.
    let most = if world.is_quick { state.did.revokes } else { u8::MAX };
    let is_right = state.truth.on_revoked.iter().all(|times| *times <= most);
    hold("on_revoked no more often than the vendor revoked", is_right, || format!("more than {most} times"))
}

/// A confirmation needs the own face, counts in its session for its action, and once.
fn confirmations(world: &World, state: &mut State, request: &ChangeRequest, after: &After, step: Step) -> Held {
    if let (Command::Confirm { confirmation, seen }, Outcome::Confirmed) = (&request.command, &after.outcome) {
        let (subject, human) = (names::number_of(&confirmation.subject), names::person_of(&seen.identity_id));
        hold("only the own face confirms", subject == human, || format!("face of {human} for {subject}"))?;
        for (number, (subject, session, action)) in world.uses.iter().enumerate() {
            let is_same = names::subject(*subject) == confirmation.subject
                && names::session(*session) == confirmation.session
                && Some(names::action(*action)) == confirmation.action;
            state.truth.owed_uses[number] += i8::from(is_same);
        }
    }
    if let Command::Unlink { subject, .. } = &request.command {
        state.truth.owed_uses = Default::default();
        let number = usize::from(names::number_of(subject));
        let rows = &state.rows;
        let is_left = rows.links[number].is_some() || rows.pending[number].is_some();
        hold("unlinking ends link and pending link", !is_left, || format!("of subject {number}"))?;
    }
    if let (Some(number), Outcome::Used(_)) = (step.using, &after.outcome) {
        let subject = usize::from(world.uses[usize::from(number)].0);
        let left = &mut state.truth.owed_uses[usize::from(number)];
        *left -= 1;
        hold("no action without its own face, once, in its session", *left >= 0, || format!("use {number}"))?;
        let link = state.rows.links[subject].as_ref();
        let row =
            link.and_then(|link| state.rows.identities[usize::from(names::person_of(&link.identity_id))].as_ref());
        let is_active = row.is_some_and(|row| row.status == IdentityStatus::Active);
        hold("no action while not ACTIVE", is_active, || format!("use {number}"))?;
    }
    Ok(())
}

fn hold(property: &'static str, holds: bool, seen: impl FnOnce() -> String) -> Held {
    if holds { Ok(()) } else { Err(Violation { property, seen: seen() }) }
}
