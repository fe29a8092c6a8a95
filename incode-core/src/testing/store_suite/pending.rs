use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;
use crate::identity::{Confirmation, LinkProof, SessionHash};

/// A callback shows whose token it was, not that the check passed: it opens nothing until the vendor says so.
pub async fn a_callback_waits_for_the_check(store: Arc<dyn Store>) {
    let back = changed(&*store, came_back("alice", "person")).await;
    assert_eq!(back, (Outcome::Pending, change("person", &["alice"])));
    let state = state_of(&*store, "alice").await;
    assert_eq!(state.linked, None);
    let pending = state.pending.expect("pending");
    assert_eq!((pending.subject, pending.identity_id), (subject("alice"), identity_id("person")));
    assert_eq!((pending.window, pending.expires_at), (window(), ms(EXPIRY)));
    assert!(identity(&*store, "person").await.is_some(), "what userinfo said is known");

    let (_, change_made) = checked(&*store, "object", "person", RETURN + 1_000, |_| {}).await;
    assert_eq!(change_made, change("person", &["alice"]));
    let state = state_of(&*store, "alice").await;
    let link = state.linked.expect("linked").link;
    assert_eq!((link.proof, link.linked_at), (LinkProof::Flow, ms(RETURN + 1_000)));
    assert_eq!(state.pending, None);
    assert_eq!(store.subjects(identity_id("person")).await.expect("subjects"), [subject("alice")]);
}

/// The vendor said it before the browser came back: the callback links at once.
pub async fn a_check_known_before_the_callback_links_at_once(store: Arc<dyn Store>) {
    checked(&*store, "object", "person", RETURN - 1_000, |_| {}).await;
    let back = changed(&*store, came_back("alice", "person")).await;
    assert_eq!(back, (Outcome::Linked, change("person", &["alice"])));
    assert_eq!(state_of(&*store, "alice").await.pending, None);
}

/// A check that did not pass ends the pending link, in whichever order the two come. The person may start again and pass.
pub async fn a_failed_check_ends_the_flow(store: Arc<dyn Store>) {
    let fail = |event: &mut ApplyEvent| (event.check.passed, event.seen.verified) = (false, None);
    assert_eq!(outcome(&*store, came_back("alice", "person")).await, Outcome::Pending);
    checked(&*store, "failed", "person", RETURN + 1_000, fail).await;
    assert_eq!(state_of(&*store, "alice").await, SubjectState::default());
    assert_eq!(outcome(&*store, came_back("alice", "person")).await, Outcome::Refused(Refusal::NonceUsed));

    checked(&*store, "too", "another", RETURN - 1_000, fail).await;
    let failed = outcome(&*store, came_back("bob", "another")).await;
    assert_eq!(failed, Outcome::Refused(Refusal::CheckFailed));
    assert_eq!(state_of(&*store, "bob").await, SubjectState::default());

    let again = RETURN + 100_000;
    let mut back = callback("alice", "person", again + 5_000);
    back.window = FlowWindow { began_at: ms(again), vendor_began_at: ms(again), ..back.window };
    assert_eq!(outcome(&*store, request(Command::Return(back), again + 5_000)).await, Outcome::Pending);
    let made = |event: &mut ApplyEvent| event.check.made_at = Some(ms(again + 1_000));
    checked(&*store, "passed", "person", again + 6_000, made).await;
    assert!(is_linked(&*store, "alice").await);
}

/// A stranger who fails under the name of another person stops their own flow, and no other: where the event repeats the
/// correlation id. Without one it may be of any flow.
pub async fn a_failure_that_names_a_flow_ends_that_flow_alone(store: Arc<dyn Store>) {
    let fail = |event: &mut ApplyEvent| (event.check.passed, event.seen.verified) = (false, None);
    let of_eve = |event: &mut ApplyEvent| {
        fail(event);
        event.check.flow = NamedFlow::Of(subject("eve"));
    };
    checked(&*store, "before", "person", RETURN - 1_000, of_eve).await;
    assert_eq!(outcome(&*store, came_back("alice", "person")).await, Outcome::Pending);
    assert_eq!(outcome(&*store, came_back("eve", "person")).await, Outcome::Refused(Refusal::CheckFailed));
    checked(&*store, "after", "person", RETURN + 1_000, of_eve).await;
    assert!(state_of(&*store, "alice").await.pending.is_some());
    checked(&*store, "passed", "person", RETURN + 2_000, |_| {}).await;
    assert!(is_linked(&*store, "alice").await);

    for (turn, flow) in [NamedFlow::Unnamed, NamedFlow::Foreign].into_iter().enumerate() {
        let person = format!("other-{turn}");
        assert_eq!(outcome(&*store, came_back(&format!("bob-{turn}"), &person)).await, Outcome::Pending);
        let of_any = |event: &mut ApplyEvent| {
            fail(event);
            event.check.flow = flow.clone();
        };
        checked(&*store, &format!("any-{turn}"), &person, RETURN + 1_000, of_any).await;
        assert_eq!(state_of(&*store, &format!("bob-{turn}")).await, SubjectState::default(), "{flow:?}");
    }
}

