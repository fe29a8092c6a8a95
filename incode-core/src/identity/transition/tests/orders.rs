//! Many commands in every order, against a model that is written down beside them.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::world::World;
use super::*;

/// The events of a person, one for each change: granted, revoked, suspended, verified again, a face.
const EVENTS: [&str; 5] = ["grant", "revoke", "suspend", "re-verify", "face"];

/// The event, when the vendor is asked about it at `at` seconds. Verifications and faces were made at known instants.
fn told(event: &str, at: i64) -> Observation {
    let verified = |id: &str, made_at| Some(Verified { id: object(id), at: Some(secs(made_at)) });
    match event {
        "grant" => Observation { verified: verified("first", 100), ..seen("ACTIVE", at) },
        "revoke" => seen("REVOKED", at),
        "suspend" => seen("SUSPENDED", at),
        "re-verify" => Observation { verified: verified("second", 200), ..seen("ACTIVE", at) },
        _ => Observation { face_authenticated_at: Some(secs(150)), ..seen("ACTIVE", at) },
    }
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    let Some(last) = n.checked_sub(1) else { return vec![Vec::new()] };
    let longer = |shorter: Vec<usize>| {
        (0..n).map(move |at| {
            let mut order = shorter.clone();
            order.insert(at, last);
            order
        })
    };
    permutations(last).into_iter().flat_map(longer).collect()
}

/// The model: the newest sent status so far, and which handlers that owes a linked subject.
#[derive(Default)]
struct Model {
    newest: Option<(i64, String)>,
    is_verified: bool,
    owed: Vec<&'static str>,
}

impl Model {
    fn sees(&mut self, event: &str, at: i64, is_linked: bool) {
        let was_revoked = self.newest.as_ref().is_some_and(|(_, status)| status == "REVOKED");
        if self.newest.as_ref().is_none_or(|(newest, _)| at > *newest) {
            self.newest = Some((at, told(event, at).status.as_str().to_owned()));
        }
        self.is_verified |= matches!(event, "grant" | "re-verify");
        let status = self.newest.as_ref().map_or("", |(_, status)| status);
        if is_linked && status == "REVOKED" && !was_revoked {
            self.owed.push("shut");
        }
        self.links(is_linked);
    }

    fn links(&mut self, is_linked: bool) {
        let is_active = is_linked && self.newest.as_ref().is_some_and(|(_, status)| status == "ACTIVE");
        for (handler, is_due) in [("open", is_active), ("check", is_active && self.is_verified)] {
            if is_due && !self.owed.contains(&handler) {
                self.owed.push(handler);
            }
        }
    }
}

fn assert_agrees(world: &World, model: &Model, what: &str) {
    let identity = world.identity.as_ref().unwrap();
    let (at, status) = model.newest.clone().unwrap();
    assert_eq!((identity.status.as_str(), identity.checked_at), (status.as_str(), secs(at)), "{what}");
    let mut owed: Vec<_> = world.jobs.iter().map(|job| &*job.handler).collect();
    let mut expected = model.owed.clone();
    owed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(owed, expected, "{what}");
}

/// Rules without `on_event` handlers: those are counted elsewhere.
fn standing_rules() -> Arc<Rules> {
    let mut rules = Rules { trust_userinfo_alone: true, ..handlers() };
    rules.handlers.on_event.clear();
    Arc::new(rules)
}

fn run(world: &mut World, rules: &Arc<Rules>, command: Command, at: i64) -> Outcome {
    world.run(&ChangeRequest { command, rules: Arc::clone(rules), now: secs(at) })
}

