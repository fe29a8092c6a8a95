use std::time::Duration;

use crate::client::{Client, ErrorKind, TimedUserInfo};
use crate::http::{Problem, Reply, RequestHead, return_to};
use crate::identity::transition::{Command, Outcome, Refusal, Return, UsedToken};
use crate::identity::{Cause, Directory, FlowWindow, LinkProof, Observation, Observer, SubjectState};
use crate::inbox::token_times;
use crate::store::StoreError;
use crate::{Subject, Timestamp, Token};

use super::claim::ExpectedClaims;
use super::correlation::Correlation;
use super::{Flow, FlowLimits, query, start};

/// A return from the hosted page that passed every check that needs no I/O.
#[derive(Debug)]
pub(crate) struct Callback {
    correlation: Correlation,
    token: Token,
}

/// What redeeming and linking work with.
pub(crate) struct Parts<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) client: &'a Client,
    pub(crate) directory: &'a Directory,
    pub(crate) observer: &'a Observer,
    pub(crate) limits: &'a FlowLimits,
}

impl Callback {
    /// `GET callback?token=..&correlation_id=..`: the parameters are there, the id is ours, and belongs to the subject that
    /// asks.
    ///
    /// # Errors
    /// The problem to show instead.
    pub(crate) fn open(flow: &Flow, head: &dyn RequestHead, subject: Option<&Subject>) -> Result<Self, Problem> {
        let incomplete = || {
            let detail = "The verification page did not send back all it should. Start again.";
            Problem::new(400, "flow_incomplete", "Verification not finished", detail)
        };
        let id = query::one(head, "correlation_id").ok_or_else(incomplete)?;
        let token = query::one(head, "token").ok_or_else(incomplete)?;
        let token = Token::new(token).map_err(|_| incomplete())?;
        let correlation = flow.correlations.open(id.as_bytes()).map_err(|_| {
            Problem::new(400, "flow_unknown", "Verification unknown", "This verification was not started here.")
        })?;
        let subject = subject.ok_or_else(start::login_first)?;
        if *subject != correlation.subject {
            let detail = "This verification was started by another user. Log in as that user, or start your own.";
            return Err(Problem::new(403, "flow_other_subject", "Not your verification", detail));
        }
        Ok(Self { correlation, token })
    }

    /// The id is in time, by the clock that the flow began by; the token was issued for this application, as far as it
    /// shows.
    ///
    /// # Errors
    /// The problem to show instead.
    pub(crate) async fn check(&self, claims: &ExpectedClaims, directory: &Directory) -> Result<(), Problem> {
        let now = directory.now().await.map_err(|error| not_stored(&error))?;
        if self.correlation.is_expired(now) {
            let detail = "This verification took too long. Start again.";
            return Err(Problem::new(410, "flow_expired", "Verification expired", detail));
        }
        if !claims.are_met_by(&self.token) {
            return Err(foreign("the token lacks an expected claim"));
        }
        Ok(())
    }

    /// Redeems the token at the vendor, links or makes a pending link, and waits a moment for the vendor's event. Then
    /// the person is sent back to where they came from.
    pub(crate) async fn redeem(self, parts: Parts<'_>) -> Result<Reply, Problem> {
        let directory = parts.directory;
        let state = directory.store().subject(self.correlation.subject.clone()).await;
        let state = state.map_err(|error| not_stored(&error))?;
        if self.is_linked(&state) {
            return Ok(self.way_back());
        }
        if self.is_pending(&state, directory.now().await.map_err(|error| not_stored(&error))?) {
            let outcome = wait_for_check(directory, &self.correlation.subject, parts.flow.callback_wait).await;
            return self.answer(outcome);
        }
        parts.limits.count_callback(self.correlation.nonce.nonce, &self.correlation.subject)?;
        let asked = match parts.client.userinfo_at(directory, &self.token).await {
            Ok(asked) => asked,
            Err(error) => {
                tracing::info!(error.kind = ?error.kind(), "callback token not redeemed");
                if error.kind() == ErrorKind::Unauthorized {
                    self.keep_refusal(directory).await;
                }
                return Err(not_redeemed(&error));
            }
        };
        // First of all: from here on a person who is not ACTIVE is out, whatever becomes of the callback.
        let seen = directory.observe(parts.observer, &asked.person, asked.sent_at, Cause::Flow);
        let command = Command::Return(self.returned(&asked, seen));
        let outcome = match directory.change(command, Cause::Flow).await {
            Ok(changed) => changed.outcome,
            Err(error) => return Err(not_stored(&error)),
        };
        let outcome = match outcome {
            Outcome::Pending => wait_for_check(directory, &self.correlation.subject, parts.flow.callback_wait).await,
            outcome => outcome,
        };
        self.answer(outcome)
    }

