use super::*;

const NOW: i64 = RETURN + 10;

fn waiting(names: &[&str]) -> Before {
    let pending_links = names.iter().map(|name| pending(name)).collect();
    Before { identity: Some(active()), pending_links, ..Before::default() }
}

fn applied(before: &Before, check: Check, rules: Rules) -> After {
    under(rules, Command::ApplyEvent(apply_event(check, NOW)), NOW).apply(before)
}

fn by_webhook(name: &str) -> Option<EventLink> {
    let nonce = UsedNonce { nonce: [7; 24], expires_at: secs(NOW + 600) };
    Some(EventLink { subject: subject(name), proof: LinkProof::Webhook, nonce: Some(nonce) })
}

fn linking(before: &Before, link: Option<EventLink>, check: Check, rules: Rules) -> After {
    let event = ApplyEvent { link, ..apply_event(check, NOW) };
    under(rules, Command::ApplyEvent(event), NOW).apply(before)
}

#[test]
fn a_pass_of_the_flow_confirms_the_pending_link() {
    let after = applied(&waiting(&["alice"]), check(NOW), handlers());
    assert_eq!((new_links(&after), ended(&after)), (vec!["alice"], vec!["alice"]));
    assert_eq!(job_names(&after), ["event", "open", "check"]);
    let [(_, Write::Put(link))] = &after.links[..] else { panic!("one link") };
    assert_eq!((link.proof, link.linked_at), (LinkProof::Flow, secs(NOW)));
    assert_eq!((link.active_since, link.verified_since), (Some(secs(NOW)), Some(secs(NOW))));
    assert_eq!(after.change.unwrap().subjects, [subject("alice")]);
}

#[test]
fn a_check_of_another_time_or_flow_leaves_it_pending() {
    let others = [
        Check { made_at: Some(secs(START - 61)), ..check(NOW) },
        Check { made_at: Some(secs(RETURN + 61)), ..check(NOW) },
        Check { made_at: None, authenticated: false, ..check(NOW) },
        Check { made_at: None, received_at: secs(START - 1), ..check(NOW) },
        Check { flow: NamedFlow::Of(subject("bob")), ..check(NOW) },
        Check { passed: false, flow: NamedFlow::Of(subject("bob")), ..check(NOW) },
        Check { passed: false, made_at: Some(secs(START - 2)), ..check(NOW) },
        Check { passed: false, received_at: secs(START - 1), made_at: None, ..check(NOW) },
    ];
    for check in others {
        let after = applied(&waiting(&["alice"]), check.clone(), handlers());
        assert!(after.links.is_empty() && after.pending_links.is_empty(), "{check:?}");
        assert_eq!(after.outcome, Outcome::Observed, "it is merged all the same");
    }
}

#[test]
fn a_check_that_did_not_pass_ends_it() {
    for made_at in [Some(secs(MADE)), Some(secs(START - 1)), None] {
        let after = applied(&waiting(&["alice"]), Check { passed: false, made_at, ..check(NOW) }, handlers());
        assert_eq!((new_links(&after), ended(&after)), (vec![], vec!["alice"]), "{made_at:?}");
    }
}

#[test]
fn a_failure_before_the_pass_stands() {
    let mut before = waiting(&["alice"]);
    let failed = Checks::default().with(&Check { passed: false, ..check(RETURN) });
    before.identity = Some(Identity { checks: failed, ..active() });
    let after = applied(&before, check(NOW), handlers());
    assert_eq!((new_links(&after), ended(&after)), (vec![], vec!["alice"]));
}

#[test]
fn expired_pending_links_are_void() {
    let mut before = waiting(&["alice"]);
    before.pending_links[0].expires_at = secs(NOW);
    assert!(applied(&before, check(NOW), handlers()).links.is_empty());
    before.pending_links[0].expires_at = secs(NOW + 1);
    assert_eq!(new_links(&applied(&before, check(NOW), handlers())), ["alice"]);
}

#[test]
fn one_check_confirms_one_of_two_only_if_it_names_it() {
    let both = waiting(&["alice", "bob"]);
    let after = applied(&both, check(NOW), handlers());
    assert_eq!((new_links(&after), ended(&after)), (vec![], vec!["alice", "bob"]));
    let after = applied(&both, Check { flow: NamedFlow::Of(subject("bob")), ..check(NOW) }, handlers());
    assert_eq!((new_links(&after), ended(&after)), (vec!["bob"], vec!["bob"]));
    let after = applied(&both, check(NOW), Rules { shared_identities: true, ..handlers() });
    assert_eq!(new_links(&after), ["alice", "bob"], "where an identity may serve both");
}

