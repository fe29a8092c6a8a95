use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use crate::Subject;
use crate::identity::Observation;
use crate::model::UserInfo;

/// The application's own way to find the subject of an event where no correlation id names it. Examples: an invitation
/// that was sent to this address, a customer number that only this person has.
///
/// Registered with [`Builder::link_rule`](crate::Builder::link_rule). Asked by the worker about every event that was
/// fetched and whose parts belong together, unless the event names its subject itself. It must return a subject only if
/// it is sure: that user is let in as this person. It changes no existing link: a subject with another identity, or an
/// identity with another subject, stays as it is, and `incode_links_refused_total` counts it.
///
/// The call may be made again for the same event, and ends after ten seconds.
///
/// A closure will do:
///
/// ```
/// # use incode_core::{Incode, VerifiedPerson, Subject};
/// let builder = Incode::builder().link_rule(|recognised: VerifiedPerson| async move {
///     let invited = recognised.person.email.as_deref() == Some("ana@example.com");
///     Ok(invited.then(|| Subject::new("ana")).transpose()?)
/// });
/// # let _ = builder;
/// ```
pub trait LinkRule: Send + Sync + 'static {
    /// The subject of this identity; `None` if the application knows none.
    ///
    /// # Errors
    /// Any error: the event is tried again later, for as long as its token lives. The text is not logged.
    fn subject(
        &self,
        recognised: VerifiedPerson,
    ) -> impl Future<Output = Result<Option<Subject>, LinkRuleError>> + Send;
}

/// Why a rule has no answer: any error.
pub type LinkRuleError = Box<dyn Error + Send + Sync>;

/// An identity as the vendor just described it, before it is stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifiedPerson {
    /// userinfo, personal data included: it is gone when the rule has answered.
    pub person: UserInfo,
    /// What is going to be stored.
    pub seen: Observation,
}

impl<F, R> LinkRule for F
where
    F: Fn(VerifiedPerson) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Option<Subject>, LinkRuleError>> + Send,
{
    fn subject(
        &self,
        recognised: VerifiedPerson,
    ) -> impl Future<Output = Result<Option<Subject>, LinkRuleError>> + Send {
        self(recognised)
    }
}

/// [`LinkRule`] behind a pointer.
pub(crate) trait ErasedRule: Send + Sync {
    fn call(&self, recognised: VerifiedPerson) -> Answer<'_>;
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Option<Subject>, LinkRuleError>> + Send + 'a>>;

impl<L: LinkRule> ErasedRule for L {
    fn call(&self, recognised: VerifiedPerson) -> Answer<'_> {
        Box::pin(self.subject(recognised))
    }
}
