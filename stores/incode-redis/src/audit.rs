//! The audit trail.

use incode_core::model::EventKind;
use incode_core::store::{
    Audit, AuditAction, AuditId, AuditStore, DeadFilter, EventId, JobId, Reason, Replay, ReplayJobs, StoreFuture,
};
use incode_core::{Actor, Masked, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::list::List;
use crate::rows::{self, Row};
use crate::store::RedisStore;

impl AuditStore for RedisStore {
    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        self.with(async move {
            let before = before.map(|id| id.0);
            let columns = &["at", "actor", "action", "count"];
            let wanted = List { index: "audits", prefix: "a:", before, limit, conditions: &[], columns };
            wanted.read(&self.server).await?.iter().map(read_entry).collect()
        })
    }
}

/// Whether the entry is kept by age and not by number.
pub(crate) fn is_erasure(action: &AuditAction) -> bool {
    matches!(action, AuditAction::Forget(_))
}

/// An action as it is kept. Entries live for years: names, so that a column can be added.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    action: String,
    /// Of the one event or job that was replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_before: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<String>,
    /// The identity or the subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<String>,
}

/// An action as it is stored: one JSON object, whose names stay when actions are added.
pub(crate) fn write(action: &AuditAction) -> Result<Vec<u8>, Failure> {
    let mut kept = Kept { action: action.as_str().to_owned(), ..Kept::default() };
    match action {
        AuditAction::Replay(Replay::One(id)) => kept.id = Some(id.0),
        AuditAction::Replay(Replay::Dead(filter)) => {
            kept.reason = filter.reason.map(|reason| reason.as_str().to_owned());
            kept.kind = filter.kind.as_ref().map(|kind| kind.as_str().to_owned());
            kept.accepted_before = filter.accepted_before.map(Timestamp::as_millis);
        }
        AuditAction::ReplayJobs(ReplayJobs::One(id)) => kept.id = Some(id.0),
        AuditAction::ReplayJobs(ReplayJobs::Dead(handler)) => kept.handler = handler.as_deref().map(str::to_owned),
        AuditAction::Forget(masked)
        | AuditAction::Link(masked)
        | AuditAction::Unlink(masked)
        | AuditAction::Export(masked) => {
            kept.masked = Some(masked.as_str().to_owned());
        }
        AuditAction::Import => {}
        _ => return Err(Failure::failed("an action that this version of the engine does not know")),
    }
    rows::pack(&kept)
}

/// The reverse of [`write`]. An action of a newer version is an error, so that an entry is never shown as another one.
fn read(action: &[u8]) -> Result<AuditAction, Failure> {
    let kept: Kept = rows::unpack(action)?;
    let masked = || kept.masked.as_deref().and_then(Masked::parse).ok_or_else(|| Failure::unreadable("masked id"));
    Ok(match (kept.action.as_str(), kept.id) {
        ("replay", Some(id)) => AuditAction::Replay(Replay::One(EventId(id))),
        ("replay", None) => AuditAction::Replay(Replay::Dead(DeadFilter {
            reason: kept.reason.as_deref().map(Reason::parse),
            kind: kept.kind.as_deref().map(EventKind::from),
            accepted_before: kept.accepted_before.map(Timestamp::from_millis),
        })),
        ("replay_jobs", Some(id)) => AuditAction::ReplayJobs(ReplayJobs::One(JobId(id))),
        ("replay_jobs", None) => AuditAction::ReplayJobs(ReplayJobs::Dead(kept.handler.map(Into::into))),
        ("forget", _) => AuditAction::Forget(masked()?),
        ("link", _) => AuditAction::Link(masked()?),
        ("unlink", _) => AuditAction::Unlink(masked()?),
        ("export", _) => AuditAction::Export(masked()?),
        ("import", _) => AuditAction::Import,
        _ => return Err(Failure::unreadable("action")),
    })
}

/// The columns `at, actor, action, count`.
fn read_entry((id, row): &(i64, Row)) -> Result<Audit, Failure> {
    Ok(Audit {
        id: AuditId(*id),
        at: rows::time(row, 0)?,
        actor: Actor::new(rows::text(row, 1)?).map_err(|_| Failure::unreadable("actor"))?,
        action: read(rows::bytes(row, 2).unwrap_or_default())?,
        count: rows::number(row, 3)?,
    })
}
