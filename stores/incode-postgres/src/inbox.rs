use tokio_postgres::Row;

use super::failure::Failure;
use super::link::Link;
use super::rows::{self, get, maybe_time, time};
use super::{effects, identities};
use crate::Timestamp;
use crate::store::{Claim, ClaimedEvent, EventId, Lease, Linked, Reason, Settled, Settlement};

pub(super) async fn claim(tx: &Link, claim: Claim) -> Result<Vec<ClaimedEvent>, Failure> {
    // What another process claims at this moment is not waited for, but passed over.
    let sql = if claim.newest_first {
        "WITH due AS (
            SELECT id, due_at FROM event WHERE state = 'pending' AND due_at <= $1
            ORDER BY due_at DESC, id DESC LIMIT $2 FOR UPDATE SKIP LOCKED)
        UPDATE event SET lease = lease + 1, attempts = attempts + 1, due_at = $3 FROM due WHERE event.id = due.id
        RETURNING event.id, lease, kind, object_id, token, correlation_id, vendor_time, received_at, authenticated,
            attempts, due.due_at, EXISTS (SELECT 1 FROM event other WHERE other.object_key = event.object_key
                AND other.state <> 'dead' AND other.state = 'done')"
    } else {
        "WITH due AS (
            SELECT id, due_at FROM event WHERE state = 'pending' AND due_at <= $1
            ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)
        UPDATE event SET lease = lease + 1, attempts = attempts + 1, due_at = $3 FROM due WHERE event.id = due.id
        RETURNING event.id, lease, kind, object_id, token, correlation_id, vendor_time, received_at, authenticated,
            attempts, due.due_at, EXISTS (SELECT 1 FROM event other WHERE other.object_key = event.object_key
                AND other.state <> 'dead' AND other.state = 'done')"
    };
    let (now, until) = (claim.now.as_millis(), claim.lease_until.as_millis());
    let rows = tx.query(sql, &[&now, &rows::limit(claim.limit), &until]).await?;
    let mut events = rows.iter().map(read_claimed).collect::<Result<Vec<_>, Failure>>()?;
    // An update returns its rows in an order of its own.
    events.sort_unstable_by_key(|(due_at, event)| (*due_at, event.lease.event));
    if claim.newest_first {
        events.reverse();
    }
    Ok(events.into_iter().map(|(_, event)| event).collect())
}

pub(super) async fn settle(tx: &Link, lease: Lease, settlement: &Settlement) -> Result<Settled, Failure> {
    let held =
        "SELECT object_key, received_at FROM event WHERE id = $1 AND lease = $2 AND state = 'pending' FOR UPDATE";
    let id = lease.event.0;
    let Some(row) = tx.query_opt(held, &[&id, &lease.number]).await? else { return Ok(Settled::LeaseLost) };
    let received_at = time(&row, 1)?;
    // Each counts the lease up: it is good for one settlement.
    let change = match settlement {
        Settlement::Done { seen, link, handlers, at } => {
            // Of two workers that apply the same object, the second must see that it is.
            identities::lock_name(tx, b"object", get(&row, 0)?).await?;
            let sql = "UPDATE event SET state = 'done', lease = lease + 1, reason = NULL, due_at = NULL,
                    settled_at = $2, correlation_id = NULL, token = NULL, known_key = NULL
                WHERE id = $1
                RETURNING EXISTS (SELECT 1 FROM event other WHERE other.object_key = event.object_key
                    AND other.state <> 'dead' AND other.state = 'done')";
            let row = tx.query_one(sql, &[&id, &at.as_millis()]).await?;
            let first_of_object = !get::<bool>(&row, 0)?;
            let identity = seen.as_ref().map(|seen| &seen.identity_id);
            if let Some(identity) = identity.or(link.as_ref().map(|link| &link.link.identity_id)) {
                identities::lock(tx, identity).await?;
            }
            let seen = match seen {
                Some(seen) => identities::observe(tx, seen, seen.dates_from(received_at)).await?,
                None => None,
            };
            if let (Some(change), true) = (&seen, first_of_object) {
                effects::owe(tx, lease.event, &change.identity_id, handlers, *at).await?;
            }
            match link {
                Some(link) => match identities::link(tx, link, link.seen.dates_from(received_at)).await? {
                    Linked::Done(change) => Some(change),
                    _ => seen,
                },
                None => seen,
            }
        }
        Settlement::Retry { due_at, reason } => {
            let sql = "UPDATE event SET lease = lease + 1, due_at = $2, reason = $3 WHERE id = $1";
            tx.execute(sql, &[&id, &due_at.as_millis(), &reason.as_str()]).await?;
            None
        }
        Settlement::Release { due_at, reason } => {
            let sql = "UPDATE event SET lease = lease + 1, attempts = greatest(attempts - 1, 0), due_at = $2,
                reason = coalesce($3, reason) WHERE id = $1";
            tx.execute(sql, &[&id, &due_at.as_millis(), &reason.map(Reason::as_str)]).await?;
            None
        }
        Settlement::Dead { reason, wipe_token, at } => {
            let sql = "UPDATE event SET state = 'dead', lease = lease + 1, reason = $2, due_at = NULL, settled_at = $3,
                    known_key = NULL, correlation_id = CASE WHEN $4 THEN NULL ELSE correlation_id END,
                    token = CASE WHEN $4 THEN NULL ELSE token END
                WHERE id = $1";
            tx.execute(sql, &[&id, &reason.as_str(), &at.as_millis(), wipe_token]).await?;
            None
        }
    };
    Ok(Settled::Written(change))
}

/// With when it had been due.
fn read_claimed(row: &Row) -> Result<(Timestamp, ClaimedEvent), Failure> {
    let event = ClaimedEvent {
        lease: Lease { event: EventId(get(row, 0)?), number: get(row, 1)? },
        kind: rows::kind(row, 2)?,
        object_id: rows::the_object_id(row, 3)?,
        token: get::<Option<Vec<u8>>>(row, 4)?.unwrap_or_default(),
        correlation_id: get(row, 5)?,
        vendor_time: maybe_time(row, 6)?,
        received_at: time(row, 7)?,
        authenticated: get(row, 8)?,
        attempts: rows::attempts(row, 9)?,
        already_done: get(row, 11)?,
    };
    Ok((time(row, 10)?, event))
}