/// A pass that names a foreign flow confirms no pending link, and leaves it to be confirmed by another.
pub async fn a_pass_of_a_foreign_flow_links_nothing(store: Arc<dyn Store>) {
    let foreign = |event: &mut ApplyEvent| event.check.flow = NamedFlow::Foreign;
    checked(&*store, "before", "person", RETURN - 1_000, foreign).await;
    assert_eq!(outcome(&*store, came_back("alice", "person")).await, Outcome::Pending);
    checked(&*store, "after", "person", RETURN + 1_000, foreign).await;
    assert!(state_of(&*store, "alice").await.pending.is_some());
    assert!(identity(&*store, "person").await.expect("known").verification_id.is_some(), "it is a verification still");
    checked(&*store, "own", "person", RETURN + 2_000, |_| {}).await;
    assert!(is_linked(&*store, "alice").await);
}

/// Only a check made during the flow counts, with a minute of tolerance: not one made before, not one made after.
pub async fn a_check_of_another_time_links_nothing(store: Arc<dyn Store>) {
    outcome(&*store, came_back("alice", "person")).await;
    let hour = 60 * 60 * 1_000;
    for (object, made_at) in [("hour", START - hour), ("before", START - 60_001), ("after", RETURN + 60_001)] {
        let made = |event: &mut ApplyEvent| event.check.made_at = Some(ms(made_at));
        checked(&*store, object, "person", RETURN + 70_000, made).await;
        let state = state_of(&*store, "alice").await;
        assert!(state.linked.is_none() && state.pending.is_some(), "made at {made_at}");
    }
    let failed = |event: &mut ApplyEvent| {
        (event.check.passed, event.check.made_at) = (false, Some(ms(START - hour)));
    };
    checked(&*store, "old-failure", "person", RETURN + 70_000, failed).await;
    assert!(state_of(&*store, "alice").await.pending.is_some(), "nor does an old failure end it");
    let made = |event: &mut ApplyEvent| event.check.made_at = Some(ms(START - 60_000));
    checked(&*store, "bound", "person", RETURN + 70_000, made).await;
    assert!(is_linked(&*store, "alice").await, "the bound itself is within");
}

/// Where no time can be read, an authenticated event that was accepted since the start links, and gives no freshness.
pub async fn a_check_of_unknown_time_must_be_authenticated(store: Arc<dyn Store>) {
    let timeless = |event: &mut ApplyEvent| {
        event.check.made_at = None;
        event.seen.verified = Some(Verified { id: event.object_id.clone(), at: None });
    };
    outcome(&*store, came_back("alice", "person")).await;
    checked(&*store, "early", "person", START - 1, timeless).await;
    assert!(!is_linked(&*store, "alice").await, "accepted before the start");
    let forged = |event: &mut ApplyEvent| {
        timeless(event);
        event.check.authenticated = false;
    };
    checked(&*store, "forged", "person", RETURN + 1, forged).await;
    assert!(!is_linked(&*store, "alice").await, "anyone could have sent it");
    checked(&*store, "genuine", "person", RETURN + 2, timeless).await;
    let linked = state_of(&*store, "alice").await.linked.expect("linked");
    assert_eq!(linked.identity.verified_at, None);
    assert!(linked.identity.verification_id.is_some());
}

/// A reload gets the answer of the first call for as long as that holds, and changes nothing else.
pub async fn the_same_callback_twice_is_one(store: Arc<dyn Store>) {
    assert_eq!(outcome(&*store, came_back("alice", "person")).await, Outcome::Pending);
    let pending = state_of(&*store, "alice").await;
    assert_eq!(outcome(&*store, came_back("alice", "person")).await, Outcome::Pending);
    assert_eq!(state_of(&*store, "alice").await, pending);
    checked(&*store, "object", "person", RETURN + 1_000, |_| {}).await;
    let linked = state_of(&*store, "alice").await.linked.expect("linked").link;
    assert_eq!(outcome(&*store, came_back("alice", "person")).await, Outcome::Linked);
    assert_eq!(state_of(&*store, "alice").await.linked.expect("linked").link, linked);
    outcome(&*store, unlink("alice", RETURN + 2_000)).await;
    assert_eq!(outcome(&*store, came_back("alice", "person")).await, Outcome::Refused(Refusal::NonceUsed));
    assert_eq!(state_of(&*store, "alice").await, SubjectState::default());
}