#[test]
fn any_order_of_sending_and_applying_ends_in_the_newest_truth() {
    let rules = standing_rules();
    for sent in permutations(EVENTS.len()) {
        for applied in permutations(EVENTS.len()) {
            let (mut world, mut model) = (World::default(), Model::default());
            // Linked before anything is known: an application that links on userinfo alone.
            let back = Return { seen: seen("PENDING", 1), ..come_back("alice", 1) };
            run(&mut world, &rules, Command::Return(back), 1);
            model.newest = Some((1, "PENDING".to_owned()));
            for event in &applied {
                let at = 10 + i64::try_from(sent[*event]).unwrap();
                run(&mut world, &rules, Command::Observe(told(EVENTS[*event], at)), 20);
                model.sees(EVENTS[*event], at, true);
            }
            assert_agrees(&world, &model, &format!("sent {sent:?}, applied {applied:?}"));
            let identity = world.identity.unwrap();
            assert_eq!((identity.verified_at, identity.face_authenticated_at), (Some(secs(200)), Some(secs(150))));
            assert_eq!(identity.verification_id, Some(object("second")));
        }
    }
}

#[test]
fn a_link_at_any_moment_owes_what_is_true_then() {
    let rules = standing_rules();
    for applied in permutations(EVENTS.len()) {
        for linked_after in 0..=EVENTS.len() {
            let (mut world, mut model) = (World::default(), Model::default());
            run(&mut world, &rules, Command::Observe(seen("PENDING", 1)), 1);
            model.newest = Some((1, "PENDING".to_owned()));
            for turn in 0..=EVENTS.len() {
                if turn == linked_after {
                    let link = Link::new(subject("alice"), person(), LinkProof::Application, secs(20));
                    run(&mut world, &rules, Command::Link { link, by: None }, 20);
                    model.links(true);
                }
                if let Some(event) = applied.get(turn) {
                    let at = 10 + i64::try_from(turn).unwrap();
                    run(&mut world, &rules, Command::Observe(told(EVENTS[*event], at)), 20);
                    model.sees(EVENTS[*event], at, turn >= linked_after);
                }
            }
            assert_agrees(&world, &model, &format!("{applied:?}, linked after {linked_after}"));
        }
    }
}

/// A command of a small world: two subjects, one identity, flows of one start each.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Event { passed: bool, made_at: Option<i64>, authenticated: bool, named: Option<u8>, linked: Option<u8> },
    Status(&'static str),
    Return(u8),
    Link(u8),
    Unlink(u8),
    Forget,
    Confirm(u8),
    Use(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let subject = || 0..2_u8;
    let time = prop_oneof![Just(None), Just(Some(MADE)), Just(Some(START - 3_600))];
    let named = || proptest::option::of(subject());
    prop_oneof![
        4 => (any::<bool>(), time, any::<bool>(), named(), named()).prop_map(
            |(passed, made_at, authenticated, named, linked)| Step::Event { passed, made_at, authenticated, named, linked }
        ),
        2 => prop_oneof![Just("ACTIVE"), Just("REVOKED"), Just("SUSPENDED")].prop_map(Step::Status),
        3 => subject().prop_map(Step::Return),
        1 => subject().prop_map(Step::Link),
        1 => subject().prop_map(Step::Unlink),
        1 => Just(Step::Forget),
        2 => subject().prop_map(Step::Confirm),
        2 => subject().prop_map(Step::Use),
    ]
}

fn name(of: u8) -> &'static str {
    if of == 0 { "alice" } else { "bob" }
}

