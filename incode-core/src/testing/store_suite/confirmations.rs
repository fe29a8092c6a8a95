use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::identity::{ActionHash, Confirmation, SessionHash};

/// A confirmation counts in the session and for the action that it was made in and for, once.
pub async fn a_face_confirms_one_action_once(store: Arc<dyn Store>) {
    outcome(&*store, link("alice", "person", 5)).await;
    let confirmed = changed(&*store, confirm("alice", "tab", Some("pay 1"), 10)).await;
    assert_eq!(confirmed, (Outcome::Confirmed, change("person", &["alice"])));
    assert_eq!(outcome(&*store, use_up("alice", "other tab", "pay 1", 20)).await, NOT_CONFIRMED);
    assert_eq!(outcome(&*store, use_up("alice", "tab", "pay 1000000", 20)).await, NOT_CONFIRMED);
    let used = changed(&*store, use_up("alice", "tab", "pay 1", 20)).await;
    assert_eq!(used, (Outcome::Used(ms(10)), change("person", &["alice"])));
    assert_eq!(outcome(&*store, use_up("alice", "tab", "pay 1", 20)).await, NOT_CONFIRMED, "used up");
    assert_eq!(state_of(&*store, "alice").await.confirmations, []);
    assert_eq!(identity(&*store, "person").await.expect("known").checked_at, ms(10), "userinfo counts as well");
}

/// Two requests reach for one confirmation at the same moment: one has it.
pub async fn simultaneous_uses_find_one_confirmation(store: Arc<dyn Store>) {
    outcome(&*store, link("alice", "person", 5)).await;
    for round in 0..20 {
        outcome(&*store, confirm("alice", "tab", Some("pay"), 10 + round)).await;
        let (one, other) = tokio::join!(
            outcome(&*store, use_up("alice", "tab", "pay", 40)),
            outcome(&*store, use_up("alice", "tab", "pay", 40)),
        );
        let outcomes = [one, other];
        assert!(outcomes.contains(&Outcome::Used(ms(10 + round))), "{outcomes:?}");
        assert!(outcomes.contains(&NOT_CONFIRMED), "{outcomes:?}");
    }
}

/// Each session and action has its own, the newer in place of the older; newest first; at most 32 of a subject.
pub async fn confirmations_are_kept_by_session_and_action(store: Arc<dyn Store>) {
    outcome(&*store, link("alice", "person", 5)).await;
    outcome(&*store, link("bob", "another", 5)).await;
    outcome(&*store, confirm("alice", "tab", None, 10)).await;
    outcome(&*store, confirm("alice", "tab", Some("pay"), 20)).await;
    outcome(&*store, confirm("alice", "phone", Some("pay"), 30)).await;
    outcome(&*store, confirm("alice", "tab", None, 40)).await;
    let expected = [
        confirmation("alice", "tab", None, 40),
        confirmation("alice", "phone", Some("pay"), 30),
        confirmation("alice", "tab", Some("pay"), 20),
    ];
    assert_eq!(state_of(&*store, "alice").await.confirmations, expected);
    assert_eq!(state_of(&*store, "bob").await.confirmations, []);
    let nothing_named = outcome(&*store, use_up("alice", "phone", "other", 50)).await;
    assert_eq!(nothing_named, NOT_CONFIRMED, "one of no action stands for none");
    outcome(&*store, use_up("alice", "phone", "pay", 50)).await;
    assert_eq!(state_of(&*store, "alice").await.confirmations.len(), 2, "the others stay");
    for n in 0..40 {
        outcome(&*store, confirm("alice", &format!("session-{n}"), None, 100 + n)).await;
    }
    let kept = state_of(&*store, "alice").await.confirmations;
    assert_eq!((kept.len(), kept[0].passed_at, kept[31].passed_at), (32, ms(139), ms(108)), "the newest");
}

/// It counts for as long as the caller says, by the instant of the pass, and for an ACTIVE identity alone.
pub async fn old_and_revoked_confirmations_do_not_count(store: Arc<dyn Store>) {
    outcome(&*store, link("alice", "person", 5)).await;
    outcome(&*store, confirm("alice", "tab", Some("pay"), 1_000)).await;
    let expired = Outcome::Refused(Refusal::ConfirmationExpired);
    assert_eq!(outcome(&*store, use_up("alice", "tab", "pay", 61_001)).await, expired);
    assert_eq!(outcome(&*store, use_up("alice", "tab", "pay", 999)).await, expired, "its age is unknown");
    let revoked = Observation { status: IdentityStatus::Revoked, ..seen("person", 2_000) };
    outcome(&*store, observe(revoked)).await;
    assert_eq!(outcome(&*store, use_up("alice", "tab", "pay", 2_000)).await, NOT_CONFIRMED);
    outcome(&*store, observe(seen("person", 3_000))).await;
    assert_eq!(outcome(&*store, use_up("alice", "tab", "pay", 61_000)).await, Outcome::Used(ms(1_000)));
}