    /// For those who ask why. A store that does not take it changes nothing for the person.
    async fn keep_refusal(&self, directory: &Directory) {
        let subject = self.correlation.subject.clone();
        let refuse = Command::Refuse { subject, refusal: Refusal::TokenRefused };
        if let Err(error) = directory.change(refuse, Cause::Flow).await {
            tracing::info!(error.kind = ?error.kind(), "refused callback not kept");
        }
    }

    fn answer(&self, outcome: Outcome) -> Result<Reply, Problem> {
        match outcome {
            Outcome::Linked => {
                metrics::counter!("incode_links_total", "proof" => LinkProof::Flow.as_str()).increment(1);
            }
            Outcome::Refused(refusal) => {
                metrics::counter!("incode_links_refused_total", "proof" => LinkProof::Flow.as_str()).increment(1);
                tracing::warn!(?refusal, "callback not linked");
                return Err(refused(refusal));
            }
            // The gate says what is missing, and a page reloads itself.
            _ => {}
        }
        Ok(self.way_back())
    }

    fn way_back(&self) -> Reply {
        Reply::see_other(return_to::location(&self.correlation.return_to))
    }

    /// A reload or a second press after this flow linked the subject: the vendor is not asked again.
    fn is_linked(&self, state: &SubjectState) -> bool {
        state.linked.as_ref().is_some_and(|linked| linked.link.linked_at > self.correlation.began_at)
    }

    /// The same while the check of this flow is not known yet.
    fn is_pending(&self, state: &SubjectState, now: Timestamp) -> bool {
        let is_own = |began_at| began_at == self.correlation.began_at;
        state.pending.as_ref().is_some_and(|pending| is_own(pending.window.began_at) && now < pending.expires_at)
    }

    fn returned(&self, asked: &TimedUserInfo, seen: Observation) -> Return {
        let correlation = &self.correlation;
        let vendor_now = asked.vendor_now;
        // The vendor's clock is read at the return; the time that went by since the start is ours.
        let took = asked.sent_at.since(correlation.began_at);
        let vendor_began_at = vendor_now.before(took);
        // By the vendor's own clock, which both times come from.
        let issued_from = vendor_began_at.before(ISSUE_TOLERANCE);
        Return {
            subject: correlation.subject.clone(),
            seen,
            window: FlowWindow { began_at: correlation.began_at, vendor_began_at, vendor_returned_at: vendor_now },
            nonce: correlation.nonce,
            token: UsedToken { hash: self.token.hash(), expires_at: used_until(&self.token, asked.sent_at) },
            token_is_older: !token_times(&self.token).may_be_issued_since(issued_from),
            pending_until: asked.sent_at.after(PENDING_FOR),
        }
    }
}

