use serde::Serialize;

use incode_core::adapter::Reply;
use incode_core::gate::Explanation;
use incode_core::identity::transition::JobCause;
use incode_core::identity::{Export, Identity};
use incode_core::store::{
    Audit, AuditAction, AuditId, EventId, EventRow, InboxCounts, JobCounts, JobFailure, JobId, JobRow, Reason, Replay,
    ReplayJobs,
};
use incode_core::{Inspection, Masked, Timestamp, TokenState};

use crate::guarded;

pub(crate) fn inbox(counts: &InboxCounts, events: &[EventRow], next: Option<EventId>, now: Timestamp) -> Reply {
    reply(&Inbox {
        counts: Counts { pending: counts.pending, done: counts.done, dead: counts.dead, ignored: counts.ignored },
        oldest_pending_seconds: counts.oldest_pending.map(|oldest| now.since(oldest).as_secs()),
        events: events.iter().map(Event::from).collect(),
        next: next.map(|id| id.0),
    })
}

pub(crate) fn event(seen: &Inspection) -> Reply {
    reply(&Inspected {
        event: Event {
            id: seen.id.0,
            kind: seen.kind.as_str(),
            object_id: seen.object_id.clone(),
            state: seen.state.as_str(),
            reason: seen.reason.map(Reason::as_str),
            attempts: seen.attempts,
            received_at: seen.received_at,
            due_at: seen.due_at,
            settled_at: seen.settled_at,
        },
        vendor_time: seen.vendor_time,
        token: match seen.token {
            TokenState::Present => "present",
            TokenState::Wiped => "wiped",
        },
        object_done: seen.object_done,
    })
}

pub(crate) fn jobs(counts: &JobCounts, jobs: &[JobRow], next: Option<JobId>, now: Timestamp) -> Reply {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Jobs<'a> {
        counts: Counts,
        oldest_pending_seconds: Option<u64>,
        jobs: Vec<Job<'a>>,
        next: Option<i64>,
    }
    #[derive(Serialize)]
    struct Counts {
        pending: u64,
        dead: u64,
    }
    reply(&Jobs {
        counts: Counts { pending: counts.pending, dead: counts.dead },
        oldest_pending_seconds: counts.oldest_pending.map(|oldest| now.since(oldest).as_secs()),
        jobs: jobs.iter().map(Job::from).collect(),
        next: next.map(|id| id.0),
    })
}

pub(crate) fn job(row: &JobRow) -> Reply {
    reply(&Job::from(row))
}

pub(crate) fn replayed(replayed: u64) -> Reply {
    #[derive(Serialize)]
    struct Replayed {
        replayed: u64,
    }
    reply(&Replayed { replayed })
}

pub(crate) fn identity(identity: &Identity) -> Reply {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Row<'a> {
        #[serde(flatten)]
        identity: &'a Identity,
        checked_at: Timestamp,
    }
    reply(&Row { identity, checked_at: identity.checked_at })
}

pub(crate) fn people(people: &[Explanation]) -> Reply {
    #[derive(Serialize)]
    struct People<'a> {
        people: &'a [Explanation],
    }
    reply(&People { people })
}

pub(crate) fn person(explained: &Explanation) -> Reply {
    reply(explained)
}

pub(crate) fn unlinked(unlinked: bool) -> Reply {
    #[derive(Serialize)]
    struct Unlinked {
        unlinked: bool,
    }
    reply(&Unlinked { unlinked })
}

/// A file to keep: browsers save it instead of showing it.
pub(crate) fn export(export: &Export) -> Reply {
    reply(export).header("content-disposition", "attachment; filename=\"person.json\"")
}

pub(crate) fn forgotten(forgotten: bool) -> Reply {
    #[derive(Serialize)]
    struct Forgotten {
        forgotten: bool,
    }
    reply(&Forgotten { forgotten })
}

pub(crate) fn audit(audits: &[Audit], next: Option<AuditId>) -> Reply {
    #[derive(Serialize)]
    struct Trail<'a> {
        audits: Vec<Entry<'a>>,
        next: Option<i64>,
    }
    reply(&Trail { audits: audits.iter().map(Entry::from).collect(), next: next.map(|id| id.0) })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inbox<'a> {
    counts: Counts,
    oldest_pending_seconds: Option<u64>,
    events: Vec<Event<'a>>,
    next: Option<i64>,
}

