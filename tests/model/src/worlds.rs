//! The worlds that are explored.

use crate::world::{End, Face, Visit, World};

const PASS_OR_FAIL: &[End] = &[End::Pass, End::Fail];
const ANY_END: &[End] = &[End::Pass, End::Fail, End::Undecided];
const NO_PASS: &[End] = &[End::Fail, End::Undecided];
const PASS: &[End] = &[End::Pass];
const FAIL: &[End] = &[End::Fail];

const VICTIM: u8 = 0;
const STRANGER: u8 = 1;

/// The worlds of the test command: each is explored whole.
pub fn small() -> Vec<World> {
    let mut worlds = honest();
    worlds.extend(strangers());
    worlds.extend(revocations());
    worlds.extend(faces());
    worlds.extend(erasures());
    worlds
}

/// The worlds of the long run: the small ones with a replica, a callback, a redelivery, a crash and a lost lease more.
/// Each is explored up to a number of states that the caller names.
pub fn large() -> Vec<World> {
    let larger = |world: World| World {
        replicas: (world.replicas + 1).min(3),
        returns: world.returns + u8::from(world.returns > 0),
        redeliveries: world.redeliveries + 1,
        crashes: world.crashes + 1,
        steals: world.steals + u8::from(!world.is_quick),
        ..world
    };
    small().into_iter().map(larger).collect()
}

/// People who verify themselves, and machines that fail.
fn honest() -> Vec<World> {
    vec![
        World {
            name: "one flow, crashes and lost leases",
            replicas: 2,
            flows: &[VICTIM],
            visits: vec![visit(0, VICTIM, VICTIM, ANY_END)],
            returns: 1,
            redeliveries: 1,
            crashes: 1,
            steals: 1,
            clock: &[(30, 30)],
            is_honest: true,
            ..World::EMPTY
        },
        World {
            name: "one flow, and its callback twice at once",
            replicas: 2,
            flows: &[VICTIM],
            visits: vec![visit(0, VICTIM, VICTIM, PASS_OR_FAIL)],
            returns: 2,
            clock: &[(30, 30)],
            is_honest: true,
            ..World::EMPTY
        },
        World {
            name: "fails, and passes in a second flow",
            flows: &[VICTIM, VICTIM],
            visits: vec![visit(0, VICTIM, VICTIM, FAIL), visit(1, VICTIM, VICTIM, PASS)],
            returns: 2,
            clock: &[(30, 30), (30, 30)],
            is_quick: true,
            is_honest: true,
            ..World::EMPTY
        },
        World {
            name: "no readable times",
            replicas: 2,
            flows: &[VICTIM],
            visits: vec![visit(0, VICTIM, VICTIM, ANY_END)],
            returns: 1,
            forgeries: 1,
            clock: &[(30, 30)],
            is_timed: false,
            is_quick: true,
            is_honest: true,
            ..World::EMPTY
        },
        World {
            name: "two people at once",
            flows: &[VICTIM, STRANGER],
            visits: vec![visit(0, VICTIM, VICTIM, PASS_OR_FAIL), visit(1, STRANGER, STRANGER, PASS_OR_FAIL)],
            returns: 2,
            clock: &[(30, 30)],
            is_quick: true,
            is_honest: true,
            ..World::EMPTY
        },
        World {
            name: "linked by webhook",
            replicas: 2,
            flows: &[VICTIM],
            visits: vec![visit(0, VICTIM, VICTIM, ANY_END)],
            returns: 1,
            redeliveries: 1,
            clock: &[(30, 30)],
            is_named: true,
            links_by_webhook: true,
            is_honest: true,
            ..World::EMPTY
        },
        World {
            name: "one person, two accounts, one token",
            flows: &[VICTIM, STRANGER],
            visits: vec![visit(0, VICTIM, VICTIM, PASS_OR_FAIL)],
            returns: 3,
            unlinks: &[VICTIM],
            clock: &[(30, 30)],
            is_shared: true,
            is_one_person: true,
            is_quick: true,
            ..World::EMPTY
        },
        World {
            name: "clocks a minute apart, and a jump ahead",
            replicas: 2,
            flows: &[VICTIM],
            visits: vec![visit(0, VICTIM, VICTIM, PASS_OR_FAIL)],
            returns: 1,
            clock: &[(0, 50), (1200, 30), (-1200, 0)],
            is_quick: true,
            ..World::EMPTY
        },
    ]
}

