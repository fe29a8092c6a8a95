//! Whom an event links: the subject of a repeated correlation id, or the one the application's own rule names.

use std::time::Duration;

use crate::identity::transition::{EventLink, Outcome, UsedNonce};
use crate::identity::{LinkProof, NamedFlow};
use crate::model::EventKind;
use crate::store::ClaimedEvent;
use crate::{Subject, Timestamp};

use super::Applier;
use super::apply::ApplyError;
use super::fetch::Fetched;
use super::rule::VerifiedPerson;

/// Reads correlation ids that events repeat: the inbox does not know the flow that makes them.
pub(crate) trait CorrelationReader: Send + Sync + 'static {
    /// The subject of a correlation id that was made here, also of one that had expired when the event was accepted.
    /// `None` for any other id.
    fn read(&self, correlation_id: &str, received_at: Timestamp) -> Option<NamedSubject>;
}

/// A subject that a correlation id names.
#[derive(Clone, Debug)]
pub(crate) struct NamedSubject {
    pub(crate) subject: Subject,
    /// What to mark as used, so that the id links once.
    pub(crate) nonce: UsedNonce,
    /// When that flow began.
    pub(crate) began_at: Timestamp,
    /// Whether the application lets a repeated correlation id link without a callback, and the id had not expired.
    pub(crate) may_link: bool,
}

impl Applier {
    /// May this event link, and whom? The one place that decides it.
    ///
    /// - Only a check that passed links.
    /// - An authentication repeats nothing of its person: it links where its sender is known.
    /// - A correlation id counts of an authenticated event alone: anyone may write one into an event they make up.
    /// - The check was made since that flow began: an older one is no answer to it.
    /// - It links where the application switched that on ([`Builder::link_by_webhook`](crate::Builder::link_by_webhook)).
    /// - The application's rule is asked where no correlation id links.
    pub(super) async fn link(&self, event: &ClaimedEvent, fetched: &Fetched) -> Result<Option<EventLink>, ApplyError> {
        let is_silent = event.kind == EventKind::Authentication && !event.authenticated;
        if !fetched.check.passed || is_silent {
            return Ok(None);
        }
        match self.by_correlation(event, fetched).await? {
            Some(link) => Ok(Some(link)),
            None => self.by_rule(event, fetched).await,
        }
    }

    /// The flow that the correlation id of an authenticated event names.
    ///
    /// The vendor repeats the id that a flow was started with. An id that has expired names its flow all the same: the
    /// vendor delivers for half an hour, and by then the flow is over. An id that is not ours is no missing id: the check
    /// was started by another application, or by a person who changed the id on the way.
    pub(super) fn named_flow(&self, event: &ClaimedEvent) -> NamedFlow {
        match (repeated_id(event), self.named(event)) {
            (None, _) => NamedFlow::Unnamed,
            (Some(_), Some(named)) => NamedFlow::Of(named.subject),
            (Some(_), None) => NamedFlow::Foreign,
        }
    }

    fn named(&self, event: &ClaimedEvent) -> Option<NamedSubject> {
        self.correlations.read(repeated_id(event)?, event.received_at)
    }

    /// Ids that are not ours, or too old, make no link. One whose subject is linked to another identity means that the event
    /// was put together.
    async fn by_correlation(&self, event: &ClaimedEvent, fetched: &Fetched) -> Result<Option<EventLink>, ApplyError> {
        let is_of_flow = |named: &NamedSubject| fetched.is_pass_since(named.began_at, &named.subject);
        let named = self.named(event).filter(|named| named.may_link).filter(is_of_flow);
        let Some(named) = named else { return Ok(None) };
        let linked = self.directory.store().subject(named.subject.clone()).await?.linked;
        if linked.is_some_and(|linked| linked.identity.identity_id != fetched.seen.identity_id) {
            return Err(ApplyError::Mismatch);
        }
        Ok(Some(EventLink { subject: named.subject, proof: LinkProof::Webhook, nonce: Some(named.nonce) }))
    }

    /// A rule moves no subject: one that is linked to another identity stays so, and the event is applied all the same.
    async fn by_rule(&self, event: &ClaimedEvent, fetched: &Fetched) -> Result<Option<EventLink>, ApplyError> {
        let Some(rule) = &self.link_rule else { return Ok(None) };
        let person = VerifiedPerson { person: fetched.person.clone(), seen: fetched.seen.clone() };
        match tokio::time::timeout(RULE_DEADLINE, rule.call(person)).await {
            Ok(Ok(subject)) => {
                Ok(subject.map(|subject| EventLink { subject, proof: LinkProof::Application, nonce: None }))
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(event.id = event.lease.event.0, "the link rule failed: the event is tried again later");
                Err(ApplyError::Rule)
            }
        }
    }
}

/// Of an authenticated event alone: anyone may write one into an event they make up.
fn repeated_id(event: &ClaimedEvent) -> Option<&str> {
    event.correlation_id.as_deref().filter(|_| event.authenticated)
}

/// Counts what became of the link of an event that was applied.
pub(super) fn settled(event: &ClaimedEvent, proof: LinkProof, outcome: &Outcome) {
    if *outcome == Outcome::Linked {
        metrics::counter!("incode_links_total", "proof" => proof.as_str()).increment(1);
        return;
    }
    metrics::counter!("incode_links_refused_total", "proof" => proof.as_str()).increment(1);
    tracing::warn!(
        event.id = event.lease.event.0,
        proof = proof.as_str(),
        "not linked: subject or identity is linked otherwise already"
    );
}

/// Well within the lease of the event.
const RULE_DEADLINE: Duration = Duration::from_secs(10);