#[test]
fn a_taken_identity_is_not_linked_again() {
    let before = Before { links: vec![linked("bob")], ..waiting(&["alice"]) };
    let after = applied(&before, check(NOW), Rules::default());
    assert_eq!((new_links(&after), ended(&after)), (vec!["bob"], vec!["alice"]), "bob's link is completed only");
    let after = linking(
        &before,
        by_webhook("alice"),
        Check { flow: NamedFlow::Of(subject("carol")), ..check(NOW) },
        handlers(),
    );
    assert_eq!((&after.outcome, after.nonce), (&Outcome::Observed, None), "a refused link uses up nothing");
}

#[test]
fn an_event_links_its_subject() {
    let before = Before { identity: Some(active()), ..Before::default() };
    let after = linking(&before, by_webhook("alice"), check(NOW), handlers());
    assert_eq!((&after.outcome, new_links(&after)), (&Outcome::Linked, vec!["alice"]));
    assert_eq!(after.nonce, by_webhook("alice").unwrap().nonce);
    assert_eq!(job_names(&after), ["event", "open", "check"]);

    let other = PendingLink { identity_id: other_person(), ..pending("alice") };
    let after =
        linking(&Before { pending: Some(other), ..before.clone() }, by_webhook("alice"), check(NOW), handlers());
    assert_eq!((new_links(&after), ended(&after)), (vec!["alice"], vec!["alice"]), "a link ends the pending one");

    let own = Before { link: Some(linked("alice")), links: vec![linked("alice"), linked("bob")], ..before.clone() };
    let after = linking(&own, by_webhook("alice"), check(NOW), Rules::default());
    assert_eq!(after.outcome, Outcome::Linked, "it is linked, whether other subjects are or not");
    assert!(after.nonce.is_some());
}

#[test]
fn an_event_links_nothing_that_is_not_proven_or_free() {
    let known = Before { identity: Some(active()), ..Before::default() };
    let refusals = [
        (known.clone(), Check { passed: false, ..check(NOW) }),
        (Before { nonce_used: true, ..known.clone() }, check(NOW)),
        (Before { links: vec![linked("bob")], ..known.clone() }, check(NOW)),
        (Before { link: Some(Link { identity_id: other_person(), ..linked("alice") }), ..known.clone() }, check(NOW)),
        (Before { forgotten_at: Some(secs(RETURN)), ..known.clone() }, check(RETURN)),
    ];
    for (before, check) in refusals {
        let after = linking(&before, by_webhook("alice"), check, Rules::default());
        assert_eq!((&after.outcome, after.nonce), (&Outcome::Observed, None), "{before:?}");
        assert!(!new_links(&after).contains(&"alice"), "{before:?}");
    }
}

#[test]
fn a_pending_link_and_the_event_of_one_subject_make_one_link() {
    let before = Before { pending: Some(pending("alice")), ..waiting(&["alice"]) };
    let after = linking(&before, by_webhook("alice"), check(NOW), handlers());
    assert_eq!((&after.outcome, new_links(&after)), (&Outcome::Linked, vec!["alice"]));
    assert_eq!(job_names(&after), ["event", "open", "check"], "owed once");
    let after = linking(&waiting(&["bob"]), by_webhook("alice"), check(NOW), handlers());
    assert_eq!(new_links(&after), ["bob"], "the identity is taken in the same moment");
    assert_eq!(after.outcome, Outcome::Observed);
}

#[test]
fn handlers_of_events_are_called_once_for_each_object_and_identity() {
    let mut before = Before { identity: Some(active()), ..Before::default() };
    let after = applied(&before, check(NOW), handlers());
    let [job] = &after.jobs[..] else { panic!("one job") };
    let cause = JobCause::Event { event: EventId(1), kind: EventKind::Verification, object_id: object("object") };
    assert_eq!((&job.cause, &job.identity_id, job.caused_at), (&cause, &person(), secs(NOW)));
    before.is_applied = true;
    assert!(applied(&before, check(NOW), handlers()).jobs.is_empty());
}

#[test]
fn an_event_of_before_the_tombstone_is_dropped_whole() {
    let before =
        Before { forgotten_at: Some(secs(RETURN)), pending_links: vec![pending("alice")], ..Before::default() };
    let after = linking(&before, by_webhook("alice"), check(RETURN), handlers());
    assert_eq!((&after.outcome, &after.identity), (&Outcome::Dropped, &Write::Keep));
    assert!(after.links.is_empty() && after.jobs.is_empty() && after.nonce.is_none() && after.change.is_none());
    let after = linking(&before, by_webhook("alice"), check(RETURN + 1), handlers());
    assert_eq!(after.outcome, Outcome::Linked, "received since");
}
