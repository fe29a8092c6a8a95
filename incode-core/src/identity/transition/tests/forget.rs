use super::*;
use crate::store::AuditAction;

fn forget(before: &Before, at: i64) -> After {
    request(Command::Forget { identity: person(), by: actor() }, at).apply(before)
}

#[test]
fn everything_of_the_identity_goes() {
    let before = Before {
        identity: Some(active()),
        links: vec![linked("alice"), linked("bob")],
        pending_links: vec![pending("carol")],
        ..Before::default()
    };
    let after = forget(&before, RETURN);
    assert_eq!((&after.outcome, &after.identity), (&Outcome::Forgotten(true), &Write::Delete));
    assert_eq!(after.links, [(subject("alice"), Write::Delete), (subject("bob"), Write::Delete)]);
    assert_eq!(ended(&after), ["carol"]);
    let erased: Vec<_> = ["alice", "bob", "carol"].map(|name| (subject(name), Vec::new())).into();
    assert_eq!(after.confirmations, erased);
    assert!(after.erase_fields && after.detach_jobs && after.jobs.is_empty());
    assert_eq!(after.forgotten_at, Some(secs(RETURN)));
    assert_eq!(after.change.unwrap().subjects, ["alice", "bob", "carol"].map(subject));
    let audit = after.audit.unwrap();
    assert_eq!((audit.action, audit.actor, audit.count), (AuditAction::Forget(person().masked()), actor(), 1));
}

#[test]
fn the_unknown_leaves_a_tombstone_and_a_trail_too() {
    let after = forget(&Before::default(), RETURN);
    assert_eq!((&after.outcome, &after.identity, &after.change), (&Outcome::Forgotten(false), &Write::Keep, &None));
    assert_eq!((after.forgotten_at, after.audit.unwrap().count), (Some(secs(RETURN)), 0));
    let later = Before { forgotten_at: Some(secs(RETURN + 1)), ..Before::default() };
    assert_eq!(forget(&later, RETURN).forgotten_at, Some(secs(RETURN + 1)), "the later one stays");
}

#[test]
fn a_tombstone_holds_off_what_is_not_newer() {
    let before = Before { forgotten_at: Some(secs(RETURN)), ..Before::default() };
    let observed = |before: &Before, at| request(Command::Observe(seen("ACTIVE", at)), at).apply(before).outcome;
    assert_eq!(observed(&before, RETURN), Outcome::Dropped);
    assert_eq!(observed(&before, RETURN + 1), Outcome::Observed);
    let again = Before { identity: Some(active()), ..before };
    assert_eq!(observed(&again, RETURN), Outcome::Dropped, "also when the identity is known again");
    assert_eq!(observed(&again, RETURN + 1), Outcome::Observed);
}
