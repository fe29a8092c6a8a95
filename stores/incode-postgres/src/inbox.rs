//! The inbox, from claim to settlement. `accept` is in a file of its own.

use incode_core::Actor;
use incode_core::Timestamp;
use incode_core::model::EventKind;
use incode_core::store::{
    Accepted, AuditAction, Claim, Claimed, ClaimedEvent, DeadFilter, EventDetail, EventFilter, EventId, EventRow,
    EventState, InboxStore, Lease, NewEvent, Reason, Replay, Settled, Settlement, StoreFuture,
};
use tokio_postgres::Row;

use super::audit;
use super::change::{self, Settle};
use super::connection::Statement;
use super::error::Failure;
use super::pool::Pool;
use super::rows::{self, get, maybe_time, time};
use super::store::PostgresStore;

impl InboxStore for PostgresStore {
    fn accept(&self, event: NewEvent) -> StoreFuture<'_, Accepted> {
        Box::pin(self.accepts.accept(event))
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Claimed> {
        Box::pin(async move {
            let sql = if claim.newest_first { CLAIM_NEWEST } else { CLAIM_OLDEST };
            let claimed = params![claim.now, i64::from(claim.limit), claim.lease_until];
            let answers = self.pool.run(&[(sql, claimed), (NEXT_DUE, params![])]).await?;
            let [claimed, next] = &*answers else { return Err(Failure::unreadable("answers").into()) };
            let mut events = claimed.rows.iter().map(read_claimed).collect::<Result<Vec<_>, Failure>>()?;
            // An update returns its rows in an order of its own.
            events.sort_unstable_by_key(|((is_implausible, due_at), event)| {
                let (due_at, id) = (due_at.as_millis(), event.lease.event.0);
                (*is_implausible, if claim.newest_first { (-due_at, -id) } else { (due_at, id) })
            });
            let events = events.into_iter().map(|(_, event)| event).collect();
            Ok(Claimed { events, next_due: maybe_time(next.row()?, 0)? })
        })
    }

    fn renew(&self, leases: Vec<Lease>, lease_until: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let ids: Vec<i64> = leases.iter().map(|lease| lease.event.0).collect();
            let numbers: Vec<i64> = leases.iter().map(|lease| lease.number).collect();
            self.pool.run(&[(RENEW, params![ids, numbers, lease_until])]).await?;
            Ok(())
        })
    }

    fn settle(&self, lease: Lease, settlement: Settlement) -> StoreFuture<'_, Settled> {
        Box::pin(async move {
            if let Settlement::Done { apply: Some(request), at } = &settlement {
                let changed = change::run(&self.pool, request, Some(Settle { lease, at: *at })).await?;
                let written = |changed: incode_core::store::Changed| Some((changed.outcome, changed.change));
                return Ok(changed.map_or(Settled::LeaseLost, |changed| Settled::Written(written(changed))));
            }
            let answers = self.pool.run(&[settled(lease, &settlement)]).await?;
            let written = answers.iter().any(|answer| answer.count == 1);
            Ok(if written { Settled::Written(None) } else { Settled::LeaseLost })
        })
    }

    fn events(&self, filter: EventFilter) -> StoreFuture<'_, Vec<EventRow>> {
        Box::pin(async move {
            let answers = self.pool.run(&[listed(&filter)]).await?;
            let rows = answers.iter().flat_map(|answer| &answer.rows);
            Ok(rows.map(read_row).collect::<Result<_, _>>()?)
        })
    }

    fn event(&self, id: EventId) -> StoreFuture<'_, Option<EventDetail>> {
        Box::pin(async move {
            let answers = self.pool.run(&[(DETAIL, params![id.0])]).await?;
            let row = answers.iter().flat_map(|answer| &answer.rows).next();
            let detail = |row: &Row| {
                Ok::<_, Failure>(EventDetail {
                    row: read_row(row)?,
                    vendor_time: maybe_time(row, 9)?,
                    has_token: get(row, 10)?,
                    object_done: get(row, 11)?,
                })
            };
            Ok(row.map(detail).transpose()?)
        })
    }

    fn replay(&self, which: Replay, by: Actor, now: Timestamp) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let (one, filter) = match &which {
                Replay::One(id) => (Some(id.0), DeadFilter::default()),
                Replay::Dead(filter) => (None, filter.clone()),
            };
            let statement = |after: i64| {
                let params = params![
                    after,
                    one,
                    filter.reason.map(Reason::as_str),
                    filter.kind.as_ref().map(EventKind::as_str),
                    filter.accepted_before,
                    LOT,
                    now,
                ];
                (REPLAY, params)
            };
            Ok(replay(&self.pool, statement, AuditAction::Replay(which.clone()), &by, now).await?)
        })
    }
}