#[derive(Serialize)]
struct Counts {
    pending: u64,
    done: u64,
    dead: u64,
    ignored: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    id: i64,
    kind: &'a str,
    object_id: Option<Masked>,
    state: &'static str,
    reason: Option<&'static str>,
    attempts: u32,
    received_at: Timestamp,
    due_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
}

impl<'a> From<&'a EventRow> for Event<'a> {
    fn from(row: &'a EventRow) -> Self {
        Self {
            id: row.id.0,
            kind: row.kind.as_str(),
            object_id: row.object_id.as_ref().map(|id| id.masked()),
            state: row.state.as_str(),
            reason: row.reason.map(Reason::as_str),
            attempts: row.attempts,
            received_at: row.received_at,
            due_at: row.due_at,
            settled_at: row.settled_at,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Job<'a> {
    id: i64,
    handler: &'a str,
    state: &'static str,
    /// How the last call failed.
    failure: Option<&'static str>,
    attempts: u32,
    /// `event`, `verified` or `revoked`; absent once a job about a subject is done.
    cause: Option<&'static str>,
    /// Of an event.
    event: Option<i64>,
    kind: Option<&'a str>,
    object_id: Option<Masked>,
    /// Of a subject.
    subject: Option<Masked>,
    caused_at: Timestamp,
    due_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
}

impl<'a> From<&'a JobRow> for Job<'a> {
    fn from(row: &'a JobRow) -> Self {
        let mut job = Self {
            id: row.id.0,
            handler: &row.handler,
            state: row.state.as_str(),
            failure: row.failure.map(JobFailure::as_str),
            attempts: row.attempts,
            cause: row.cause.as_ref().map(JobCause::as_str),
            event: None,
            kind: None,
            object_id: None,
            subject: None,
            caused_at: row.caused_at,
            due_at: row.due_at,
            settled_at: row.settled_at,
        };
        match &row.cause {
            Some(JobCause::Event { event, kind, object_id }) => {
                job.event = Some(event.0);
                job.kind = Some(kind.as_str());
                job.object_id = Some(object_id.masked());
            }
            Some(JobCause::Verified { subject, .. } | JobCause::Revoked { subject, .. }) => {
                job.subject = Some(subject.masked());
            }
            _ => {}
        }
        job
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspected<'a> {
    #[serde(flatten)]
    event: Event<'a>,
    vendor_time: Option<Timestamp>,
    token: &'static str,
    object_done: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    id: i64,
    at: Timestamp,
    actor: &'a str,
    action: &'static str,
    count: u64,
    /// Of a replay of one.
    event: Option<i64>,
    /// Of a replay of many.
    reason: Option<&'static str>,
    kind: Option<&'a str>,
    accepted_before: Option<Timestamp>,
    /// Of a replay of one job.
    job: Option<i64>,
    /// Of a replay of the jobs of one handler.
    handler: Option<&'a str>,
    /// Of an erasure, of a link that was made or removed, and of an export: there the subject, where it has no identity.
    identity_id: Option<&'a Masked>,
}

impl<'a> From<&'a Audit> for Entry<'a> {
    fn from(audit: &'a Audit) -> Self {
        let mut entry = Self {
            id: audit.id.0,
            at: audit.at,
            actor: audit.actor.as_str(),
            action: audit.action.as_str(),
            count: audit.count,
            event: None,
            reason: None,
            kind: None,
            accepted_before: None,
            job: None,
            handler: None,
            identity_id: None,
        };
        match &audit.action {
            AuditAction::Replay(Replay::One(id)) => entry.event = Some(id.0),
            AuditAction::Replay(Replay::Dead(filter)) => {
                entry.reason = filter.reason.map(Reason::as_str);
                entry.kind = filter.kind.as_ref().map(|kind| kind.as_str());
                entry.accepted_before = filter.accepted_before;
            }
            AuditAction::ReplayJobs(ReplayJobs::One(id)) => entry.job = Some(id.0),
            AuditAction::ReplayJobs(ReplayJobs::Dead(handler)) => entry.handler = handler.as_deref(),
            AuditAction::Forget(masked)
            | AuditAction::Link(masked)
            | AuditAction::Unlink(masked)
            | AuditAction::Export(masked) => {
                entry.identity_id = Some(masked);
            }
            _ => {}
        }
        entry
    }
}

fn reply(body: &impl Serialize) -> Reply {
    // Strings and numbers only: serialising can't fail.
    guarded(Reply::new(200).body("application/json", serde_json::to_vec(body).unwrap_or_default()))
}
