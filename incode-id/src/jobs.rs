//! `jobs`: the jobs of the application's handlers.

use incode_core::identity::transition::JobCause;
use incode_core::store::{JobFailure, JobFilter, JobId, JobRow, ReplayJobs, Store};
use serde_json::{Value, json};

use crate::cli::JobsCommand;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings;

pub(crate) async fn run(store: &dyn Store, command: JobsCommand, output: &Output) -> Result<(), Failure> {
    match command {
        JobsCommand::List { state, handler, page } => {
            let handler = handler.map(Into::into);
            let filter = JobFilter { state, handler, before: page.before.map(JobId), limit: page.limit };
            let jobs: Vec<_> = store.jobs(filter).await?.iter().map(row).collect();
            output.list(&["id", "handler", "cause", "state", "failure", "attempts", "causedAt"], &jobs)
        }
        JobsCommand::Show { id } => {
            // The newest job before the next id: this one, where it is there.
            let before = Some(JobId(id.saturating_add(1)));
            let jobs = store.jobs(JobFilter { state: None, handler: None, before, limit: 1 }).await?;
            match jobs.iter().find(|job| job.id == JobId(id)) {
                Some(job) => output.object(&row(job)),
                None => Err(Failure::not_found(format!("there is no job {id}, or no longer"))),
            }
        }
        JobsCommand::Replay { id, handler, by, .. } => {
            let which = match id {
                Some(id) => ReplayJobs::One(JobId(id)),
                None => ReplayJobs::Dead(handler.map(Into::into)),
            };
            match (id, store.replay_jobs(which, by, settings::now(store).await?).await?) {
                (Some(id), 0) => Err(Failure::not_found(format!("there is no dead job {id}"))),
                (_, replayed) => output.object(&json!({"replayed": replayed})),
            }
        }
    }
}

fn row(job: &JobRow) -> Value {
    let (mut event, mut kind, mut subject) = (None, None, None);
    match &job.cause {
        Some(JobCause::Event { event: id, kind: of, .. }) => (event, kind) = (Some(id.0), Some(of.as_str())),
        Some(JobCause::Verified { subject: of, .. } | JobCause::Revoked { subject: of, .. }) => {
            subject = Some(of.as_str());
        }
        _ => {}
    }
    json!({
        "id": job.id.0,
        "handler": &*job.handler,
        "cause": job.cause.as_ref().map(JobCause::as_str),
        "event": event,
        "kind": kind,
        "subject": subject,
        "state": job.state.as_str(),
        "failure": job.failure.map(JobFailure::as_str),
        "attempts": job.attempts,
        "causedAt": job.caused_at,
        "dueAt": job.due_at,
        "settledAt": job.settled_at,
    })
}
