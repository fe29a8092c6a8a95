//! `audit`: what was done by hand.

use incode_core::store::{Audit, AuditAction, AuditId, Reason, Replay, ReplayJobs, Store};
use serde_json::{Value, json};

use crate::cli::Page;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) async fn run(store: &dyn Store, page: &Page, output: &Output) -> Result<(), Failure> {
    let entries = store.audits(page.limit, page.before.map(AuditId)).await?;
    let entries: Vec<_> = entries.iter().map(row).collect();
    output.list(&["id", "at", "actor", "action", "of", "count"], &entries)
}

fn row(entry: &Audit) -> Value {
    json!({
        "id": entry.id.0,
        "at": entry.at,
        "actor": entry.actor.as_str(),
        "action": entry.action.as_str(),
        "of": of(&entry.action),
        "count": entry.count,
    })
}

/// What it was done to: an id, or what was asked of all.
fn of(action: &AuditAction) -> String {
    match action {
        AuditAction::Replay(Replay::One(id)) => format!("event {}", id.0),
        AuditAction::Replay(Replay::Dead(filter)) => {
            let reason = filter.reason.map(Reason::as_str);
            let asked: Vec<_> = reason.into_iter().chain(filter.kind.as_ref().map(|kind| kind.as_str())).collect();
            format!("dead events {}", asked.join(" ")).trim_end().to_owned()
        }
        AuditAction::ReplayJobs(ReplayJobs::One(id)) => format!("job {}", id.0),
        AuditAction::ReplayJobs(ReplayJobs::Dead(Some(handler))) => format!("dead jobs of {handler}"),
        AuditAction::ReplayJobs(ReplayJobs::Dead(None)) => "dead jobs".to_owned(),
        AuditAction::Forget(id) | AuditAction::Link(id) | AuditAction::Unlink(id) => format!("identity {id}"),
        // An identity, or a subject without one.
        AuditAction::Export(id) => id.to_string(),
        _ => String::new(),
    }
}
