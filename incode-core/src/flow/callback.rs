use std::sync::Arc;
use std::time::Duration;

use crate::client::{Client, ErrorKind};
use crate::http::{Problem, Reply, RequestHead, return_to};
use crate::identity::{Change, Link, LinkProof, Observation, Observer};
use crate::store::{Linked, NewLink, Store, StoreError};
use crate::{Clock, Subject, Token};

use super::correlation::Correlation;
use super::{Flow, query, start};

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
    pub(crate) store: &'a dyn Store,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) observer: &'a Observer,
}

impl Callback {
    /// `GET callback?token=..&correlation_id=..`: the parameters are there, the id is ours, in time, and belongs to the
    /// subject who asks.
    ///
    /// # Errors
    /// What to tell the person instead.
    pub(crate) fn open(
        flow: &Flow,
        head: &dyn RequestHead,
        subject: Option<&Subject>,
        clock: &dyn Clock,
    ) -> Result<Self, Problem> {
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
        if correlation.is_expired(clock.now()) {
            let detail = "This verification took too long. Start again.";
            return Err(Problem::new(410, "flow_expired", "Verification expired", detail));
        }
        Ok(Self { correlation, token })
    }

    /// Redeems the token at the vendor, links, and sends the person back to where they came from. The caller makes the
    /// change known, which there may be also where nothing was linked.
    pub(crate) async fn redeem(self, parts: Parts<'_>) -> (Result<Reply, Problem>, Option<Change>) {
        let (userinfo, sent_at) = match parts.client.userinfo_by(&**parts.clock, &self.token).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::info!(error.kind = ?error.kind(), "callback token not redeemed");
                return (Err(not_redeemed(error.kind())), None);
            }
        };
        let seen = parts.observer.observe(&userinfo, sent_at);
        let link = Link {
            subject: self.correlation.subject,
            identity_id: seen.identity_id.clone(),
            proof: LinkProof::Flow,
            linked_at: sent_at,
        };
        let shared = parts.flow.shared_identities;
        let new = NewLink { link, seen: seen.clone(), spend: Some(self.correlation.spend), shared };
        let linked = parts.store.link(new).await;
        if matches!(linked, Ok(Linked::IdentityTaken | Linked::SubjectTaken)) {
            metrics::counter!("incode_links_refused_total", "proof" => LinkProof::Flow.as_str()).increment(1);
            tracing::warn!("callback not linked: subject or identity is somebody else's already");
        }
        let refused = match linked {
            Ok(Linked::Done(change)) => {
                metrics::counter!("incode_links_total", "proof" => LinkProof::Flow.as_str()).increment(1);
                let back = return_to::location(&self.correlation.return_to);
                return (Ok(Reply::see_other(back)), Some(change));
            }
            Ok(Linked::AlreadySpent) => {
                let detail = "This verification link was used before. Start again if you are not verified yet.";
                Problem::new(409, "flow_used", "Verification already used", detail)
            }
            Ok(Linked::IdentityTaken) => {
                let detail = "This identity belongs to another account. Use that account, or ask support.";
                Problem::new(409, "identity_taken", "Identity in use", detail)
            }
            Ok(Linked::SubjectTaken) => {
                let detail = "This account belongs to another identity. Verify as that person, or ask support.";
                Problem::new(409, "subject_taken", "Account belongs to another identity", detail)
            }
            Err(error) => {
                tracing::warn!(error.kind = ?error.kind(), "callback not linked");
                let detail = "Verification can't be saved right now. Reload this page in a moment.";
                let problem = Problem::new(503, "flow_unavailable", "Try again soon", detail).retry_after(RETRY_AFTER);
                return (Err(problem), None);
            }
        };
        let heard = hear(parts.store, seen).await.unwrap_or_else(|error| {
            tracing::warn!(error.kind = ?error.kind(), "callback not recorded");
            None
        });
        (Err(refused), heard)
    }
}

/// What the vendor said is its word although nothing is linked: a revocation must not wait for that. Of those who are known,
/// that is; nobody becomes known by it, nor known again who was forgotten.
async fn hear(store: &dyn Store, seen: Observation) -> Result<Option<Change>, StoreError> {
    match store.identity(seen.identity_id.clone()).await? {
        Some(_) => store.observe(seen).await.map(Some),
        None => Ok(None),
    }
}

/// A dead token is final for this URL; anything else may pass, and the correlation id is not spent, so a reload works.
fn not_redeemed(kind: ErrorKind) -> Problem {
    if kind == ErrorKind::Unauthorized {
        let detail = "The verification could not be confirmed this way. If you finished it, it may still arrive by \
                      itself within minutes; otherwise start again.";
        return Problem::new(403, "flow_token_dead", "Verification not confirmed", detail);
    }
    let detail = "Verification can't be confirmed right now. Reload this page in a moment.";
    Problem::new(503, "vendor_unavailable", "Try again soon", detail).retry_after(RETRY_AFTER)
}

/// When a vendor or a store that did not answer is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(5);