/// Waits for the event of the check, so that in the normal case the browser lands where it wanted to go.
async fn wait_for_check(directory: &Directory, subject: &Subject, longest: Duration) -> Outcome {
    let give_up = tokio::time::Instant::now() + longest;
    while tokio::time::Instant::now() < give_up {
        tokio::time::sleep(CHECK_EVERY.min(longest)).await;
        // A store that does not answer now answers the gate's question later.
        let Ok(state) = directory.store().subject(subject.clone()).await else { break };
        if state.linked.is_some() {
            return Outcome::Linked;
        }
        if state.pending.is_none() {
            return Outcome::Refused(Refusal::CheckFailed);
        }
    }
    Outcome::Pending
}

/// How long a token is remembered as used: until its own `exp` where it shows one, at least for an hour.
fn used_until(token: &Token, now: Timestamp) -> Timestamp {
    let longest = now.after(TOKEN_REMEMBERED);
    token_times(token).expires_at.map_or(longest, |at| at.after(PENDING_FOR).max(now.after(PENDING_FOR)).min(longest))
}

/// The flow is not used up: its own token still counts.
fn foreign(reason: &'static str) -> Problem {
    tracing::warn!(reason, "a callback token is not of this flow or not for this application");
    let detail = "The token of this verification was not issued for it. Start again.";
    Problem::new(403, "flow_token_foreign", "Verification not confirmed", detail)
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::CheckFailed => {
            let detail = "The verification did not end with a pass. You can start again.";
            Problem::new(403, "verification_not_passed", "Verification not passed", detail)
        }
        Refusal::TokenOlder => foreign("the token was issued before the flow began"),
        Refusal::TokenUsed => {
            let detail = "The token of this verification was used for another account. Start again.";
            Problem::new(409, "flow_token_used", "Verification already used", detail)
        }
        Refusal::IdentityTaken => {
            let detail = "This identity belongs to another account. Use that account, or ask support.";
            Problem::new(409, "identity_taken", "Identity in use", detail)
        }
        Refusal::SubjectTaken => {
            let detail = "This account belongs to another identity. Verify as that person, or ask support.";
            Problem::new(409, "subject_taken", "Account belongs to another identity", detail)
        }
        _ => {
            let detail = "This verification link was used before. Start again if you are not verified yet.";
            Problem::new(409, "flow_used", "Verification already used", detail)
        }
    }
}

fn not_stored(error: &StoreError) -> Problem {
    tracing::warn!(error.kind = ?error.kind(), error.cause = %error.cause(), "callback not linked");
    let detail = "Verification can't be saved right now. Reload this page in a moment.";
    Problem::new(503, "flow_unavailable", "Try again soon", detail).retry_after(RETRY_AFTER)
}

/// A dead token is final for this URL; anything else may pass, and the correlation id is not used, so a reload works.
fn not_redeemed(error: &crate::client::Error) -> Problem {
    if error.kind() == ErrorKind::Unauthorized {
        let detail = "The verification could not be confirmed this way. If you finished it, it may still arrive by \
                      itself within minutes; otherwise start again.";
        return Problem::new(403, "flow_token_dead", "Verification not confirmed", detail);
    }
    let detail = "Verification can't be confirmed right now. Reload this page in a moment.";
    let wait = error.retry_after().unwrap_or(RETRY_AFTER).clamp(RETRY_AFTER, LONGEST_RETRY_AFTER);
    Problem::new(503, "vendor_unavailable", "Try again soon", detail).retry_after(wait)
}

/// When a vendor or a store that did not answer is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// A vendor that names a longer wait is asked again all the same: the person would not come back.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
/// How much earlier than the flow a token may seem to be issued: the clocks of vendor and application differ.
const ISSUE_TOLERANCE: Duration = Duration::from_secs(60);
/// How often the store is asked while a callback waits for its event.
const CHECK_EVERY: Duration = Duration::from_millis(150);
/// How long a pending link waits for the event of its check: longer than the vendor delivers, which ends after half an
/// hour.
const PENDING_FOR: Duration = Duration::from_secs(60 * 60);
/// How long a token without a readable `exp` is remembered as used.
const TOKEN_REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