/// Nothing shows which of two subjects was in front of the camera: one check links neither, unless its event names one.
pub async fn two_pending_links_are_not_both_confirmed(store: Arc<dyn Store>) {
    for name in ["alice", "mallory"] {
        assert_eq!(outcome(&*store, came_back(name, "person")).await, Outcome::Pending);
    }
    checked(&*store, "object", "person", RETURN + 1_000, |_| {}).await;
    for name in ["alice", "mallory"] {
        assert_eq!(state_of(&*store, name).await, SubjectState::default());
    }

    for name in ["bob", "trudy"] {
        assert_eq!(outcome(&*store, came_back(name, "named")).await, Outcome::Pending);
    }
    let names_bob = |event: &mut ApplyEvent| event.check.flow = NamedFlow::Of(subject("bob"));
    checked(&*store, "other", "named", RETURN + 1_000, names_bob).await;
    assert!(is_linked(&*store, "bob").await);
    checked(&*store, "more", "named", RETURN + 2_000, |_| {}).await;
    assert_eq!(state_of(&*store, "trudy").await, SubjectState::default(), "the identity is taken");
}

/// A pending link is void from its last instant on, pruned or not.
pub async fn pending_links_expire(store: Arc<dyn Store>) {
    outcome(&*store, came_back("alice", "person")).await;
    outcome(&*store, came_back("bob", "another")).await;
    checked(&*store, "late", "person", EXPIRY, |_| {}).await;
    assert!(!is_linked(&*store, "alice").await, "it came too late");
    store.prune(prune(EXPIRY - 1, 0, 0)).await.expect("prune");
    assert!(state_of(&*store, "bob").await.pending.is_some());
    assert_eq!(store.prune(prune(EXPIRY + 1, 0, 0)).await.expect("prune"), 0, "only events are counted");
    for name in ["alice", "bob"] {
        assert_eq!(state_of(&*store, name).await, SubjectState::default());
    }
    let back = callback("carol", "another", EXPIRY + 10);
    let back = request(Command::Return(back), EXPIRY + 10);
    assert_eq!(outcome(&*store, back).await, Outcome::Pending);
    let seen = changed(&*store, observe(seen("another", EXPIRY + 20))).await;
    assert_eq!(seen.1, change("another", &["carol"]), "what was pruned is no longer concerned");
}

/// A subject has one flow at a time: the next callback replaces the pending link, and unlinking ends it.
pub async fn a_new_flow_replaces_the_pending_link(store: Arc<dyn Store>) {
    outcome(&*store, came_back("alice", "one")).await;
    let mut back = callback("alice", "two", RETURN + 10);
    back.window = window();
    assert_eq!(outcome(&*store, request(Command::Return(back), RETURN + 10)).await, Outcome::Pending);
    let pending = state_of(&*store, "alice").await.pending.expect("pending");
    assert_eq!(pending.identity_id, identity_id("two"));
    checked(&*store, "one", "one", RETURN + 1_000, |_| {}).await;
    assert!(!is_linked(&*store, "alice").await, "that flow is over");
    let ended = changed(&*store, unlink("alice", RETURN + 1_500)).await;
    assert_eq!(ended, (Outcome::Unlinked(true), change("two", &["alice"])));
    checked(&*store, "two", "two", RETURN + 2_000, |_| {}).await;
    assert_eq!(state_of(&*store, "alice").await, SubjectState::default());
}

/// Several subjects come back to one identity at once. Without a check all are pending, because any of them may be
/// right; with one, exactly one is linked.
pub async fn simultaneous_returns_link_at_most_one(store: Arc<dyn Store>) {
    checked(&*store, "object", "checked", RETURN - 1_000, |_| {}).await;
    for (identity, expected, rest) in [
        ("checked", Outcome::Linked, Outcome::Refused(Refusal::IdentityTaken)),
        ("unchecked", Outcome::Pending, Outcome::Pending),
    ] {
        let mut tasks = JoinSet::new();
        for n in 0..8 {
            let store = Arc::clone(&store);
            tasks.spawn(async move { outcome(&*store, came_back(&format!("{identity}-{n}"), identity)).await });
        }
        let mut outcomes = tasks.join_all().await;
        let first = outcomes.iter().position(|outcome| *outcome == expected).expect("one as expected");
        outcomes.swap_remove(first);
        assert!(outcomes.iter().all(|outcome| *outcome == rest), "{outcomes:?}");
    }
    assert_eq!(store.subjects(identity_id("checked")).await.expect("subjects").len(), 1);
    checked(&*store, "other", "unchecked", RETURN + 1_000, |_| {}).await;
    assert!(store.subjects(identity_id("unchecked")).await.expect("subjects").is_empty());
}

