use std::borrow::Cow;
use std::sync::Arc;

use incode_core::adapter::Problem;
use incode_core::model::EventKind;
use incode_core::store::{AuditId, DeadFilter, EventId, EventState, JobId, JobState, Reason};
use incode_core::{Actor, Subject};

use crate::invalid;
use crate::lists::{AuditList, EventList, JobList, PAGE, PersonView};

/// The names and values of a query or a form, decoded. An empty value counts as none: forms send the fields that were left
/// alone.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Problem> {
        let pairs = url::form_urlencoded::parse(text).map(|(name, value)| (name.into_owned(), value.into_owned()));
        let params = Self(pairs.collect());
        // Two readers could take one each.
        let names = || params.0.iter().map(|(name, _)| name);
        if names().enumerate().any(|(at, name)| names().take(at).any(|earlier| earlier == name)) {
            return Err(invalid("A parameter is given twice."));
        }
        Ok(params)
    }

    /// With those of a form, which may repeat none of these.
    pub(crate) fn and(mut self, form: Self) -> Result<Self, Problem> {
        if form.0.iter().any(|(name, _)| self.0.iter().any(|(own, _)| own == name)) {
            return Err(invalid("A parameter is given twice."));
        }
        self.0.extend(form.0);
        Ok(self)
    }

    /// A page of the inbox.
    pub(crate) fn event_list(&self) -> Result<EventList, Problem> {
        Ok(EventList {
            state: self.state(EventState::parse, "state is one of pending, done, dead and ignored.")?,
            reason: self.reason()?,
            kind: self.kind()?,
            before: self.number("before", "before is the id of an event.")?.map(EventId),
            limit: self.limit()?,
            replayed: self.number("replayed", "replayed is a number.")?,
        })
    }

    /// A page of the handlers' jobs.
    pub(crate) fn job_list(&self) -> Result<JobList, Problem> {
        Ok(JobList {
            state: self.state(JobState::parse, "state is one of pending, done and dead.")?,
            handler: self.handler()?,
            before: self.number("before", "before is the id of a job.")?.map(JobId),
            limit: self.limit()?,
            replayed: self.number("replayed", "replayed is a number.")?,
        })
    }

    /// A page of the audit trail.
    pub(crate) fn audit_list(&self) -> Result<AuditList, Problem> {
        Ok(AuditList {
            before: self.number("before", "before is the id of an entry.")?.map(AuditId),
            limit: self.limit()?,
            forgotten: self.number::<u8>("forgotten", "forgotten is 0 or 1.")?.map(|count| count > 0),
        })
    }

    /// Whom to look for.
    pub(crate) fn searched(&self) -> Result<Option<String>, Problem> {
        match self.value("q").map(str::trim) {
            Some(name) if name.len() > Subject::MAX_LEN => Err(invalid("q is a name of up to 256 bytes.")),
            name => Ok(name.filter(|name| !name.is_empty()).map(str::to_owned)),
        }
    }

    /// The page of a person.
    pub(crate) fn person(&self) -> Result<PersonView, Problem> {
        let unlinked = self.number::<u8>("unlinked", "unlinked is 0 or 1.")?.map(|count| count > 0);
        Ok(PersonView { subject: self.subject()?, unlinked })
    }

    pub(crate) fn subject(&self) -> Result<Subject, Problem> {
        let subject = self.value("subject").and_then(|text| Subject::new(text).ok());
        subject.ok_or_else(|| invalid("subject is the application's key of a user, up to 256 bytes."))
    }

    /// Who asks, with why, where a form says that.
    pub(crate) fn actor(&self, actor: &Actor) -> Result<Actor, Problem> {
        let Some(why) = self.value("why") else { return Ok(actor.clone()) };
        actor.because(why).map_err(|_| invalid("why is one line, up to 128 characters with the name before it."))
    }

    /// A choice of dead events. A name it doesn't know might have been meant to narrow the choice, so it is refused
    /// rather than taken for "all".
    pub(crate) fn dead_filter(&self) -> Result<DeadFilter, Problem> {
        if self.0.iter().any(|(name, _)| name != "reason" && name != "kind") {
            return Err(invalid("A replay takes reason and kind, and nothing else."));
        }
        Ok(DeadFilter { reason: self.reason()?, kind: self.kind()?, accepted_before: None })
    }

    /// A choice of dead jobs, by handler. Any other name is refused, as above.
    pub(crate) fn dead_jobs(&self) -> Result<Option<Arc<str>>, Problem> {
        if self.0.iter().any(|(name, _)| name != "handler") {
            return Err(invalid("A replay takes handler, and nothing else."));
        }
        self.handler()
    }

    fn state<T>(&self, parse: fn(&str) -> Option<T>, wrong: &'static str) -> Result<Option<T>, Problem> {
        self.value("state").map(|name| parse(name).ok_or_else(|| invalid(wrong))).transpose()
    }

    fn handler(&self) -> Result<Option<Arc<str>>, Problem> {
        match self.value("handler") {
            Some(name) if name.len() > LONGEST_HANDLER => Err(invalid("handler is a name of up to 64 bytes.")),
            name => Ok(name.map(Arc::from)),
        }
    }

    fn reason(&self) -> Result<Option<Reason>, Problem> {
        let known = |name: &str| Reason::ALL.into_iter().find(|reason| reason.as_str() == name);
        self.value("reason").map(|name| known(name).ok_or_else(unknown_reason)).transpose()
    }

    fn kind(&self) -> Result<Option<EventKind>, Problem> {
        match self.value("kind") {
            Some(name) if name.len() > LONGEST_KIND => Err(invalid("kind is the name of an event, up to 128 bytes.")),
            name => Ok(name.map(EventKind::from)),
        }
    }

    fn limit(&self) -> Result<u32, Problem> {
        let wrong = "limit is a number from 1 to 200.";
        match self.number("limit", wrong)? {
            None => Ok(PAGE),
            Some(limit @ 1..=200) => Ok(limit),
            Some(_) => Err(invalid(wrong)),
        }
    }

    fn number<T: std::str::FromStr>(&self, name: &str, wrong: &'static str) -> Result<Option<T>, Problem> {
        self.value(name).map(|text| text.parse().map_err(|_| invalid(wrong))).transpose()
    }

    fn value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(own, _)| own == name)?;
        (!value.is_empty()).then_some(value)
    }
}

fn unknown_reason() -> Problem {
    let known: Vec<_> = Reason::ALL.into_iter().map(Reason::as_str).collect();
    let detail = Cow::Owned(format!("reason is one of {}.", known.join(", ")));
    let mut problem = invalid("");
    problem.detail = detail;
    problem
}

/// Longer than every kind the vendor has, and short enough for a page.
const LONGEST_KIND: usize = 128;
/// What a handler's name may have; see `Builder::on_event`.
const LONGEST_HANDLER: usize = 64;
