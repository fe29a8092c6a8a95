//! Events, from acceptance to settlement.

use incode_core::model::EventKind;
use incode_core::store::{
    AUDITS_KEPT, Accepted, AuditAction, Claim, Claimed, ClaimedEvent, DeadFilter, EventDetail, EventFilter, EventId,
    EventRow, InboxStore, Lease, NewEvent, Reason, Replay, Settled, Settlement, StoreFuture,
};
use incode_core::{Actor, Timestamp};

use crate::change::Ending;
use crate::connection::Server;
use crate::error::Failure;
use crate::list::{LOT, List};
use crate::rows::{self, EVENT, Row};
use crate::store::RedisStore;
use crate::{accept, audit, change, list, scripts};

impl InboxStore for RedisStore {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        self.with(async move { accept::accept(&self.server, &event).await })
    }

    fn claim(&self, wanted: Claim) -> StoreFuture<'_, Claimed> {
        self.with(claim(&self.server, wanted))
    }

    fn renew(&self, leases: Vec<Lease>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        self.with(async move {
            let call = self.server.script(&scripts::RENEW).arg(lease_until.as_millis());
            let call = call.counted(&leases, |call, lease| call.arg(lease.event.0).arg(lease.number));
            self.server.run::<i64>(call).await.map(drop)
        })
    }

    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled> {
        self.with(async move {
            if let Settlement::Done { apply: Some(request), at } = &settlement {
                let decided = change::run(&self.server, &self.hub, request, Some(Ending { lease, at: *at })).await?;
                return Ok(decided.map_or(Settled::LeaseLost, |decided| Settled::Written(Some(decided))));
            }
            settle(&self.server, lease, &settlement).await
        })
    }

    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        self.with(async move { events(&self.server, &filter).await })
    }

    fn event(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        self.with(event(&self.server, id))
    }

    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        self.with(async move { replay(&self.server, which, &by, now).await })
    }
}

/// Leases due events. The rows come back in the order of the claim. A row that can't be read stays leased and is due
/// again later, so it does not stop the rows behind it.
async fn claim(server: &Server, claim: Claim) -> Result<Claimed, Failure> {
    let call = server
        .script(&scripts::CLAIM)
        .arg(claim.now.as_millis())
        .arg(claim.lease_until.as_millis())
        .arg(claim.limit)
        .flag(claim.newest_first);
    let (claimed, next_due, lost): (Vec<Row>, Option<i64>, u64) = server.run(call).await?;
    list::count_lost("event", lost);
    let events = claimed.iter().filter_map(|row| list::readable("event", read_claimed(row))).collect();
    Ok(Claimed { events, next_due: next_due.map(Timestamp::from_millis) })
}

/// The columns that `claim.lua` returns.
fn read_claimed(row: &Row) -> Result<ClaimedEvent, Failure> {
    Ok(ClaimedEvent {
        lease: Lease { event: EventId(rows::number(row, 9)?), number: rows::number(row, 7)? },
        kind: EventKind::from(rows::text(row, 0)?),
        object_id: rows::object_id(rows::text(row, 1)?)?,
        token: rows::bytes(row, 2).unwrap_or_default().to_vec(),
        correlation_id: rows::maybe_text(row, 3)?.map(str::to_owned),
        vendor_time: rows::maybe_time(row, 4)?,
        received_at: rows::time(row, 5)?,
        authenticated: rows::flag(row, 6),
        attempts: rows::number(row, 8)?,
        already_done: rows::flag(row, 10),
    })
}

/// Every settlement that applies nothing.
async fn settle(server: &Server, lease: Lease, settlement: &Settlement) -> Result<Settled, Failure> {
    let (how, moment, reason, wipe) = match settlement {
        Settlement::Done { at, .. } => ("done", at, None, true),
        Settlement::Retry { due_at, reason } => ("retry", due_at, Some(*reason), false),
        Settlement::Release { due_at, reason } => ("release", due_at, *reason, false),
        Settlement::Dead { reason, wipe_token, at } => ("dead", at, Some(*reason), *wipe_token),
    };
    let call = server.script(&scripts::SETTLE).arg(lease.event.0).arg(lease.number).arg(how).arg(moment.as_millis());
    let written: String = server.run(call.maybe(reason.map(Reason::as_str)).flag(wipe)).await?;
    Ok(if written == "written" { Settled::Written(None) } else { Settled::LeaseLost })
}

/// A page of events. The index is chosen by the rarest condition: few events have a reason, and few are pending or
/// dead.
async fn events(server: &Server, filter: &EventFilter) -> Result<Vec<EventRow>, Failure> {
    let index = match (filter.reason, filter.state) {
        (Some(reason), _) => format!("r:{}", reason.as_str()),
        (None, Some(state)) => format!("s:{}", state.as_str()),
        (None, None) => "events".to_owned(),
    };
    let mut conditions = Vec::new();
    conditions.extend(filter.state.map(|state| ("state", state.as_str())));
    conditions.extend(filter.kind.as_ref().map(|kind| ("kind", kind.as_str())));
    let before = filter.before.map(|id| id.0);
    let wanted =
        List { index: &index, prefix: "e:", before, limit: filter.limit, conditions: &conditions, columns: &EVENT };
    wanted.read(server).await?.iter().map(|(id, row)| rows::event(row, EventId(*id))).collect()
}

/// One event, with whether an equivalent one is done, both of one instant.
async fn event(server: &Server, id: EventId) -> Result<Option<EventDetail>, Failure> {
    let columns: Vec<&str> = EVENT.into_iter().chain(["vendor_time"]).collect();
    let call = server.script(&scripts::EVENT).arg(id.0).counted(&columns, |call, name| call.arg(*name));
    let row: Row = server.run(call).await?;
    if row.is_empty() {
        return Ok(None);
    }
    Ok(Some(EventDetail {
        row: rows::event(&row, id)?,
        vendor_time: rows::maybe_time(&row, 8)?,
        has_token: rows::flag(&row, 9),
        object_done: rows::flag(&row, 10),
    }))
}

/// Replays dead events in lots: a script stops every other client of the server while it runs.
async fn replay(server: &Server, which: Replay, by: &Actor, now: Timestamp) -> Result<u64, Failure> {
    let (one, filter) = match &which {
        Replay::One(id) => (Some(id.0), DeadFilter::default()),
        Replay::Dead(filter) => (None, filter.clone()),
    };
    let action = audit::write(&AuditAction::Replay(which))?;
    let lot = |after: &str, entry: &str| {
        server
            .script(&scripts::REPLAY)
            .arg(after)
            .maybe(one)
            .maybe(filter.reason.map(Reason::as_str))
            .maybe(filter.kind.as_ref().map(EventKind::as_str))
            .maybe(filter.accepted_before.map(Timestamp::as_millis))
            .arg(now.as_millis())
            .arg(entry)
            .arg(by.as_str())
            .arg(&action)
            .arg(AUDITS_KEPT)
            .arg(LOT)
    };
    list::replay(server, lot).await
}
