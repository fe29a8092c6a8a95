use super::*;
use crate::identity::{Field, RetainedField};

fn observed(before: &Before, seen: Observation, rules: Rules) -> After {
    let at = seen.sent_at.as_millis() / 1_000;
    under(rules, Command::Observe(seen), at).apply(before)
}

fn with_links(identity: Identity, names: &[&str]) -> Before {
    Before { identity: Some(identity), links: names.iter().map(|name| linked(name)).collect(), ..Before::default() }
}

#[test]
fn the_last_condition_enqueues_the_handlers() {
    let before = with_links(Identity { status: "PENDING".into(), ..active() }, &["alice"]);
    assert!(observed(&before, verified("PENDING", START), handlers()).jobs.is_empty());
    let after = observed(&before, seen("ACTIVE", START), handlers());
    assert_eq!(job_names(&after), ["open"]);
    let cause = JobCause::Verified { subject: subject("alice"), linked_at: linked("alice").linked_at };
    assert_eq!((&after.jobs[0].cause, after.jobs[0].caused_at), (&cause, secs(START)));
    let [(_, Write::Put(link))] = &after.links[..] else { panic!("the link says since when") };
    assert_eq!((link.active_since, link.verified_since), (Some(secs(START)), None));

    let open = Before { links: vec![link.clone()], ..with_links(active(), &[]) };
    let after = observed(&open, verified("ACTIVE", START + 1), handlers());
    assert_eq!(job_names(&after), ["check"]);
    let [(_, Write::Put(link))] = &after.links[..] else { panic!("written") };
    assert_eq!((link.active_since, link.verified_since), (Some(secs(START)), Some(secs(START + 1))));

    let complete = Before { links: vec![link.clone()], ..with_links(active(), &[]) };
    let after = observed(&complete, verified("ACTIVE", START + 2), handlers());
    assert!(after.jobs.is_empty() && after.links.is_empty(), "owed once");
    assert_eq!(observed(&before, verified("ACTIVE", START), handlers()).jobs.len(), 2, "both at once");
}

#[test]
fn a_revocation_enqueues_a_job_where_it_begins() {
    let before = with_links(active(), &["alice", "bob"]);
    let after = observed(&before, seen("REVOKED", START), handlers());
    assert_eq!(job_names(&after), ["shut", "shut"]);
    let cause = JobCause::Revoked { subject: subject("alice"), checked_at: secs(START) };
    assert_eq!(after.jobs[0].cause, cause);
    let revoked = with_links(Identity { status: IdentityStatus::Revoked, ..active() }, &["alice"]);
    assert!(observed(&revoked, seen("REVOKED", START), handlers()).jobs.is_empty(), "it is revoked still");
    assert!(observed(&before, seen("SUSPENDED", START), handlers()).jobs.is_empty());
    let late = seen("REVOKED", START - 1_010);
    let after = observed(&before, late, handlers());
    assert_eq!(job_names(&after), ["open", "open"], "an older answer revokes nothing");
    assert!(observed(&with_links(active(), &[]), seen("REVOKED", START), handlers()).jobs.is_empty(), "of no subject");
}

#[test]
fn a_change_names_linked_and_pending_subjects() {
    let before = Before { pending_links: vec![pending("alice"), pending("carol")], ..with_links(active(), &["bob"]) };
    let after = observed(&before, seen("ACTIVE", START), Rules::default());
    assert_eq!(after.change.unwrap().subjects, ["alice", "bob", "carol"].map(subject));
}

#[test]
fn a_field_follows_the_newest_that_has_it() {
    let field = |text: &str, expires_at| RetainedField {
        field: Field::Email,
        sealed: text.as_bytes().to_vec(),
        expires_at: secs(expires_at),
    };
    let before = Before { fields: vec![(field("m", START + 100), secs(START))], ..with_links(active(), &[]) };
    let written = |text, expires_at, at| {
        let seen = Observation { fields: vec![field(text, expires_at)], ..seen("ACTIVE", at) };
        observed(&before, seen, Rules::default()).fields.len()
    };
    assert_eq!(written("a", START, START + 1), 1, "newer");
    assert_eq!(written("z", START + 900, START - 1), 0, "older");
    assert_eq!(written("a", START + 101, START), 1, "a tie: the later end wins");
    assert_eq!(written("z", START + 99, START), 0);
    assert_eq!(written("n", START + 100, START), 1, "a tie still: the greater bytes win");
    assert_eq!(written("m", START + 100, START), 0, "the same");
    let nothing = observed(&before, seen("ACTIVE", START + 1), Rules::default());
    assert!(nothing.fields.is_empty() && !nothing.erase_fields, "what is left out stays");
}

#[test]
fn keys_name_the_rows_that_are_read() {
    let keys = |command| request(command, RETURN).keys();
    let event = keys(Command::ApplyEvent(apply_event(check(RETURN), RETURN)));
    assert_eq!((&event.identity, &event.subject), (&Some(person()), &None));
    assert_eq!(event.object, Some((EventKind::Verification, object("object"))));
    let link = EventLink { subject: subject("alice"), proof: LinkProof::Application, nonce: None };
    let event = keys(Command::ApplyEvent(ApplyEvent { link: Some(link), ..apply_event(check(RETURN), RETURN) }));
    assert_eq!((event.subject, event.nonce), (Some(subject("alice")), None));
    let back = keys(Command::Return(come_back("alice", RETURN)));
    assert_eq!((back.identity, back.subject), (Some(person()), Some(subject("alice"))));
    assert_eq!((back.nonce, back.token), (Some([b'a'; 24]), Some(TokenHash([b'a'; 32]))));
    let unlink = keys(Command::Unlink { subject: subject("alice"), by: None });
    assert_eq!((unlink.identity, unlink.subject), (None, Some(subject("alice"))));
}
