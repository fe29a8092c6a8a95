use super::*;

fn returned(before: &Before, rules: Rules) -> After {
    under(rules, Command::Return(come_back("alice", RETURN)), RETURN).apply(before)
}

/// An identity whose newest checks are these.
fn known(checks: Checks) -> Before {
    Before { identity: Some(Identity { checks, ..active() }), ..Before::default() }
}

#[test]
fn a_callback_of_an_unknown_person_is_pending() {
    let after = returned(&Before::default(), handlers());
    assert_eq!(after.outcome, Outcome::Pending);
    let Write::Put(identity) = &after.identity else { panic!("it is known now") };
    assert_eq!((&identity.status, identity.checked_at), (&IdentityStatus::Active, secs(RETURN)));
    let [(owner, Write::Put(pending))] = &after.pending_links[..] else { panic!("one pending link") };
    assert_eq!((owner.as_str(), &pending.identity_id, pending.window), ("alice", &person(), window()));
    assert_eq!(pending.expires_at, secs(RETURN + 600));
    assert!(after.links.is_empty() && after.jobs.is_empty());
    assert_eq!(after.nonce, Some(come_back("alice", RETURN).nonce));
    assert_eq!(after.token, Some((come_back("alice", RETURN).token, subject("alice"))));
    assert_eq!(after.change.unwrap().subjects, [subject("alice")]);
}

#[test]
fn a_check_known_before_decides() {
    let after = returned(&known(Checks::default().with(&check(RETURN - 1))), handlers());
    assert_eq!((&after.outcome, new_links(&after)), (&Outcome::Linked, vec!["alice"]));
    assert!(after.pending_links.is_empty());
    assert_eq!(job_names(&after), ["open"]);
    let failed = Check { passed: false, ..check(RETURN - 1) };
    let after = returned(&known(Checks::default().with(&failed)), handlers());
    assert_eq!(after.outcome, Outcome::Refused(Refusal::CheckFailed));
    assert!(after.links.is_empty() && after.pending_links.is_empty());
    assert!(after.nonce.is_some(), "the flow is over");
    let both = Checks::default().with(&check(RETURN - 1)).with(&failed);
    assert_eq!(returned(&known(both), handlers()).outcome, Outcome::Refused(Refusal::CheckFailed));
    let old = Check { made_at: Some(secs(START - 3_600)), received_at: secs(START - 3_600), ..check(0) };
    assert_eq!(returned(&known(Checks::default().with(&old)), handlers()).outcome, Outcome::Pending);
}

#[test]
fn userinfo_alone_links_where_the_application_says_so() {
    let rules = || Rules { trust_userinfo_alone: true, ..Rules::default() };
    let after = returned(&Before::default(), rules());
    assert_eq!((&after.outcome, new_links(&after)), (&Outcome::Linked, vec!["alice"]));
    let failed = Checks::default().with(&Check { passed: false, ..check(RETURN - 1) });
    assert_eq!(returned(&known(failed), rules()).outcome, Outcome::Linked, "it has no webhooks to know by");
}

#[test]
fn refusals_come_in_order_and_write_nothing_of_the_flow() {
    let other_link = Link { identity_id: other_person(), ..linked("alice") };
    // Nothing is owed to bob any more, so that whatever is written is the flow's.
    let bob = Link { active_since: Some(secs(START)), verified_since: Some(secs(START)), ..linked("bob") };
    let mut before = Before {
        identity: Some(active()),
        nonce_used: true,
        forgotten_at: Some(secs(RETURN)),
        token_subject: Some(subject("mallory")),
        link: Some(other_link),
        links: vec![bob],
        ..Before::default()
    };
    let mut expect = |refusal, mend: fn(&mut Before)| {
        let after = returned(&before, handlers());
        assert_eq!(after.outcome, Outcome::Refused(refusal));
        assert!(after.nonce.is_none() && after.token.is_none() && after.links.is_empty());
        assert!(after.pending_links.is_empty() && after.jobs.is_empty());
        mend(&mut before);
    };
    expect(Refusal::NonceUsed, |before| before.nonce_used = false);
    expect(Refusal::Forgotten, |before| before.forgotten_at = None);
    expect(Refusal::TokenUsed, |before| before.token_subject = Some(subject("alice")));
    expect(Refusal::SubjectTaken, |before| before.link = None);
    expect(Refusal::IdentityTaken, |before| before.links.clear());
    assert_eq!(returned(&before, handlers()).outcome, Outcome::Pending, "its own token is no obstacle");
}