/// A stranger who types the victim's name and fails, while the victim passes.
fn tries() -> World {
    World {
        flows: &[STRANGER, VICTIM],
        visits: vec![visit(0, STRANGER, VICTIM, NO_PASS), visit(1, VICTIM, VICTIM, PASS_OR_FAIL)],
        returns: 2,
        clock: &[(200, 200)],
        is_quick: true,
        ..World::EMPTY
    }
}

/// The same, and the event of the failure is late in no case.
fn prompt() -> World {
    let visits = vec![visit(0, STRANGER, VICTIM, FAIL), visit(1, VICTIM, VICTIM, PASS_OR_FAIL)];
    World { visits, is_prompt: true, ..tries() }
}

/// In the flow of the stranger: by a mailed link.
fn mailed() -> Vec<Visit> {
    vec![visit(0, STRANGER, VICTIM, NO_PASS), visit(0, VICTIM, VICTIM, PASS)]
}

/// With another application, whose events arrive here too.
fn elsewhere() -> Vec<Visit> {
    vec![visit(0, STRANGER, VICTIM, NO_PASS), Visit { flow: None, ..visit(0, VICTIM, VICTIM, PASS) }]
}

fn with_ends(mut visits: Vec<Visit>, ends: &'static [End]) -> Vec<Visit> {
    if let Some(first) = visits.first_mut() {
        first.ends = ends;
    }
    visits
}

fn with_foreign(mut visits: Vec<Visit>, number: usize) -> Vec<Visit> {
    if let Some(visit) = visits.get_mut(number) {
        visit.is_foreign = true;
    }
    visits
}

/// Strangers who type the victim's name, and fail.
fn strangers() -> Vec<World> {
    let only_stranger: &'static [u8] = &[STRANGER];
    vec![
        World {
            name: "a stranger alone types the victim's name",
            flows: &[STRANGER, STRANGER],
            visits: vec![visit(0, STRANGER, VICTIM, NO_PASS), visit(1, STRANGER, STRANGER, PASS_OR_FAIL)],
            returns: 3,
            ..tries()
        },
        World { name: "a stranger fails while the victim passes, named flows", is_named: true, ..tries() },
        World { name: "the same in three replicas", replicas: 3, is_quick: false, is_named: true, ..prompt() },
        World { name: "the same without readable times", is_named: true, is_timed: false, ..tries() },
        World { name: "the same, and the identity is shared", is_named: true, is_shared: true, ..tries() },
        World { name: "the same without named flows, the failure in time", ..prompt() },
        World {
            name: "the victim passes by a mailed link, the failure in time",
            flows: only_stranger,
            visits: with_ends(mailed(), FAIL),
            is_named: true,
            ..prompt()
        },
        World {
            name: "the victim passes elsewhere, the failure in time",
            flows: only_stranger,
            visits: with_ends(elsewhere(), FAIL),
            ..prompt()
        },
        World {
            name: "a stranger fails while the victim passes, and keeps no one out",
            is_named: true,
            is_honest: true,
            ..tries()
        },
        World {
            name: "the victim passes elsewhere under a foreign id",
            flows: only_stranger,
            visits: with_foreign(elsewhere(), 1),
            is_named: true,
            ..tries()
        },
        World {
            name: "the stranger changes the correlation id, the failure in time",
            flows: only_stranger,
            visits: with_foreign(with_ends(elsewhere(), FAIL), 0),
            is_named: true,
            ..prompt()
        },
        World {
            name: "linked by webhook, a stranger fails",
            flows: only_stranger,
            visits: vec![visit(0, STRANGER, VICTIM, NO_PASS)],
            is_named: true,
            links_by_webhook: true,
            ..tries()
        },
        World {
            name: "a token comes back in two flows, and the identity is shared",
            is_shared: true,
            flows: &[VICTIM, VICTIM],
            visits: vec![visit(0, VICTIM, VICTIM, PASS_OR_FAIL), visit(1, VICTIM, VICTIM, PASS_OR_FAIL)],
            unlinks: &[VICTIM],
            ..tries()
        },
    ]
}

/// Worlds in which another person gets in: cases that the rules can't distinguish. Each needs that the vendor's event
/// of the stranger's failed check is late, or that the check stays undecided.
pub fn known_limits() -> Vec<World> {
    let only_stranger: &'static [u8] = &[STRANGER];
    vec![
        World { name: "the vendor names no flow, and the failure is late", ..tries() },
        World {
            name: "the victim passes by a mailed link, and the failure is late",
            flows: only_stranger,
            visits: mailed(),
            is_named: true,
            ..tries()
        },
        World {
            name: "the victim passes elsewhere, and the failure is late",
            flows: only_stranger,
            visits: elsewhere(),
            is_named: true,
            ..tries()
        },
    ]
}