/// Replays in lots, each a transaction that also counts it in one audit entry. Lots move up the ids, so a replay ends
/// even when rows die again behind it.
pub(crate) async fn replay(
    pool: &std::sync::Arc<Pool>,
    statement: impl Fn(i64) -> Statement,
    action: AuditAction,
    by: &Actor,
    now: Timestamp,
) -> Result<u64, Failure> {
    let (mut replayed, mut entry, mut after) = (0, None, 0);
    loop {
        let mut transaction = pool.begin().await?;
        let answers = transaction.step(&[statement(after)]).await?;
        let ids = answers.iter().flat_map(|answer| &answer.rows).map(|row| get::<i64>(row, 0));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        let count = ids.len() as u64;
        let audited = match entry {
            None => audit::write(&action, by, now, count),
            Some(id) => (audit::ADD, params![id, count]),
        };
        let written = transaction.commit(&[audited]).await?;
        if entry.is_none() {
            entry = Some(get::<i64>(written.first().ok_or_else(|| Failure::unreadable("answer"))?.row()?, 0)?);
        }
        replayed += count;
        match ids.into_iter().max() {
            Some(last) if i64::try_from(count) == Ok(LOT) => after = last,
            _ => return Ok(replayed),
        }
    }
}

/// The statement of a settlement that applies nothing. It counts the lease up: a lease is good for one settlement.
fn settled(lease: Lease, settlement: &Settlement) -> Statement {
    let (id, number) = (lease.event.0, lease.number);
    match settlement {
        Settlement::Done { at, .. } => (DONE, params![id, number, *at]),
        Settlement::Retry { due_at, reason } => {
            let sql = "UPDATE incode.event SET lease = lease + 1, due_at = $3, reason = $4
                WHERE id = $1 AND lease = $2 AND state = 'pending'";
            (sql, params![id, number, *due_at, reason.as_str()])
        }
        Settlement::Release { due_at, reason } => {
            let sql = "UPDATE incode.event SET lease = lease + 1, attempts = greatest(attempts - 1, 0), due_at = $3,
                reason = coalesce($4, reason) WHERE id = $1 AND lease = $2 AND state = 'pending'";
            (sql, params![id, number, *due_at, reason.map(Reason::as_str)])
        }
        Settlement::Dead { reason, wipe_token, at } => (DEAD, params![id, number, *at, reason.as_str(), *wipe_token]),
    }
}

/// Each index holds the ids in order, so that a page is read from its end. The conditions are spelled out so that the
/// planner sees which of them is meant.
fn listed(filter: &EventFilter) -> Statement {
    /// The statement with its condition. Only constants are put together: values are always parameters.
    macro_rules! select {
        ($condition:literal) => {
            concat!(
                "SELECT id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at
                FROM incode.event WHERE id < $1 AND ($4 IS NULL OR kind = $4) AND ",
                $condition,
                " ORDER BY id DESC LIMIT $5"
            )
        };
    }
    let sql = match (filter.state, filter.reason) {
        (_, Some(_)) => select!("($2 IS NULL OR state = $2) AND reason = $3"),
        (Some(EventState::Pending), None) => select!("state = 'pending' AND $2 IS NOT NULL AND $3 IS NULL"),
        (Some(_), None) => select!("state <> 'pending' AND state = $2 AND $3 IS NULL"),
        (None, None) => select!("$2 IS NULL AND $3 IS NULL"),
    };
    let params = params![
        filter.before.map_or(i64::MAX, |id| id.0),
        filter.state.map(EventState::as_str),
        filter.reason.map(Reason::as_str),
        filter.kind.as_ref().map(EventKind::as_str),
        i64::from(filter.limit),
    ];
    (sql, params)
}

/// With its class, and when it had been due.
fn read_claimed(row: &Row) -> Result<((bool, Timestamp), ClaimedEvent), Failure> {
    let event = ClaimedEvent {
        lease: Lease { event: EventId(get(row, 0)?), number: get(row, 1)? },
        kind: rows::kind(row, 2)?,
        object_id: rows::object_id(row, 3)?,
        token: get::<Option<Vec<u8>>>(row, 4)?.unwrap_or_default(),
        correlation_id: get(row, 5)?,
        vendor_time: maybe_time(row, 6)?,
        received_at: time(row, 7)?,
        authenticated: get(row, 8)?,
        attempts: rows::attempts(row, 9)?,
        already_done: get(row, 12)?,
    };
    Ok(((get(row, 10)?, time(row, 11)?), event))
}

/// `id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at`.
fn read_row(row: &Row) -> Result<EventRow, Failure> {
    Ok(EventRow {
        id: EventId(get(row, 0)?),
        kind: rows::kind(row, 1)?,
        object_id: rows::maybe_object_id(row, 2)?,
        state: EventState::parse(get(row, 3)?).ok_or_else(|| Failure::unreadable("state"))?,
        reason: get::<Option<&str>>(row, 4)?.map(Reason::parse),
        attempts: rows::attempts(row, 5)?,
        received_at: time(row, 6)?,
        due_at: maybe_time(row, 7)?,
        settled_at: maybe_time(row, 8)?,
    })
}