fn command(step: &Step, turn: i64) -> Command {
    let at = RETURN + turn;
    let (session, action) = (SessionHash::NONE, ActionHash::of(b"pay"));
    match step.clone() {
        Step::Event { passed, made_at, authenticated, named, linked } => {
            let made_at = made_at.map(secs);
            let flow = named.map_or(NamedFlow::Unnamed, |named| NamedFlow::Of(subject(name(named))));
            let check = Check { passed, made_at, received_at: secs(at), authenticated, flow };
            let link =
                linked.map(|of| EventLink { subject: subject(name(of)), proof: LinkProof::Webhook, nonce: None });
            Command::ApplyEvent(ApplyEvent { link, object_id: object(&format!("o{turn}")), ..apply_event(check, at) })
        }
        Step::Status(status) => Command::Observe(seen(status, at)),
        Step::Return(of) => {
            let nonce = UsedNonce { nonce: [turn as u8; 24], expires_at: secs(at + 600) };
            let token = UsedToken { hash: TokenHash([turn as u8; 32]), expires_at: secs(at + 600) };
            let window = FlowWindow { vendor_returned_at: secs(at), ..window() };
            Command::Return(Return { nonce, token, window, ..come_back(name(of), at) })
        }
        Step::Link(of) => {
            let link = Link::new(subject(name(of)), person(), LinkProof::Application, secs(at));
            Command::Link { link, by: None }
        }
        Step::Unlink(of) => Command::Unlink { subject: subject(name(of)), by: None },
        Step::Forget => Command::Forget { identity: person(), by: actor() },
        Step::Confirm(of) => {
            let subject = subject(name(of));
            let identity_id = person();
            let confirmation =
                Confirmation { subject, identity_id, session, action: Some(action), passed_at: secs(at) };
            Command::Confirm { confirmation, seen: seen("ACTIVE", at) }
        }
        Step::Use(of) => {
            let within = Duration::from_secs(600);
            Command::UseConfirmation { subject: subject(name(of)), session, action, within }
        }
    }
}

/// Whether a check that passed belongs to the flow of all returns: it was made within, or its event was authenticated.
fn proves(step: &Step) -> bool {
    matches!(step, Step::Event { passed: true, made_at: Some(MADE), .. })
        || matches!(step, Step::Event { passed: true, made_at: None, authenticated: true, .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_order_of_commands_breaks_a_promise(steps in proptest::collection::vec(step(), 1..12)) {
        let rules = Arc::new(handlers());
        let mut world = World::default();
        let (mut confirmed, mut used) = (0, 0);
        for (turn, step) in steps.iter().enumerate() {
            let turn = i64::try_from(turn).unwrap();
            let linked = [world.link("alice").cloned(), world.link("bob").cloned()];
            let request = ChangeRequest { command: command(step, turn), rules: Arc::clone(&rules), now: secs(RETURN + turn) };
            let [once, again] = [world.decide(&request), world.decide(&request)];
            prop_assert_eq!(format!("{once:?}"), format!("{again:?}"), "the same rows give the same result");
            let outcome = world.run(&request);

            prop_assert!(world.links.len() <= 1, "one identity serves one subject");
            for pending in &world.pending_links {
                prop_assert!(world.link(pending.subject.as_str()).is_none(), "linked or pending, never both");
            }
            for (before, link) in linked.iter().zip([world.link("alice"), world.link("bob")]) {
                let Some(link) = link.filter(|link| before.as_ref().is_none_or(|old| old.linked_at != link.linked_at)) else { continue };
                let so_far = &steps[..=usize::try_from(turn).unwrap()];
                match link.proof {
                    LinkProof::Flow => prop_assert!(so_far.iter().any(proves), "no link without a check that passed"),
                    LinkProof::Webhook => prop_assert!(matches!(step, Step::Event { passed: true, .. }), "linked by a pass"),
                    LinkProof::Application => prop_assert!(matches!(step, Step::Link(_)), "linked by hand"),
                }
            }
            if let Step::Status(status) = step && world.identity.is_some() {
                prop_assert_eq!(world.identity.as_ref().unwrap().status.as_str(), *status, "the newest answer stands");
            }
            confirmed += u32::from(outcome == Outcome::Confirmed);
            used += u32::from(matches!(outcome, Outcome::Used(_)));
            for name in ["alice", "bob"] {
                prop_assert!(world.confirmations(name).is_empty() || world.link(name).is_some(), "no link, no confirmation");
            }
            if *step == Step::Forget {
                prop_assert!(world.identity.is_none() && world.links.is_empty() && world.pending_links.is_empty());
            }
        }
        prop_assert!(used <= confirmed, "each face confirms one thing, once");
        let mut causes = HashSet::new();
        for job in world.jobs.iter().filter(|job| &*job.handler != "event") {
            prop_assert!(causes.insert((&job.handler, &job.cause)), "owed twice: {:?}", job);
        }
    }
}
