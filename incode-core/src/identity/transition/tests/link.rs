use super::*;
use crate::store::AuditAction;

fn by_application(name: &str, by: Option<Actor>) -> Command {
    Command::Link { link: Link::new(subject(name), person(), LinkProof::Application, secs(RETURN)), by }
}

#[test]
fn the_application_links_a_known_identity() {
    let before = Before { identity: Some(active()), pending: Some(pending("alice")), ..Before::default() };
    let after = under(handlers(), by_application("alice", Some(actor())), RETURN).apply(&before);
    assert_eq!((&after.outcome, new_links(&after), ended(&after)), (&Outcome::Linked, vec!["alice"], vec!["alice"]));
    assert_eq!(job_names(&after), ["open"]);
    assert_eq!(after.identity, Write::Keep);
    let audit = after.audit.unwrap();
    assert_eq!((audit.at, audit.actor, audit.count), (secs(RETURN), actor(), 1));
    assert_eq!(audit.action, AuditAction::Link(person().masked()));
    assert_eq!(after.change.unwrap().subjects, [subject("alice")]);
}

#[test]
fn the_application_moves_no_one() {
    let known = Before { identity: Some(active()), ..Before::default() };
    let elsewhere = Link { identity_id: other_person(), ..linked("alice") };
    let refusals = [
        (Before::default(), Refusal::UnknownIdentity),
        (Before { link: Some(elsewhere), ..known.clone() }, Refusal::SubjectTaken),
        (Before { links: vec![linked("bob")], ..known.clone() }, Refusal::IdentityTaken),
    ];
    for (before, refusal) in refusals {
        let after = request(by_application("alice", Some(actor())), RETURN).apply(&before);
        assert_eq!(after.outcome, Outcome::Refused(refusal));
        assert!(after.links.is_empty() && after.audit.is_none() && after.change.is_none());
    }
    let before = Before { links: vec![linked("bob")], ..known.clone() };
    let after = under(shared(), by_application("alice", None), RETURN).apply(&before);
    assert_eq!(
        (after.outcome, after.change.unwrap().subjects),
        (Outcome::Linked, vec![subject("bob"), subject("alice")])
    );
    let before = Before { link: Some(linked("alice")), links: vec![linked("alice"), linked("bob")], ..known };
    let after = request(by_application("alice", Some(actor())), RETURN).apply(&before);
    assert_eq!(
        (&after.outcome, after.links.len(), &after.audit),
        (&Outcome::Linked, 0, &None),
        "nothing is left to do"
    );
}

#[test]
fn unlinking_ends_what_hangs_on_the_link() {
    let confirmation = Confirmation {
        subject: subject("alice"),
        identity_id: person(),
        session: SessionHash::NONE,
        action: None,
        passed_at: secs(RETURN),
    };
    let before = Before {
        identity: Some(active()),
        link: Some(linked("alice")),
        links: vec![linked("alice"), linked("bob")],
        confirmations: vec![confirmation],
        ..Before::default()
    };
    let unlink = || Command::Unlink { subject: subject("alice"), by: Some(actor()) };
    let after = request(unlink(), RETURN).apply(&before);
    assert_eq!((&after.outcome, &after.identity), (&Outcome::Unlinked(true), &Write::Keep));
    assert_eq!(after.links, [(subject("alice"), Write::Delete)]);
    assert_eq!(after.confirmations, [(subject("alice"), Vec::new())]);
    assert_eq!(after.audit.unwrap().action, AuditAction::Unlink(person().masked()));
    assert_eq!(after.change.unwrap().subjects, [subject("alice"), subject("bob")]);

    let before = Before { pending: Some(pending("alice")), pending_links: vec![pending("alice")], ..Before::default() };
    let after = request(unlink(), RETURN).apply(&before);
    assert_eq!((&after.outcome, ended(&after)), (&Outcome::Unlinked(true), vec!["alice"]));
    assert_eq!(after.change.unwrap().subjects, [subject("alice")]);
    let after = request(unlink(), RETURN).apply(&Before::default());
    assert_eq!((after.outcome, after.audit, after.change), (Outcome::Unlinked(false), None, None));
}
