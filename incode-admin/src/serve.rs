//! Serves the calls: asks core, and shows the answer as JSON or as a page.

use incode_core::adapter::{Problem, Reply};
use incode_core::gate::Explanation;
use incode_core::identity::FoundPerson;
use incode_core::store::{EventState, JobState, Replay, ReplayJobs};
use incode_core::{Actor, IdentityId, Incode};

use crate::lists::{AuditList, EventList, JobList, PersonView};
use crate::params::Params;
use crate::route::Call;
use crate::{json, not_found, page, unavailable};

/// Serves one request of one actor.
pub(crate) struct Handler<'a> {
    pub(crate) incode: &'a Incode,
    pub(crate) actor: &'a Actor,
    pub(crate) html: bool,
    pub(crate) root: &'static str,
}

impl Handler<'_> {
    pub(crate) async fn serve(&self, call: Call, fields: Params) -> Result<Reply, Problem> {
        let now = self.incode.now();
        match call {
            Call::Events(list) => self.events(list).await,
            Call::Event(id) => {
                let seen = self.incode.inspect(id).await.map_err(unavailable)?.ok_or_else(not_found)?;
                Ok(if self.html { page::event(&seen, self.root, now) } else { json::event(&seen) })
            }
            Call::ReplayEvent(id) => {
                let back = fields.event_list()?;
                self.replay(Replay::One(id), back).await
            }
            Call::ReplayEvents(query) => {
                let filter = query.and(fields)?.dead_filter()?;
                let (reason, kind) = (filter.reason, filter.kind.clone());
                let back = EventList { state: Some(EventState::Dead), reason, kind, ..EventList::default() };
                self.replay(Replay::Dead(filter), back).await
            }
            Call::Jobs(list) => self.jobs(list).await,
            Call::Job(id) => {
                let job = self.incode.job(id).await.map_err(unavailable)?.ok_or_else(not_found)?;
                Ok(if self.html { page::job(&job, self.root, now) } else { json::job(&job) })
            }
            Call::ReplayJob(id) => {
                let back = fields.job_list()?;
                self.replay_jobs(ReplayJobs::One(id), back).await
            }
            Call::ReplayJobs(query) => {
                let handler = query.and(fields)?.dead_jobs()?;
                let back = JobList { state: Some(JobState::Dead), handler: handler.clone(), ..JobList::default() };
                self.replay_jobs(ReplayJobs::Dead(handler), back).await
            }
            Call::Identity(id) => {
                let identity = self.incode.identity(&id).await.map_err(unavailable)?.ok_or_else(not_found)?;
                if !self.html {
                    return Ok(json::identity(&identity));
                }
                let subjects = self.incode.subjects(&id).await.map_err(unavailable)?;
                Ok(page::identity(&identity, &subjects, self.root))
            }
            Call::People(name) => self.people(name.as_deref()).await,
            Call::Person(view) => {
                let explained = self.incode.explain(&view.subject).await.map_err(unavailable)?;
                Ok(if self.html { page::person(&view, &explained, now) } else { json::person(&explained) })
            }
            Call::Unlink(query) => {
                let fields = query.and(fields)?;
                let (subject, actor) = (fields.subject()?, fields.actor(self.actor)?);
                let unlinked = self.incode.unlink(&subject, &actor).await.map_err(unavailable)?;
                let view = PersonView { subject, unlinked: Some(unlinked) };
                Ok(if self.html { self.back_to(&view.link()) } else { json::unlinked(unlinked) })
            }
            Call::ExportPerson(query) => {
                let fields = query.and(fields)?;
                self.export(FoundPerson::Subject(fields.subject()?), &fields).await
            }
            Call::ExportIdentity(id) => self.export(FoundPerson::Identity(id), &fields).await,
            Call::Forget(id) => {
                let actor = fields.actor(self.actor)?;
                let forgotten = self.incode.forget(&id, &actor).await.map_err(unavailable)?;
                Ok(if self.html {
                    self.back_to(&format!("audit?forgotten={}", u8::from(forgotten)))
                } else {
                    json::forgotten(forgotten)
                })
            }
            Call::Audit(AuditList { before, limit, forgotten }) => {
                let mut audits = self.incode.audits(limit + 1, before).await.map_err(unavailable)?;
                let next = cut(&mut audits, limit).map(|audit| audit.id);
                Ok(if self.html {
                    page::audit(&audits, next, forgotten, self.root, now)
                } else {
                    json::audit(&audits, next)
                })
            }
        }
    }

    /// A person may have several subjects: each is shown.
    async fn people(&self, name: Option<&str>) -> Result<Reply, Problem> {
        let mut people = Vec::new();
        match self.found(name).await? {
            None => {}
            Some(FoundPerson::Subject(subject)) => {
                people.push(self.incode.explain(&subject).await.map_err(unavailable)?);
            }
            Some(FoundPerson::Identity(id)) => people = self.subjects_of(&id).await?,
        }
        Ok(if self.html { page::people(name, &people) } else { json::people(&people) })
    }

    async fn found(&self, name: Option<&str>) -> Result<Option<FoundPerson>, Problem> {
        let Some(name) = name else { return Ok(None) };
        self.incode.find(name).await.map_err(unavailable)
    }

    /// Of an identity without subjects, itself.
    async fn subjects_of(&self, id: &IdentityId) -> Result<Vec<Explanation>, Problem> {
        let Some(identity) = self.incode.explain_identity(id).await.map_err(unavailable)? else {
            return Ok(Vec::new());
        };
        let mut people = Vec::new();
        for subject in identity.subjects.iter().take(MOST_SUBJECTS) {
            people.push(self.incode.explain(subject).await.map_err(unavailable)?);
        }
        Ok(if people.is_empty() { vec![identity] } else { people })
    }

    async fn export(&self, person: FoundPerson, fields: &Params) -> Result<Reply, Problem> {
        let actor = fields.actor(self.actor)?;
        let export = self.incode.export(&person, &actor).await.map_err(unavailable)?;
        if export.masked().is_none() {
            return Err(not_found());
        }
        Ok(json::export(&export))
    }

    /// `page` is relative to the mount.
    fn back_to(&self, page: &str) -> Reply {
        Reply::see_other([self.root, page].concat())
    }

    async fn events(&self, list: EventList) -> Result<Reply, Problem> {
        let counts = self.incode.inbox_counts().await.map_err(unavailable)?;
        let mut events = self.incode.inbox_events(list.filter()).await.map_err(unavailable)?;
        let next = cut(&mut events, list.limit).map(|row| row.id);
        let now = self.incode.now();
        if !self.html {
            return Ok(json::inbox(&counts, &events, next, now));
        }
        let trail = self.incode.audits(LATEST_ACTIONS, None).await.map_err(unavailable)?;
        Ok(page::inbox(&page::Inbox { list: &list, counts: &counts, events: &events, next, trail: &trail, now }))
    }

    async fn jobs(&self, list: JobList) -> Result<Reply, Problem> {
        let counts = self.incode.job_counts().await.map_err(unavailable)?;
        let mut jobs = self.incode.jobs(list.filter()).await.map_err(unavailable)?;
        let next = cut(&mut jobs, list.limit).map(|row| row.id);
        let now = self.incode.now();
        Ok(if self.html {
            page::jobs(&page::Jobs { list: &list, counts: &counts, jobs: &jobs, next, now })
        } else {
            json::jobs(&counts, &jobs, next, now)
        })
    }

    async fn replay(&self, which: Replay, back: EventList) -> Result<Reply, Problem> {
        let replayed = self.incode.replay(which, self.actor).await.map_err(unavailable)?;
        Ok(self.replayed(replayed, || EventList { replayed: Some(replayed), ..back }.link()))
    }

    async fn replay_jobs(&self, which: ReplayJobs, back: JobList) -> Result<Reply, Problem> {
        let replayed = self.incode.replay_jobs(which, self.actor).await.map_err(unavailable)?;
        Ok(self.replayed(replayed, || JobList { replayed: Some(replayed), ..back }.link()))
    }

    fn replayed(&self, count: u64, back: impl FnOnce() -> String) -> Reply {
        if self.html { Reply::see_other(format!("{}{}", self.root, back())) } else { json::replayed(count) }
    }
}

/// Lists are asked for with one row more than is shown, to know whether there is another page. Returns the last row of
/// this page then.
fn cut<T>(rows: &mut Vec<T>, limit: u32) -> Option<&T> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    rows.last().filter(|_| more)
}

/// Subjects of one identity that a search shows: an application that shares identities has a few for each.
const MOST_SUBJECTS: usize = 50;
/// Entries of the audit trail below the inbox.
const LATEST_ACTIONS: u32 = 5;
