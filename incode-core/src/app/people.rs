//! What an application asks about its people outside of a request.

use crate::flow;
use crate::gate::{Explanation, Visitor};
use crate::http::Problem;
use crate::identity::transition::Command;
use crate::identity::{Cause, Export, FoundPerson};
use crate::store::{AuditAction, StoreError};
use crate::{Actor, IdentityId, Subject};

use super::Incode;

impl Incode {
    /// Why a subject stands as it does, and what to do next: for support, and for an account page. Past every cache, and
    /// with the standing that a gate of this process gives.
    ///
    /// ```
    /// # use incode_core::{Incode, Subject};
    /// # async fn answer(incode: &Incode, subject: &Subject) -> Result<String, incode_core::store::StoreError> {
    /// let explained = incode.explain(subject).await?;
    /// Ok(format!("{}: {}. Next: {}.", explained.standing.as_str(), explained.why, explained.next))
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn explain(&self, subject: &Subject) -> Result<Explanation, StoreError> {
        let store = &*self.0.store;
        let mut state = store.subject(subject.clone()).await?;
        if let Some(linked) = &mut state.linked {
            linked.identity = self.0.near.over_withheld(linked.identity.clone());
        }
        Explanation::of_subject(store, subject, &state, self.now()).await
    }

    /// The same of an identity, with the subjects that are linked to it. `None`: nothing is known of it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn explain_identity(&self, id: &IdentityId) -> Result<Option<Explanation>, StoreError> {
        Explanation::read(&*self.0.store, &FoundPerson::Identity(id.clone()), self.now()).await
    }

    /// Finds a person by subject, identity id or the id of a verification, in this order.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn find(&self, name: &str) -> Result<Option<FoundPerson>, StoreError> {
        FoundPerson::find(&*self.0.store, name).await
    }

    /// Everything that is stored of a person, and an entry of the audit trail that it was exported.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn export(&self, person: &FoundPerson, by: &Actor) -> Result<Export, StoreError> {
        let export = Export::read_by(&*self.0.store, person, &self.0.observer, self.now()).await?;
        if let Some(masked) = export.masked() {
            let note = Command::Note { action: AuditAction::Export(masked), count: 1, by: by.clone() };
            self.0.directory.change(note, Cause::Linked).await?;
        }
        Ok(export)
    }

    /// The visitor that a request of this subject would have, without a request: for jobs, GraphQL resolvers, streams and
    /// servers without a layer. It is asked from the near cache, and loaded where that has none.
    ///
    /// It has no session: a requirement of a face that was confirmed in this session is not met where the application
    /// names sessions.
    ///
    /// ```
    /// # use incode_core::gate::{Denial, Requirement};
    /// # use incode_core::{Incode, Subject};
    /// # async fn send_report(incode: &Incode, subject: &Subject) -> Result<(), Denial> {
    /// incode.visitor(subject).await.require(&Requirement::active())?;
    /// // now send the report
    /// # Ok(())
    /// # }
    /// ```
    pub async fn visitor(&self, subject: &Subject) -> Visitor {
        self.visit_subject(subject).visitor().await
    }

    /// The address of the vendor's page for this subject, as the start route would redirect to it: for clients without a
    /// browser of their own, which show it as a link or a QR code. `return_to` is the path on this site that the person
    /// lands on afterwards.
    ///
    /// The address holds a sealed correlation id that is used once: show it to this subject alone, and keep it out of
    /// logs. The browser that comes back from the vendor has to be logged in as the same subject: the callback links
    /// no other.
    ///
    /// # Errors
    /// A [`Problem`] to show: 404 `flow_not_set_up` without a [hosted flow](crate::Builder::hosted_flow), 400
    /// `return_to_refused` for a way back that is no local path, 503 `flow_unavailable` without randomness, and while the
    /// store does not answer: the flow begins by its clock.
    pub async fn start_url(&self, subject: &Subject, return_to: &str) -> Result<String, Problem> {
        let flow = self.0.flow.as_ref().ok_or_else(flow::not_set_up)?;
        flow::Start::new(subject.clone(), return_to)?.begin(flow, &self.0.directory).await
    }
}
