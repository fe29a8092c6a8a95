use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;
use crate::identity::{Link, LinkProof};
use crate::store::{Audit, AuditAction, ERASURES_KEPT};

/// Each replay and each forgetting is kept with who, when, what and how many; without effect as well.
pub async fn what_is_done_by_hand_leaves_a_trail(store: Arc<dyn Store>) {
    assert!(trail(&*store).await.is_empty());
    some_dead(&*store).await;
    let asked = DeadFilter {
        reason: Some(Reason::NotFound),
        kind: Some(EventKind::from("<unheard> \u{1f512}")),
        accepted_before: Some(ms(15)),
    };
    let one = Replay::One(listed(&*store, None).await[0].id);
    store.replay(one.clone(), actor("Änne"), ms(100)).await.expect("replay");
    store.replay(one.clone(), actor("Änne"), ms(101)).await.expect("replay");
    store.replay(all_dead(), actor("bert"), ms(102)).await.expect("replay");
    store.replay(Replay::Dead(asked.clone()), actor("bert"), ms(103)).await.expect("replay");
    outcome(&*store, observe(seen("identity-of-anna", 50))).await;
    for at in [104, 105] {
        let by = actor("cleo");
        outcome(&*store, request(Command::Forget { identity: identity_id("identity-of-anna"), by }, at)).await;
    }

    let trail = trail(&*store).await;
    let expected =
        [(105, "cleo", 0), (104, "cleo", 1), (103, "bert", 0), (102, "bert", 2), (101, "Änne", 0), (100, "Änne", 1)];
    assert_eq!(entries(&trail), expected);
    assert_eq!(trail[5].action, AuditAction::Replay(one));
    assert_eq!(trail[3].action, AuditAction::Replay(all_dead()));
    assert_eq!(trail[2].action, AuditAction::Replay(Replay::Dead(asked)));
    let AuditAction::Forget(masked) = &trail[0].action else { panic!("an identity was forgotten") };
    assert_eq!(masked.as_str(), "iden…", "what was erased is not kept here");

    let page = store.audits(2, Some(trail[1].id)).await.expect("audits");
    assert_eq!(page, trail[2..4]);
}

/// A link and an unlink on someone's behalf leave an entry with the identity masked; without an actor, refused or
/// without effect they leave none.
pub async fn links_by_hand_leave_a_trail(store: Arc<dyn Store>) {
    outcome(&*store, observe(seen("identity-of-anna", 5))).await;
    let linking = |name: &str, by: Option<&str>, at| {
        let link = Link::new(subject(name), identity_id("identity-of-anna"), LinkProof::Application, ms(at));
        request(Command::Link { link, by: by.map(actor) }, at)
    };
    let unlinking =
        |name: &str, by: Option<&str>, at| request(Command::Unlink { subject: subject(name), by: by.map(actor) }, at);
    assert_eq!(outcome(&*store, unlinking("anna", Some("bert"), 9)).await, Outcome::Unlinked(false));
    assert_eq!(outcome(&*store, linking("anna", Some("bert"), 10)).await, Outcome::Linked);
    let refused = outcome(&*store, linking("carl", Some("bert"), 11)).await;
    assert_eq!(refused, Outcome::Refused(Refusal::IdentityTaken));
    assert_eq!(outcome(&*store, unlinking("anna", Some("cleo"), 12)).await, Outcome::Unlinked(true));
    assert_eq!(outcome(&*store, linking("carl", None, 13)).await, Outcome::Linked);
    assert_eq!(outcome(&*store, unlinking("carl", None, 14)).await, Outcome::Unlinked(true));

    let trail = trail(&*store).await;
    assert_eq!(entries(&trail), [(12, "cleo", 1), (10, "bert", 1)]);
    let masked = identity_id("identity-of-anna").masked();
    assert_eq!(trail[0].action, AuditAction::Unlink(masked.clone()));
    assert_eq!(trail[1].action, AuditAction::Link(masked));
}

/// However many entries are made, the newest 10,000 are kept.
pub async fn the_trail_is_capped(store: Arc<dyn Store>) {
    replay_in_vain(&store, 10_003).await;
    let trail = trail(&*store).await;
    assert_eq!(trail.len(), 10_000);
    assert_eq!(trail[0].id.0 - trail[9_999].id.0, 9_999, "the oldest went");
}

/// Ten thousand replays do not wash an erasure out: it goes by age alone, six years later.
pub async fn erasures_are_kept_by_age(store: Arc<dyn Store>) {
    let kept = i64::try_from(ERASURES_KEPT.as_millis()).expect("a few years");
    outcome(&*store, forget("person", 1_000)).await;
    replay_in_vain(&store, 10_001).await;
    outcome(&*store, forget("another", 2_000_000)).await;
    let erasures = async || {
        let mut erasures = trail(&*store).await;
        erasures.retain(|audit| matches!(audit.action, AuditAction::Forget(_)));
        erasures.iter().map(|audit| audit.at.as_millis()).collect::<Vec<_>>()
    };
    assert_eq!(erasures().await, [2_000_000, 1_000]);
    store.prune(prune(kept + 900, 0, 0)).await.expect("prune");
    assert_eq!(erasures().await, [2_000_000, 1_000]);
    store.prune(prune(kept + 1_000_000, 0, 0)).await.expect("prune");
    assert_eq!(erasures().await, [2_000_000]);
}

/// That many replays of an event that there is not, many at a time.
async fn replay_in_vain(store: &Arc<dyn Store>, count: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let store = Arc::clone(store);
        tasks.spawn(async move { store.replay(Replay::One(EventId(1)), actor("bert"), ms(1)).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic").expect("replay");
    }
}

async fn trail(store: &dyn Store) -> Vec<Audit> {
    store.audits(20_000, None).await.expect("audits")
}

fn entries(trail: &[Audit]) -> Vec<(i64, &str, u64)> {
    trail.iter().map(|audit| (audit.at.as_millis(), audit.actor.as_str(), audit.count)).collect()
}