/// A face of a person whom the subject is not linked to is not recorded; what the vendor said of a known identity counts.
pub async fn a_face_of_another_person_confirms_nothing(store: Arc<dyn Store>) {
    let not_linked = Outcome::Refused(Refusal::NotLinked);
    assert_eq!(outcome(&*store, confirm("alice", "tab", Some("pay"), 10)).await, not_linked);
    assert_eq!(identity(&*store, "person").await, None, "no identity becomes known by it");
    outcome(&*store, link("bob", "person", 20)).await;
    outcome(&*store, link("alice", "another", 20)).await;
    assert_eq!(outcome(&*store, confirm("alice", "tab", Some("pay"), 30)).await, not_linked);
    assert_eq!(outcome(&*store, use_up("alice", "tab", "pay", 40)).await, NOT_CONFIRMED);
    assert_eq!(outcome(&*store, use_up("carol", "tab", "pay", 40)).await, not_linked);
    assert_eq!(identity(&*store, "person").await.expect("known").checked_at, ms(30));
}

/// The end of a link takes its confirmations along: they count neither then nor after the next link.
pub async fn the_end_of_a_link_erases_confirmations(store: Arc<dyn Store>) {
    for (end, at) in [(unlink("alice", 30), 0), (forget("person", 130), 100)] {
        outcome(&*store, link("alice", "person", at + 5)).await;
        assert_eq!(outcome(&*store, confirm("alice", "tab", Some("pay"), at + 10)).await, Outcome::Confirmed);
        outcome(&*store, end).await;
        assert_eq!(state_of(&*store, "alice").await.confirmations, []);
        assert_eq!(outcome(&*store, link("alice", "person", at + 40)).await, Outcome::Linked);
        assert_eq!(outcome(&*store, use_up("alice", "tab", "pay", at + 50)).await, NOT_CONFIRMED);
    }
}

/// Old confirmations are pruned, newer ones of the same subject stay.
pub async fn prune_removes_old_confirmations(store: Arc<dyn Store>) {
    outcome(&*store, link("alice", "person", 5)).await;
    outcome(&*store, confirm("alice", "tab", Some("old"), 10)).await;
    outcome(&*store, confirm("alice", "tab", Some("new"), 20)).await;
    let prune = |confirmed_before| Prune { confirmed_before: ms(confirmed_before), ..prune(0, 0, 0) };
    store.prune(prune(10)).await.expect("prune");
    assert_eq!(state_of(&*store, "alice").await.confirmations.len(), 2, "the bound itself stays");
    assert_eq!(store.prune(prune(20)).await.expect("prune"), 0, "only events are counted");
    assert_eq!(state_of(&*store, "alice").await.confirmations, [confirmation("alice", "tab", Some("new"), 20)]);
}

/// The face of "person" passes for a subject at `at` milliseconds.
fn confirm(subject_name: &str, session: &str, action: Option<&str>, at: i64) -> ChangeRequest {
    let confirmation = confirmation(subject_name, session, action, at);
    request(Command::Confirm { confirmation, seen: seen("person", at) }, at)
}

fn confirmation(subject_name: &str, session: &str, action: Option<&str>, at: i64) -> Confirmation {
    Confirmation {
        subject: subject(subject_name),
        identity_id: identity_id("person"),
        session: SessionHash::of(session.as_bytes()),
        action: action.map(|action| ActionHash::of(action.as_bytes())),
        passed_at: ms(at),
    }
}

/// Uses the confirmation of an action up, if it is at most a minute old.
fn use_up(subject_name: &str, session: &str, action: &str, at: i64) -> ChangeRequest {
    let command = Command::UseConfirmation {
        subject: subject(subject_name),
        session: SessionHash::of(session.as_bytes()),
        action: ActionHash::of(action.as_bytes()),
        within: Duration::from_secs(60),
    };
    request(command, at)
}

const NOT_CONFIRMED: Outcome = Outcome::Refused(Refusal::NotConfirmed);
