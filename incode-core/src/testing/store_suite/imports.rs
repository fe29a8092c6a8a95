use std::sync::Arc;

use super::*;
use crate::gate::Standing;
use crate::identity::{Link, LinkProof};
use crate::store::AuditAction;

/// An imported link opens nothing, and becomes ACTIVE at the first answer of the vendor, whenever that was asked.
pub async fn an_imported_link_waits_for_the_vendor(store: Arc<dyn Store>) {
    let rules = Arc::new(on_standing());
    let importing = ChangeRequest { rules: Arc::clone(&rules), ..import("alice", "person", 1_000) };
    assert_eq!(changed(&*store, importing).await, (Outcome::Linked, change("person", &["alice"])));
    let state = state_of(&*store, "alice").await;
    assert_eq!(Standing::of(&state, ms(1_001)), Standing::NotYetAsked);
    let linked = state.linked.expect("linked");
    assert_eq!(linked.identity.status, IdentityStatus::NotYetAsked);
    assert_eq!((linked.link.proof, linked.link.active_since), (LinkProof::Application, None));
    assert!(owed(&*store).await.is_empty(), "no handler is called yet");
    let use_up = Command::UseConfirmation {
        subject: subject("alice"),
        session: crate::SessionHash::NONE,
        action: crate::identity::ActionHash::of(b"pay"),
        within: std::time::Duration::from_secs(60),
    };
    assert_eq!(outcome(&*store, request(use_up, 1_002)).await, Outcome::Refused(Refusal::NotConfirmed));

    // The vendor was asked before the import, and answers after it.
    let answer = ChangeRequest { rules, ..observe(seen("person", 900)) };
    assert_eq!(changed(&*store, answer).await, (Outcome::Observed, change("person", &["alice"])));
    let state = state_of(&*store, "alice").await;
    assert_eq!(Standing::of(&state, ms(1_003)), Standing::Active);
    assert_eq!(owed(&*store).await, ["check", "open"]);
}

/// An import links as the application does: it moves no link, gives no identity to a second subject, and brings no
/// identity back that was forgotten. What the vendor said of a known identity stands.
pub async fn an_import_moves_nothing(store: Arc<dyn Store>) {
    assert_eq!(outcome(&*store, import("alice", "person", 10)).await, Outcome::Linked);
    let linked = state_of(&*store, "alice").await;
    assert_eq!(outcome(&*store, import("alice", "person", 20)).await, Outcome::Linked, "once more");
    assert_eq!(state_of(&*store, "alice").await, linked);
    assert_eq!(outcome(&*store, import("alice", "other", 20)).await, Outcome::Refused(Refusal::SubjectTaken));
    assert_eq!(identity(&*store, "other").await, None, "a refused one makes nothing known");
    assert_eq!(outcome(&*store, import("bob", "person", 20)).await, Outcome::Refused(Refusal::IdentityTaken));

    let revoked = Observation { status: IdentityStatus::Revoked, ..seen("known", 30) };
    outcome(&*store, observe(revoked)).await;
    assert_eq!(outcome(&*store, import("carol", "known", 40)).await, Outcome::Linked);
    assert_eq!(identity(&*store, "known").await.expect("known").status, IdentityStatus::Revoked);

    outcome(&*store, forget("person", 50)).await;
    assert_eq!(outcome(&*store, import("alice", "person", 60)).await, Outcome::Refused(Refusal::Forgotten));
    assert_eq!(identity(&*store, "person").await, None);
}

/// What changes no row is in the trail too: an export with the person masked, an import with the number of its rows.
pub async fn exports_and_imports_leave_a_trail(store: Arc<dyn Store>) {
    let masked = identity_id("identity-of-anna").masked();
    let export = AuditAction::Export(masked);
    for (action, count, at) in [(export.clone(), 1, 10), (AuditAction::Import, 2_500, 20)] {
        let note = Command::Note { action, count, by: actor("bert") };
        assert_eq!(changed(&*store, request(note, at)).await, (Outcome::Noted, None));
    }
    let trail = store.audits(10, None).await.expect("audits");
    let entries: Vec<_> = trail.iter().map(|audit| (audit.at.as_millis(), audit.action.clone(), audit.count)).collect();
    assert_eq!(entries, [(20, AuditAction::Import, 2_500), (10, export, 1)]);
    assert!(trail.iter().all(|audit| audit.actor == actor("bert")));
}

fn import(name: &str, identity: &str, at: i64) -> ChangeRequest {
    request(Command::Import(Link::new(subject(name), identity_id(identity), LinkProof::Application, ms(at))), at)
}
