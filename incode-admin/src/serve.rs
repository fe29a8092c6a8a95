//! Serves the calls: asks core, and shows the answer as JSON or as a page.

use incode_core::adapter::{Problem, Reply};
use incode_core::store::{EventState, JobState, Replay, ReplayJobs};
use incode_core::{Actor, Incode};

use crate::lists::{AuditList, EventList, JobList};
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
                Ok(if self.html { page::identity(&identity, self.root) } else { json::identity(&identity) })
            }
            Call::Forget(id) => {
                let forgotten = self.incode.forget(&id, self.actor).await.map_err(unavailable)?;
                Ok(if self.html {
                    Reply::see_other(format!("{}audit?forgotten={}", self.root, u8::from(forgotten)))
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

/// Entries of the audit trail below the inbox.
const LATEST_ACTIONS: u32 = 5;