/// A claim in one of two orders. Each class is read from its own end of the index, so that leased rows of one are not
/// read through for the other. What another process claims at this moment is passed over, not waited for.
macro_rules! claim {
    ($order:literal) => {
        concat!(
            "WITH plausible AS MATERIALIZED (
                SELECT id, due_at FROM incode.event WHERE state = 'pending' AND NOT implausible AND due_at <= $1
                ORDER BY ",
            $order,
            " LIMIT $2 FOR UPDATE SKIP LOCKED
            ), implausible AS MATERIALIZED (
                SELECT id, due_at FROM incode.event WHERE state = 'pending' AND implausible AND due_at <= $1
                ORDER BY ",
            $order,
            " LIMIT (SELECT $2 - count(*) FROM plausible) FOR UPDATE SKIP LOCKED
            ), due AS (SELECT * FROM plausible UNION ALL SELECT * FROM implausible)
            UPDATE incode.event SET lease = lease + 1, attempts = attempts + 1, due_at = $3
            FROM due WHERE event.id = due.id
            RETURNING event.id, lease, kind, object_id, token, correlation_id, vendor_time, received_at, authenticated,
                attempts, implausible, due.due_at, EXISTS (SELECT FROM incode.event AS other
                    WHERE other.done_key = event.done_key AND other.state = 'done')"
        )
    };
}
/// The usual order: the event that has been due for longest comes first.
const CLAIM_OLDEST: &str = claim!("due_at, id");
/// The order during a backlog: the newest comes first, so that a person who waits at the page is not behind old events.
const CLAIM_NEWEST: &str = claim!("due_at DESC, id DESC");
/// One look at the index for each class: the least of all would read every plausible row.
const NEXT_DUE: &str = "SELECT least(
    (SELECT min(due_at) FROM incode.event WHERE state = 'pending' AND NOT implausible),
    (SELECT min(due_at) FROM incode.event WHERE state = 'pending' AND implausible))";
/// A row that is being settled needs no renewal, and is not waited for: the other leases would end meanwhile.
const RENEW: &str = "UPDATE incode.event SET due_at = $3 FROM (
        SELECT id FROM incode.event JOIN unnest($1::bigint[], $2::bigint[]) AS held (id, lease) USING (id, lease)
        WHERE state = 'pending' FOR UPDATE OF event SKIP LOCKED) AS held
    WHERE event.id = held.id";
/// A done event keeps no token and no correlation id: no later call needs them.
const DONE: &str = "UPDATE incode.event SET state = 'done', lease = lease + 1, reason = NULL, due_at = NULL,
    settled_at = $3, correlation_id = NULL, token = NULL, known_key = NULL
    WHERE id = $1 AND lease = $2 AND state = 'pending'";
/// The core decides with `$5` whether the token is wiped: one that a replay could use stays.
const DEAD: &str = "UPDATE incode.event SET state = 'dead', lease = lease + 1, reason = $4, due_at = NULL,
    settled_at = $3, known_key = NULL, correlation_id = CASE WHEN $5 THEN NULL ELSE correlation_id END,
    token = CASE WHEN $5 THEN NULL ELSE token END
    WHERE id = $1 AND lease = $2 AND state = 'pending'";
/// One event, with whether an equivalent one is done, both of one instant.
const DETAIL: &str =
    "SELECT id, kind, object_id, state, reason, attempts, received_at, due_at, settled_at, vendor_time,
    token IS NOT NULL, EXISTS (SELECT FROM incode.event AS other
        WHERE other.done_key = event.done_key AND other.state = 'done')
    FROM incode.event WHERE id = $1";
/// The unique key stays empty: it is for the moment of acceptance, and a replayed row may be the second of its delivery.
const REPLAY: &str = "WITH dead AS (
        SELECT id FROM incode.event WHERE state <> 'pending' AND state = 'dead' AND id > $1 AND object_id IS NOT NULL
        AND ($2 IS NULL OR id = $2) AND ($3 IS NULL OR reason = $3) AND ($4 IS NULL OR kind = $4)
        AND ($5 IS NULL OR received_at < $5) ORDER BY id LIMIT $6 FOR UPDATE)
    UPDATE incode.event SET state = 'pending', lease = lease + 1, attempts = 0, due_at = $7, settled_at = NULL
    FROM dead WHERE event.id = dead.id RETURNING event.id";
/// Rows in one transaction of long work: few enough that it never nears a timeout.
pub(crate) const LOT: i64 = 5_000;
