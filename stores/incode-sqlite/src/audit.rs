//! The audit trail. Each entry is written in the transaction of what it is about.

use incode_core::identity::transition::NewAudit;
use incode_core::model::EventKind;
use incode_core::store::{
    AUDITS_KEPT, Audit, AuditAction, AuditId, AuditStore, DeadFilter, EventId, JobId, Reason, Replay, ReplayJobs,
    StoreFuture,
};
use incode_core::{Actor, Masked, Timestamp};
use rusqlite::{Connection, Row, params};

use crate::rows;
use crate::store::SqliteStore;

impl AuditStore for SqliteStore {
    fn audits(&self, limit: u32, before: Option<AuditId>) -> StoreFuture<'_, Vec<Audit>> {
        Box::pin(self.read(move |conn| Ok(list(conn, limit, before)?)))
    }
}

/// The entry of a replay that takes several transactions: written in the first, counted up in the others. So it is right
/// wherever the process dies.
pub(crate) struct Entry {
    new: NewAudit,
    id: Option<AuditId>,
}

impl Entry {
    /// An entry that is not written yet: a replay that finds nothing writes it with a count of 0.
    pub(crate) fn new(action: AuditAction, actor: Actor, at: Timestamp) -> Self {
        Self { new: NewAudit { at, actor, action, count: 0 }, id: None }
    }

    /// How many rows the action changed so far.
    pub(crate) fn count(&self) -> u64 {
        self.new.count
    }

    /// Adds a lot to the entry, in the transaction of the lot. The first call writes the entry.
    pub(crate) fn count_up(&mut self, conn: &Connection, rows: u64) -> rusqlite::Result<()> {
        self.new.count += rows;
        if let Some(id) = self.id {
            let sql = "UPDATE audit SET count = ? WHERE id = ?";
            conn.prepare_cached(sql)?.execute([stored(self.new.count), id.0])?;
        } else {
            self.id = Some(write(conn, &self.new)?);
        }
        Ok(())
    }
}

/// Writes an entry, and removes the oldest ones beyond those that are kept by number.
pub(crate) fn write(conn: &Connection, entry: &NewAudit) -> rusqlite::Result<AuditId> {
    let (mut row_id, mut filter, mut handler, mut identity) = (None, DeadFilter::default(), None, None);
    let mut by_age = false;
    match &entry.action {
        AuditAction::Replay(Replay::One(id)) => row_id = Some(id.0),
        AuditAction::Replay(Replay::Dead(asked)) => filter = asked.clone(),
        AuditAction::ReplayJobs(ReplayJobs::One(id)) => row_id = Some(id.0),
        AuditAction::ReplayJobs(ReplayJobs::Dead(of)) => handler = of.as_deref(),
        AuditAction::Link(masked) | AuditAction::Unlink(masked) | AuditAction::Export(masked) => {
            identity = Some(masked.as_str());
        }
        AuditAction::Forget(masked) => (identity, by_age) = (Some(masked.as_str()), true),
        // A kind of a newer core: its name is kept.
        _ => {}
    }
    let sql = "INSERT INTO audit
            (at, actor, action, row_id, reason, kind, accepted_before, handler, identity, count, by_age)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    conn.prepare_cached(sql)?.execute(params![
        entry.at.as_millis(),
        entry.actor.as_str(),
        entry.action.as_str(),
        row_id,
        filter.reason.map(Reason::as_str),
        filter.kind.as_ref().map(EventKind::as_str),
        rows::millis(filter.accepted_before),
        handler,
        identity,
        stored(entry.count),
        by_age,
    ])?;
    let id = conn.last_insert_rowid();
    // The index has only these entries, so erasures are neither counted nor removed.
    let surplus = "DELETE FROM audit WHERE id IN
        (SELECT id FROM audit INDEXED BY audit_by_number WHERE by_age = 0 ORDER BY id DESC LIMIT -1 OFFSET ?)";
    conn.prepare_cached(surplus)?.execute([stored(AUDITS_KEPT)])?;
    Ok(AuditId(id))
}

/// A page of entries, newest first.
fn list(conn: &Connection, limit: u32, before: Option<AuditId>) -> rusqlite::Result<Vec<Audit>> {
    let sql = "SELECT id, at, actor, action, row_id, reason, kind, accepted_before, handler, identity, count
        FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?";
    let params = params![before.map_or(i64::MAX, |id| id.0), limit];
    conn.prepare_cached(sql)?.query_map(params, read)?.collect()
}

/// An action of a newer version is an error, so that it is never shown as another one.
fn read(row: &Row<'_>) -> rusqlite::Result<Audit> {
    let masked = || rows::required(Masked::parse(rows::text(row, 9)?), 9, "masked id");
    let row_id: Option<i64> = row.get(4)?;
    let action = match (rows::text(row, 3)?, row_id) {
        ("replay", Some(id)) => AuditAction::Replay(Replay::One(EventId(id))),
        ("replay", None) => AuditAction::Replay(Replay::Dead(DeadFilter {
            reason: rows::maybe(row, 5, rows::text_of)?.as_deref().map(Reason::parse),
            kind: rows::maybe(row, 6, rows::kind)?,
            accepted_before: rows::maybe_time(row, 7)?,
        })),
        ("replay_jobs", Some(id)) => AuditAction::ReplayJobs(ReplayJobs::One(JobId(id))),
        ("replay_jobs", None) => {
            AuditAction::ReplayJobs(ReplayJobs::Dead(rows::maybe(row, 8, rows::text_of)?.map(Into::into)))
        }
        ("forget", _) => AuditAction::Forget(masked()?),
        ("link", _) => AuditAction::Link(masked()?),
        ("unlink", _) => AuditAction::Unlink(masked()?),
        ("export", _) => AuditAction::Export(masked()?),
        ("import", _) => AuditAction::Import,
        _ => return rows::required(None, 3, "action"),
    };
    Ok(Audit {
        id: AuditId(row.get(0)?),
        at: rows::time(row, 1)?,
        actor: rows::required(Actor::new(rows::text(row, 2)?).ok(), 2, "actor")?,
        action,
        count: u64::try_from(row.get::<_, i64>(10)?).unwrap_or(0),
    })
}

/// SQLite's numbers are signed: what does not fit is as many as there can be.
fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