/// The event and the callback of one flow at the same moment: the subject is linked, and its handlers are owed one job.
pub async fn event_and_callback_at_once_link_once(store: Arc<dyn Store>) {
    let rules = Arc::new(on_standing());
    for round in 0..20 {
        let (name, object) = (format!("subject-{round}"), format!("object-{round}"));
        accepted(&*store, pending(&object, "token", RETURN)).await;
        let event = claimed_one(&*store, RETURN).await;
        let mut applying = applying(&event, seen(&name, RETURN));
        applying.check.made_at = Some(ms(MADE));
        applying.seen.checks = Checks::default().with(&applying.check);
        let back = ChangeRequest { rules: Arc::clone(&rules), ..came_back(&name, &name) };
        let (settled, _) =
            tokio::join!(store.settle(event.lease, apply(applying, &rules, RETURN)), outcome(&*store, back));
        assert!(matches!(settled.expect("settle"), Settled::Written(Some(_))));
        assert!(is_linked(&*store, &name).await, "whichever came first");
        assert_eq!(owed(&*store).await.len(), (round + 1) * 2, "\"open\" and \"check\" for each");
    }
}

/// `on_verified` is owed once for each subject, in whichever order event, callback and face confirmation come, and
/// however often.
pub async fn any_order_of_flow_and_event_owes_once(store: Arc<dyn Store>) {
    let rules = Arc::new(on_standing());
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (turn, order) in orders.into_iter().enumerate() {
        let name = format!("subject-{turn}");
        for step in order.into_iter().chain(order) {
            match step {
                0 => {
                    let (object, at) = (format!("object-{turn}"), RETURN + 10);
                    if !is_duplicate(&*store, pending(&object, "token", at)).await {
                        let event = claimed_one(&*store, at).await;
                        let mut applying = applying(&event, seen(&name, at));
                        applying.check.made_at = Some(ms(MADE));
                        applying.seen.checks = Checks::default().with(&applying.check);
                        store.settle(event.lease, apply(applying, &rules, at)).await.expect("settle");
                    }
                }
                1 => {
                    let back = ChangeRequest { rules: Arc::clone(&rules), ..came_back(&name, &name) };
                    outcome(&*store, back).await;
                }
                _ => {
                    let confirmation = Confirmation {
                        subject: subject(&name),
                        identity_id: identity_id(&name),
                        session: SessionHash::NONE,
                        action: None,
                        passed_at: ms(RETURN + 20),
                    };
                    let seen = Observation { verified: None, ..seen(&name, RETURN + 20) };
                    let confirm = request(Command::Confirm { confirmation, seen }, RETURN + 20);
                    outcome(&*store, ChangeRequest { rules: Arc::clone(&rules), ..confirm }).await;
                }
            }
        }
        assert!(is_linked(&*store, &name).await, "{order:?}");
        let jobs = listed_jobs(&*store, None, None).await;
        assert_eq!(jobs.len(), (turn + 1) * 2, "\"open\" and \"check\" once each: {order:?}");
    }
}

/// The callback of a flow from [`START`] to [`RETURN`]. Nothing is said of a check.
pub(super) fn came_back(subject_name: &str, identity: &str) -> ChangeRequest {
    let back = callback(subject_name, identity, RETURN);
    let seen = Observation { verified: None, ..back.seen };
    let back = Return { seen, window: window(), pending_until: ms(EXPIRY), ..back };
    request(Command::Return(back), RETURN)
}

fn window() -> FlowWindow {
    FlowWindow { began_at: ms(START), vendor_began_at: ms(START), vendor_returned_at: ms(RETURN) }
}

/// A verification event that is accepted and applied at `at`: its check passed within the flow, unless `edit` says
/// otherwise.
pub(super) async fn checked(
    store: &dyn Store,
    object: &str,
    identity: &str,
    at: i64,
    edit: impl FnOnce(&mut ApplyEvent),
) -> (Outcome, Option<Change>) {
    let edit = |event: &mut ApplyEvent| {
        event.check.made_at = Some(ms(MADE));
        edit(event);
    };
    deliver(store, pending(object, "token", at), seen(identity, at), &Rules::default(), edit).await
}

/// When the flow began, when its check was made, when the subject came back, and when the pending link ends.
pub(super) const START: i64 = 10_000_000;
const MADE: i64 = START + 20_000;
pub(super) const RETURN: i64 = START + 30_000;
pub(super) const EXPIRY: i64 = RETURN + 600_000;
