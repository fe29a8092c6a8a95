//! Each rule is broken on purpose, in a world where that matters, and the checker finds it.

use incode_model::broken::Rule;
use incode_model::explorer::explore;
use incode_model::step::Walk;
use incode_model::world::World;
use incode_model::worlds;

/// The rule, the world, and the property that no longer holds.
#[rustfmt::skip]
const BROKEN: [(Rule, &str, &str); 35] = [
    (Rule::NonceOnce, "one flow, and its callback twice at once", "a correlation id links once"),
    (Rule::TokenOnce, "one person, two accounts, one token", "a token links one subject"),
    (Rule::FailureCounts, "the same without named flows, the failure in time", "no link to another person"),
    (Rule::FailureOfThisFlow, "fails, and passes in a second flow", "an honest person gets in"),
    (Rule::WindowCounts, "fails, and passes in a second flow", "an honest person gets in"),
    (Rule::NamedCheck, "a stranger fails while the victim passes, named flows", "no link to another person"),
    (Rule::NamedFailure, "a stranger fails while the victim passes, and keeps no one out", "an honest person gets in"),
    (Rule::ForeignPass, "the victim passes elsewhere under a foreign id", "no link to another person"),
    (Rule::ForeignFailure, "the stranger changes the correlation id, the failure in time", "no link to another person"),
    (Rule::CallbackNeedsCheck, "one flow, crashes and lost leases", "no link without a passed check of the flow"),
    (Rule::PassConfirms, "one flow, crashes and lost leases", "an honest person gets in"),
    (Rule::ConfirmationOnce, "one face, two sessions, two actions", "no action without its own face, once, in its session"),
    (Rule::ConfirmationOfAction, "one face, two sessions, two actions", "no action without its own face, once, in its session"),
    (Rule::ConfirmationOfSession, "one face, two sessions, two actions", "no action without its own face, once, in its session"),
    (Rule::OwnFace, "one face, two sessions, two actions", "only the own face confirms"),
    (Rule::NewestSent, "revoked and verified again, three replicas", "revoked wins"),
    (Rule::WaryTie, "revoked and verified again, three replicas", "revoked wins"),
    (Rule::SetBack, "revoked while our clock is set back", "revoked wins"),
    (Rule::RefusedCounts, "revoked, and the only answers are refused callbacks", "on_revoked once for each revocation and subject"),
    (Rule::Tombstone, "forgotten while an event waits", "forgotten stays forgotten"),
    (Rule::ReceivedBefore, "forgotten while an event waits", "forgotten stays forgotten"),
    (Rule::ForgetEndsLinks, "faces, and the identity is forgotten", "a link leads to an identity"),
    (Rule::ForgetEndsPending, "forgotten while an event waits", "a link leads to an identity"),
    (Rule::UnlinkEndsConfirmations, "faces, and the link or the status ends in between", "a confirmation belongs to the link"),
    (Rule::UnlinkEndsPending, "linked and unlinked by the application during a flow", "unlinking ends link and pending link"),
    (Rule::UnknownTime, "no readable times", "no freshness without a known time"),
    (Rule::OneSubject, "the application links both to one identity", "one identity serves one subject"),
    (Rule::EventOnce, "no readable times", "on_event once for each object"),
    (Rule::VerifiedOnce, "one flow, and its callback twice at once", "on_verified once for each link"),
    (Rule::VerifiedOwed, "one flow, crashes and lost leases", "on_verified once for each link"),
    (Rule::RevokedOnce, "revoked and verified again, three replicas", "on_revoked once for each revocation and subject"),
    (Rule::RevokedOwed, "revoked and verified again, three replicas", "on_revoked once for each revocation and subject"),
    (Rule::DoneWhenApplied, "one flow, crashes and lost leases", "nothing acknowledged is lost"),
    (Rule::LostLease, "one flow, crashes and lost leases", "an event is settled once"),
    (Rule::StrangersEvent, "no readable times", "an honest person gets in"),
];

#[test]
fn each_broken_rule_is_found() {
    for (rule, name, property) in BROKEN {
        let world = worlds::small().into_iter().find(|world| world.name == name).expect("a world of that name");
        let explored = explore(&Walk::new(World { broken: Some(rule), ..world }), u64::MAX);
        let found = explored.violation.map(|(violation, _)| violation.property);
        assert_eq!(found, Some(property), "{rule:?} in {name:?}");
    }
}
