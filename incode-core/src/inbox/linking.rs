//! Whom an event links: the subject of a repeated correlation id, or whom the application's own rule names.

use std::time::Duration;

use crate::Subject;
use crate::identity::{Link, LinkProof, Observation};
use crate::store::{ClaimedEvent, NewLink, UsedNonce};

use super::Applier;
use super::apply::ApplyError;
use super::fetch::Fetched;
use super::rule::VerifiedPerson;

impl Applier {
    /// The link that an event makes beside what it says of the identity, if it makes one.
    pub(super) async fn link(
        &self,
        event: &ClaimedEvent,
        looked: &Fetched,
    ) -> Result<Option<Box<NewLink>>, ApplyError> {
        match self.by_correlation(event, &looked.seen).await? {
            Some(link) => Ok(Some(link)),
            None => self.by_rule(event, looked).await,
        }
    }

    /// The link that a repeated correlation id proves. Ids that are not ours, or too old, prove nothing and harm
    /// nothing; one whose subject is somebody else already means that the event was put together.
    async fn by_correlation(
        &self,
        event: &ClaimedEvent,
        seen: &Observation,
    ) -> Result<Option<Box<NewLink>>, ApplyError> {
        let id = event.correlation_id.as_deref().filter(|_| event.authenticated);
        let proven = id.and_then(|id| self.surroundings.subject_of(id, event.received_at));
        let Some(proven) = proven else { return Ok(None) };
        let linked = self.store.linked(proven.subject.clone()).await?;
        if linked.is_some_and(|linked| linked.identity.identity_id != seen.identity_id) {
            return Err(ApplyError::Mismatch);
        }
        Ok(Some(self.new_link(proven.subject, seen, LinkProof::Webhook, Some(proven.spend))))
    }

    /// The link that the application's rule makes. It never moves anybody: a subject that is somebody else already
    /// stays so, and what the event says of the identity counts all the same, for the event is as good as any other.
    async fn by_rule(&self, event: &ClaimedEvent, looked: &Fetched) -> Result<Option<Box<NewLink>>, ApplyError> {
        let Some(rule) = &self.link_rule else { return Ok(None) };
        let recognised = VerifiedPerson { person: looked.person.clone(), seen: looked.seen.clone() };
        let subject = match tokio::time::timeout(RULE_DEADLINE, rule.call(recognised)).await {
            Ok(Ok(Some(subject))) => subject,
            Ok(Ok(None)) => return Ok(None),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(event.id = event.lease.event.0, "the link rule gave no answer: asked again later");
                return Err(ApplyError::Rule);
            }
        };
        match self.store.linked(subject.clone()).await? {
            None => Ok(Some(self.new_link(subject, &looked.seen, LinkProof::Application, None))),
            Some(linked) if linked.identity.identity_id == looked.seen.identity_id => Ok(None),
            Some(_) => {
                refused(event, LinkProof::Application);
                Ok(None)
            }
        }
    }

    fn new_link(
        &self,
        subject: Subject,
        seen: &Observation,
        proof: LinkProof,
        spend: Option<UsedNonce>,
    ) -> Box<NewLink> {
        let link = Link { subject, identity_id: seen.identity_id.clone(), proof, linked_at: seen.sent_at };
        Box::new(NewLink { link, seen: seen.clone(), spend, shared: self.shared_identities })
    }
}

/// Tells what became of the link of an event that was applied. A store leaves out what it refuses, and names the
/// subjects of the identity as they are now.
pub(super) fn settled(event: &ClaimedEvent, link: &NewLink, subjects: &[Subject]) {
    let proof = link.link.proof;
    if subjects.contains(&link.link.subject) {
        metrics::counter!("incode_links_total", "proof" => proof.as_str()).increment(1);
    } else {
        refused(event, proof);
    }
}

fn refused(event: &ClaimedEvent, proof: LinkProof) {
    metrics::counter!("incode_links_refused_total", "proof" => proof.as_str()).increment(1);
    tracing::warn!(
        event.id = event.lease.event.0,
        proof = proof.as_str(),
        "not linked: subject or identity is somebody else's already"
    );
}

/// Well within the lease of the event.
const RULE_DEADLINE: Duration = Duration::from_secs(10);
