//! Rules that are broken on purpose: each must be found.

use std::time::Duration;

use incode_core::Timestamp;
use incode_core::identity::transition::{After, ApplyEvent, Before, ChangeRequest, Command, Outcome, Write};
use incode_core::identity::{Checks, NamedFlow, NewestFailures};
use incode_core::model::IdentityStatus;

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A correlation id links once.
    NonceOnce,
    /// A token links one subject.
    TokenOnce,
    /// A failed check ends the flow it belongs to.
    FailureCounts,
    /// A failed check of an earlier flow does not end the next one.
    FailureOfThisFlow,
    /// A check confirms a pending link only within its window.
    WindowCounts,
    /// A check that names a flow's subject counts for no other subject.
    NamedCheck,
    /// A failed check that names a flow's subject counts against no other subject.
    NamedFailure,
    /// A pass that names a foreign flow is no pass that names none.
    ForeignPass,
    /// A failed check that names a foreign flow counts against every subject.
    ForeignFailure,
    /// A callback alone makes no link.
    CallbackNeedsCheck,
    /// A pass confirms the pending link.
    PassConfirms,
    /// A used confirmation is gone.
    ConfirmationOnce,
    /// A confirmation counts for its action.
    ConfirmationOfAction,
    /// A confirmation counts in its session.
    ConfirmationOfSession,
    /// Only the face of the linked identity confirms.
    OwnFace,
    /// The newest sent answer wins.
    NewestSent,
    /// At a tie REVOKED wins.
    WaryTie,
    /// An answer from before the clock was set back does not outweigh a revocation.
    SetBack,
    /// An answer that revokes counts although the exchange is refused.
    RefusedCounts,
    /// Forgetting leaves a tombstone.
    Tombstone,
    /// An event dates from when it was received.
    ReceivedBefore,
    /// Forgetting ends the links.
    ForgetEndsLinks,
    /// Forgetting ends pending links.
    ForgetEndsPending,
    /// Unlinking ends confirmations.
    UnlinkEndsConfirmations,
    /// Unlinking ends the pending link.
    UnlinkEndsPending,
    /// An unknown time is no freshness.
    UnknownTime,
    /// One identity serves one subject.
    OneSubject,
    /// `on_event` is enqueued once for each object.
    EventOnce,
    /// `on_verified` is enqueued once for each link.
    VerifiedOnce,
    /// `on_verified` is enqueued when ACTIVE comes after the link.
    VerifiedOwed,
    /// `on_revoked` is enqueued once for each revocation.
    RevokedOnce,
    /// `on_revoked` is enqueued for each linked subject.
    RevokedOwed,
    /// An event is done when it was applied, not when it was claimed.
    DoneWhenApplied,
    /// A lost lease settles nothing.
    LostLease,
    /// The vendor's own event is no duplicate of a stranger's.
    StrangersEvent,
}

impl Rule {
    /// Changes what the rules see.
    pub fn blind(self, request: &mut ChangeRequest, before: &mut Before) {
        match self {
            Self::NonceOnce => before.nonce_used = false,
            Self::TokenOnce => before.token_subject = None,
            Self::EventOnce => before.is_applied = false,
            Self::WindowCounts => {
                for pending in before.pending_links.iter_mut().chain(&mut before.pending) {
                    pending.window.vendor_began_at = Timestamp::from_millis(0);
                    pending.window.vendor_returned_at = Timestamp::from_millis(i64::MAX);
                }
            }
            Self::ConfirmationOfAction => {
                if let Command::UseConfirmation { action, .. } = &request.command {
                    before.confirmations.iter_mut().for_each(|known| known.action = Some(*action));
                }
            }
            Self::ConfirmationOfSession => {
                if let Command::UseConfirmation { session, .. } = &request.command {
                    before.confirmations.iter_mut().for_each(|known| known.session = *session);
                }
            }
            Self::VerifiedOnce => {
                for link in &mut before.links {
                    link.active_since = None;
                    link.verified_since = None;
                }
            }
            Self::FailureOfThisFlow => {
                if let Some(identity) = &mut before.identity
                    && identity.checks.failed_received_at != NewestFailures::default()
                {
                    identity.checks.untimed_failure_received_at =
                        NewestFailures::one(None, Timestamp::from_millis(i64::MAX));
                }
            }
            _ => self.blind_command(&mut request.command, before),
        }
    }

