use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::inbox;
use super::link::Link;
use super::rows;
use crate::model::EventKind;
use crate::store::{Audit, AuditAction, AuditId, DeadFilter, EventId, Reason, Replay};
use crate::{Actor, Masked, Timestamp};

/// What was done, as it is kept.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_before: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
}

pub(super) fn write(action: &AuditAction) -> Result<String, Failure> {
    let mut kept = Kept { action: action.as_str().to_owned(), ..Kept::default() };
    match action {
        AuditAction::Replay(Replay::One(id)) => kept.event = Some(id.0),
        AuditAction::Replay(Replay::Dead(filter)) => {
            kept.reason = filter.reason.map(|reason| reason.as_str().to_owned());
            kept.kind = filter.kind.as_ref().map(|kind| kind.as_str().to_owned());
            kept.accepted_before = filter.accepted_before.map(Timestamp::as_millis);
        }
        AuditAction::Forget(masked) => kept.identity = Some(masked.as_str().to_owned()),
    }
    serde_json::to_string(&kept).map_err(|_| Failure::unreadable("action"))
}

pub(super) async fn list(link: &Link, limit: u32, before: Option<AuditId>) -> Result<Vec<Audit>, Failure> {
    let columns = ["at", "actor", "action", "count"];
    let found = inbox::list(link, "audits", "a:", before.map(|id| id.0), limit, &[], &columns).await?;
    let read = |(id, row): &(i64, rows::Row)| {
        Ok(Audit {
            id: AuditId(*id),
            at: rows::time(row, 0)?,
            actor: Actor::new(rows::text(row, 1)?).map_err(|_| Failure::unreadable("actor"))?,
            action: read(rows::text(row, 2)?)?,
            count: rows::number(row, 3)?,
        })
    };
    found.iter().map(read).collect()
}

fn read(action: &str) -> Result<AuditAction, Failure> {
    let kept: Kept = serde_json::from_str(action).map_err(|_| Failure::unreadable("action"))?;
    Ok(match (kept.action.as_str(), kept.event) {
        ("replay", Some(id)) => AuditAction::Replay(Replay::One(EventId(id))),
        ("replay", None) => AuditAction::Replay(Replay::Dead(DeadFilter {
            reason: kept.reason.as_deref().map(Reason::parse),
            kind: kept.kind.as_deref().map(EventKind::from),
            accepted_before: kept.accepted_before.map(Timestamp::from_millis),
        })),
        ("forget", _) => {
            let masked = kept.identity.as_deref().and_then(Masked::parse);
            AuditAction::Forget(masked.ok_or_else(|| Failure::unreadable("masked id"))?)
        }
        _ => return Err(Failure::unreadable("action")),
    })
}