/// Revocations and new verifications, and answers that overtake each other.
fn revocations() -> Vec<World> {
    let linked = World { is_linked: true, replicas: 2, revokes: 1, reverifies: 1, ..World::EMPTY };
    vec![
        World {
            name: "revoked and verified again, three replicas",
            replicas: 3,
            observes: (&[VICTIM], 1),
            crashes: 1,
            clock: &[(1, 1), (1, 1)],
            ..linked.clone()
        },
        World {
            name: "revoked twice",
            revokes: 2,
            is_quick: true,
            observes: (&[VICTIM], 1),
            clock: &[(1, 1), (1, 1)],
            ..linked.clone()
        },
        World {
            name: "revoked while our clock is set back",
            observes: (&[VICTIM], 2),
            reverifies: 0,
            clock: &[(1, 1), (-500, 1), (1, 1)],
            ..linked.clone()
        },
        World {
            name: "revoked while coming back",
            is_linked: false,
            flows: &[VICTIM],
            visits: vec![visit(0, VICTIM, VICTIM, PASS)],
            returns: 1,
            reverifies: 0,
            clock: &[(30, 30)],
            ..linked.clone()
        },
        World {
            name: "revoked, and the only answers are refused callbacks",
            flows: &[STRANGER],
            visits: vec![visit(0, STRANGER, VICTIM, NO_PASS)],
            returns: 2,
            reverifies: 0,
            clock: &[(30, 30)],
            ..linked
        },
    ]
}

/// Faces through the application.
fn faces() -> Vec<World> {
    let face = |session, action, human| Face { subject: VICTIM, session, action: Some(action), human };
    let linked = World { is_linked: true, clock: &[(60, 60), (120, 120)], ..World::EMPTY };
    vec![
        World {
            name: "one face, two sessions, two actions",
            faces: vec![face(0, 0, VICTIM), face(1, 0, STRANGER)],
            uses: &[(VICTIM, 0, 0), (VICTIM, 1, 0), (VICTIM, 0, 1)],
            is_quick: true,
            ..linked.clone()
        },
        World {
            name: "faces, and the link or the status ends in between",
            faces: vec![face(0, 0, VICTIM)],
            uses: &[(VICTIM, 0, 0)],
            unlinks: &[VICTIM],
            links: &[(VICTIM, VICTIM)],
            revokes: 1,
            is_quick: true,
            clock: &[(60, 60)],
            ..linked.clone()
        },
        World {
            name: "faces, and the identity is forgotten",
            replicas: 2,
            faces: vec![face(0, 0, VICTIM)],
            uses: &[(VICTIM, 0, 0)],
            forgets: 1,
            links: &[(VICTIM, VICTIM)],
            observes: (&[VICTIM], 1),
            ..linked
        },
    ]
}

/// Erasures, links and unlinks by the application.
fn erasures() -> Vec<World> {
    vec![
        World {
            name: "forgotten while an event waits",
            replicas: 2,
            flows: &[VICTIM],
            visits: vec![visit(0, VICTIM, VICTIM, PASS)],
            returns: 1,
            redeliveries: 1,
            forgets: 1,
            clock: &[(1, 1), (1, 1)],
            ..World::EMPTY
        },
        World {
            name: "forgotten twice, our clock set back",
            replicas: 2,
            observes: (&[VICTIM], 2),
            reverifies: 1,
            forgets: 2,
            clock: &[(1, 1), (-500, 1), (1, 1)],
            ..World::EMPTY
        },
        World {
            name: "linked and unlinked by the application during a flow",
            replicas: 2,
            flows: &[VICTIM],
            visits: vec![visit(0, VICTIM, VICTIM, PASS_OR_FAIL)],
            returns: 2,
            observes: (&[VICTIM], 1),
            links: &[(VICTIM, VICTIM)],
            unlinks: &[VICTIM],
            clock: &[(30, 30)],
            is_quick: true,
            ..World::EMPTY
        },
        World {
            name: "the application links both to one identity",
            observes: (&[VICTIM, STRANGER], 2),
            links: &[(VICTIM, VICTIM), (STRANGER, VICTIM), (STRANGER, STRANGER)],
            unlinks: &[VICTIM, STRANGER],
            reverifies: 1,
            clock: &[(1, 1)],
            ..World::EMPTY
        },
    ]
}

const fn visit(flow: u8, human: u8, typed: u8, ends: &'static [End]) -> Visit {
    Visit { flow: Some(flow), human, typed, ends, is_foreign: false }
}