#[test]
fn a_refused_exchange_counts_for_a_known_identity_alone() {
    let mut before = Before { identity: Some(active()), links: vec![linked("bob")], ..Before::default() };
    let revoked = Return { seen: seen("REVOKED", RETURN), ..come_back("alice", RETURN) };
    let run = |before: &Before| under(handlers(), Command::Return(revoked.clone()), RETURN).apply(before);
    let after = run(&before);
    assert_eq!(after.outcome, Outcome::Refused(Refusal::IdentityTaken));
    let Write::Put(identity) = &after.identity else { panic!("merged") };
    assert_eq!(identity.status, IdentityStatus::Revoked);
    assert_eq!(job_names(&after), ["shut"], "bob's");
    assert_eq!(after.change.unwrap().subjects, [subject("bob")]);
    before.identity = None;
    let after = run(&before);
    assert_eq!((after.outcome, after.identity), (Outcome::Refused(Refusal::IdentityTaken), Write::Keep));
}

#[test]
fn a_repeated_callback_gets_the_first_answer_while_it_holds() {
    let before = Before { identity: Some(active()), nonce_used: true, ..Before::default() };
    let with_link = Before { link: Some(linked("alice")), links: vec![linked("alice")], ..before.clone() };
    let after = returned(&with_link, handlers());
    assert_eq!((after.outcome, after.nonce, after.token), (Outcome::Linked, None, None));
    let waiting = |pending: PendingLink| Before { pending: Some(pending), ..before.clone() };
    let after = returned(&waiting(pending("alice")), handlers());
    assert_eq!((after.outcome, after.pending_links), (Outcome::Pending, Vec::new()));
    let used = Outcome::Refused(Refusal::NonceUsed);
    let expired = PendingLink { expires_at: secs(RETURN), ..pending("alice") };
    assert_eq!(returned(&waiting(expired), handlers()).outcome, used);
    let newer = FlowWindow { began_at: secs(START + 1), ..window() };
    assert_eq!(returned(&waiting(PendingLink { window: newer, ..pending("alice") }), handlers()).outcome, used);
    let other = PendingLink { identity_id: other_person(), ..pending("alice") };
    assert_eq!(returned(&waiting(other), handlers()).outcome, used);
    assert_eq!(returned(&before, handlers()).outcome, used);
}

#[test]
fn a_linked_subject_stays_linked_whatever_its_new_check_says() {
    let failed = Checks::default().with(&Check { passed: false, ..check(RETURN - 1) });
    let before = Before { link: Some(linked("alice")), links: vec![linked("alice")], ..known(failed) };
    let after = returned(&before, Rules::default());
    assert_eq!(after.outcome, Outcome::Linked);
    let others = Before { links: vec![linked("alice"), linked("bob")], ..before };
    assert_eq!(returned(&others, Rules::default()).outcome, Outcome::Linked, "others share the identity since");
}

#[test]
fn a_new_flow_replaces_the_pending_link() {
    let other = PendingLink { identity_id: other_person(), ..pending("alice") };
    let before = Before { identity: Some(active()), pending: Some(other), ..Before::default() };
    let after = returned(&before, Rules::default());
    let [(_, Write::Put(pending))] = &after.pending_links[..] else { panic!("one row: {:?}", after.pending_links) };
    assert_eq!(pending.identity_id, person());
    let passed = Before { pending: before.pending.clone(), ..known(Checks::default().with(&check(RETURN - 1))) };
    let after = returned(&passed, Rules::default());
    assert_eq!((new_links(&after), ended(&after)), (vec!["alice"], vec!["alice"]));
}