    fn blind_command(self, command: &mut Command, before: &mut Before) {
        match (self, command) {
            (Self::FailureCounts, Command::ApplyEvent(event)) if !event.check.passed => {
                event.seen.checks = Checks::default();
                before.pending_links.clear();
            }
            (Self::NamedCheck, Command::ApplyEvent(event)) => event.check.flow = NamedFlow::Unnamed,
            (Self::NamedFailure, Command::ApplyEvent(event)) if !event.check.passed => unname(event),
            (Self::ForeignPass, Command::ApplyEvent(event)) if event.check.flow == NamedFlow::Foreign => unname(event),
            (Self::ForeignFailure, Command::ApplyEvent(event))
                if event.check.flow == NamedFlow::Foreign && !event.check.passed =>
            {
                event.seen.checks = Checks::default();
                before.pending_links.clear();
            }
            (Self::ReceivedBefore, Command::ApplyEvent(event)) => event.check.received_at = event.seen.sent_at,
            (Self::UnknownTime, Command::ApplyEvent(event)) => {
                let now = Some(event.seen.sent_at);
                if let Some(verified) = &mut event.seen.verified {
                    verified.at = verified.at.or(now);
                }
            }
            (Self::OwnFace, Command::Confirm { confirmation, seen }) => {
                if let Some(link) = &mut before.link {
                    link.identity_id = seen.identity_id.clone();
                    confirmation.identity_id = seen.identity_id.clone();
                }
            }
            (Self::SetBack, Command::ApplyEvent(ApplyEvent { seen, .. }) | Command::Observe(seen)) => {
                if let Some(known) = &mut before.identity {
                    // As if all of it could have been under way together.
                    known.checked_at = known.checked_at.min(seen.sent_at.after(LONGEST_UNDER_WAY));
                }
            }
            _ => {}
        }
    }

    /// Changes what the rules decided.
    pub fn bend(self, request: &ChangeRequest, before: &Before, after: &mut After) {
        let is_refused = matches!(after.outcome, Outcome::Refused(_));
        match (self, &request.command) {
            (Self::PassConfirms, Command::ApplyEvent(_)) => {
                after.links.retain(|(subject, _)| before.links.iter().any(|link| link.subject == *subject));
            }
            (Self::ConfirmationOnce, Command::UseConfirmation { .. }) => after.confirmations.clear(),
            (Self::NewestSent, Command::ApplyEvent(_) | Command::Observe(_)) => arrived(request, after),
            (Self::WaryTie, Command::ApplyEvent(_) | Command::Observe(_)) => {
                if let (Some(seen), Some(known)) = (seen(request), &before.identity)
                    && seen.sent_at == known.checked_at
                {
                    arrived(request, after);
                }
            }
            (Self::RefusedCounts, _) if is_refused => after.identity = Write::Keep,
            (Self::Tombstone, Command::Forget { .. }) => after.forgotten_at = None,
            (Self::ForgetEndsLinks, Command::Forget { .. }) => after.links.clear(),
            (Self::ForgetEndsPending, Command::Forget { .. }) => after.pending_links.clear(),
            (Self::UnlinkEndsConfirmations, Command::Unlink { .. }) => after.confirmations.clear(),
            (Self::UnlinkEndsPending, Command::Unlink { .. }) => after.pending_links.clear(),
            (Self::VerifiedOwed, Command::ApplyEvent(_)) => {
                after.jobs.retain(|job| job.cause.as_str() != "verified");
            }
            (Self::RevokedOwed, _) => after.jobs.retain(|job| job.cause.as_str() != "revoked"),
            (Self::RevokedOnce, Command::ApplyEvent(_) | Command::Observe(_)) => again(request, before, after),
            _ => {}
        }
    }
}

/// As if the event repeated no correlation id.
fn unname(event: &mut ApplyEvent) {
    event.check.flow = NamedFlow::Unnamed;
    event.seen.checks = Checks::default().with(&event.check);
}

/// The answer counts because it arrived last.
fn arrived(request: &ChangeRequest, after: &mut After) {
    if let (Some(seen), Write::Put(identity)) = (seen(request), &mut after.identity) {
        identity.status = seen.status.clone();
        identity.checked_at = seen.sent_at;
    }
}

/// `on_revoked` is enqueued for each answer that revokes.
fn again(request: &ChangeRequest, before: &Before, after: &mut After) {
    let mut fresh = before.clone();
    if let Some(identity) = &mut fresh.identity
        && identity.status == IdentityStatus::Revoked
        && seen(request).is_some_and(|seen| seen.status == IdentityStatus::Revoked)
    {
        identity.status = IdentityStatus::Active;
        identity.checked_at = Timestamp::from_millis(0);
        after.jobs = request.apply(&fresh).jobs;
    }
}

fn seen(request: &ChangeRequest) -> Option<&incode_core::identity::Observation> {
    match &request.command {
        Command::ApplyEvent(event) => Some(&event.seen),
        Command::Observe(seen) => Some(seen),
        _ => None,
    }
}

/// As in the rules.
const LONGEST_UNDER_WAY: Duration = Duration::from_secs(180);
