use std::time::Duration;

use super::*;

fn face(session: &str, action: Option<&str>, at: i64) -> Confirmation {
    Confirmation {
        subject: subject("alice"),
        identity_id: person(),
        session: SessionHash::of(session.as_bytes()),
        action: action.map(|action| ActionHash::of(action.as_bytes())),
        passed_at: secs(at),
    }
}

fn known(confirmations: Vec<Confirmation>) -> Before {
    let (link, links) = (Some(linked("alice")), vec![linked("alice")]);
    Before { identity: Some(active()), link, links, confirmations, ..Before::default() }
}

fn confirm(before: &Before, confirmation: Confirmation) -> After {
    let at = confirmation.passed_at.as_millis() / 1_000;
    request(Command::Confirm { confirmation, seen: seen("ACTIVE", at) }, at).apply(before)
}

fn use_up(before: &Before, session: &str, action: &str, at: i64) -> After {
    let command = Command::UseConfirmation {
        subject: subject("alice"),
        session: SessionHash::of(session.as_bytes()),
        action: ActionHash::of(action.as_bytes()),
        within: Duration::from_secs(60),
    };
    request(command, at).apply(before)
}

#[test]
fn a_pass_is_recorded_newest_first_in_place_of_its_like() {
    let before = known(vec![face("tab", Some("pay"), START), face("tab", None, START - 5)]);
    let after = confirm(&before, face("tab", None, RETURN));
    assert_eq!(after.outcome, Outcome::Confirmed);
    let expected = vec![face("tab", None, RETURN), face("tab", Some("pay"), START)];
    assert_eq!(after.confirmations, [(subject("alice"), expected)]);
    assert_eq!(after.change.unwrap().subjects, [subject("alice")]);
    assert!(matches!(after.identity, Write::Put(_)), "userinfo is merged");
}

#[test]
fn the_newest_32_are_kept() {
    let many = (0..32).map(|n| face(&format!("session-{n}"), None, START + n)).rev().collect();
    let after = confirm(&known(many), face("new", None, RETURN + 100));
    let [(_, kept)] = &after.confirmations[..] else { panic!("one subject") };
    assert_eq!((kept.len(), &kept[0]), (32, &face("new", None, RETURN + 100)));
    assert_eq!(kept[31], face("session-1", None, START + 1), "the oldest went");
}

#[test]
fn a_new_pass_is_kept_where_the_clock_was_set_back() {
    let many = (0..32).map(|n| face(&format!("session-{n}"), None, RETURN + 3_600 + n)).rev().collect();
    let after = confirm(&known(many), face("new", Some("pay"), RETURN));
    let [(_, kept)] = &after.confirmations[..] else { panic!("one subject") };
    assert!(kept.len() == 32 && kept.contains(&face("new", Some("pay"), RETURN)), "the person made it just now");
}

#[test]
fn only_the_linked_person_confirms() {
    let refused = Outcome::Refused(Refusal::NotLinked);
    let unlinked = Before { link: None, ..known(Vec::new()) };
    let after = confirm(&unlinked, face("tab", None, RETURN));
    assert_eq!((&after.outcome, after.confirmations.len()), (&refused, 0));
    assert!(matches!(after.identity, Write::Put(_)), "what was said of a known identity counts");
    let elsewhere = Link { identity_id: other_person(), ..linked("alice") };
    let after = confirm(&Before { link: Some(elsewhere), ..known(Vec::new()) }, face("tab", None, RETURN));
    assert_eq!((&after.outcome, after.confirmations.len()), (&refused, 0));
    let forged = Confirmation { identity_id: other_person(), ..face("tab", None, RETURN) };
    assert_eq!(confirm(&known(Vec::new()), forged).outcome, refused);
    let after = confirm(&Before { identity: None, link: None, ..Before::default() }, face("tab", None, RETURN));
    assert_eq!(after.identity, Write::Keep, "no identity becomes known by it");
    let forgotten = Before { forgotten_at: Some(secs(RETURN)), ..known(Vec::new()) };
    let after = confirm(&forgotten, face("tab", None, RETURN));
    assert_eq!((after.outcome, after.confirmations.len()), (Outcome::Refused(Refusal::Forgotten), 0));
}

#[test]
fn a_confirmation_is_used_up_alone() {
    let all = vec![face("tab", Some("pay"), RETURN), face("tab", Some("send"), RETURN), face("tab", None, RETURN)];
    let before = known(all.clone());
    let after = use_up(&before, "tab", "pay", RETURN + 60);
    assert_eq!(after.outcome, Outcome::Used(secs(RETURN)));
    assert_eq!(after.confirmations, [(subject("alice"), all[1..].to_vec())]);
    assert_eq!((&after.identity, after.change.is_some()), (&Write::Keep, true));
    let refused = |after: After, refusal| {
        assert_eq!(after.outcome, Outcome::Refused(refusal));
        assert!(after.confirmations.is_empty() && after.change.is_none());
    };
    refused(use_up(&before, "other tab", "pay", RETURN), Refusal::NotConfirmed);
    refused(use_up(&before, "tab", "other", RETURN), Refusal::NotConfirmed);
    refused(use_up(&before, "tab", "pay", RETURN + 61), Refusal::ConfirmationExpired);
    refused(use_up(&before, "tab", "pay", RETURN - 1), Refusal::ConfirmationExpired);
    refused(use_up(&Before { link: None, ..before.clone() }, "tab", "pay", RETURN), Refusal::NotLinked);
    refused(use_up(&Before { identity: None, ..before.clone() }, "tab", "pay", RETURN), Refusal::NotLinked);
    for status in ["REVOKED", "SUSPENDED"] {
        let identity = Some(Identity { status: status.into(), ..active() });
        refused(use_up(&Before { identity, ..before.clone() }, "tab", "pay", RETURN), Refusal::NotConfirmed);
    }
    let of_another = Confirmation { identity_id: other_person(), ..face("tab", Some("pay"), RETURN) };
    refused(use_up(&known(vec![of_another]), "tab", "pay", RETURN), Refusal::NotConfirmed);
}
