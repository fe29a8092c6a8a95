use super::failure::Failure;
use super::identities::{Known, MOST_TRIES, add_link, contended};
use super::link::{Arguments, Link};
use super::rows::{self, EVENT, Row};
use super::{audits, scripts};
use crate::identity::Change;
use crate::model::EventKind;
use crate::store::audit::AUDITS_KEPT;
use crate::store::dedupe::{DEAD_KEPT, IGNORED_KEPT, Keys, PENDING_KEPT, WAITING_PER_OBJECT};
use crate::store::{
    Accepted, AuditAction, Claim, ClaimedEvent, DeadFilter, EventDetail, EventFilter, EventId, EventRow, EventState,
    InboxCounts, Lease, NewEvent, Prune, Reason, Replay, Settled, Settlement, StoreErrorKind,
};
use crate::{Actor, Timestamp};

pub(super) async fn accept(link: &Link, event: NewEvent) -> Result<Accepted, Failure> {
    if event.state == EventState::Pending && event.object_id.is_none() {
        return Err(Failure::refused("a pending event needs an object id"));
    }
    let keys = Keys::of(&event);
    let key = |key: [u8; 16]| data_encoding::HEXLOWER.encode(&key);
    let arguments = Arguments::default()
        .text(event.kind.as_str())
        .maybe(event.object_id.as_ref().map(|id| id.as_str()))
        .text(key(keys.object))
        .text(key(keys.delivery))
        .text(event.state.as_str())
        .maybe(event.reason.map(Reason::as_str))
        .flag(event.authenticated)
        .maybe(event.vendor_time.map(|time| time.as_millis().to_string()))
        .number(event.received_at.as_millis())
        .maybe(event.correlation_id.as_ref())
        .text(&event.token)
        .number(WAITING_PER_OBJECT)
        .number(PENDING_KEPT)
        .number(IGNORED_KEPT);
    let row: Row = link.try_run(&scripts::ACCEPT, arguments).await?;
    match rows::text(&row, 0)? {
        "kept" => Ok(Accepted::New(EventId(rows::number(&row, 1)?))),
        "known" => Ok(Accepted::Duplicate),
        _ => Err(Failure::new(StoreErrorKind::Busy, "too many events are pending")),
    }
}

pub(super) async fn claim(link: &Link, claim: Claim) -> Result<Vec<ClaimedEvent>, Failure> {
    let arguments = Arguments::default()
        .number(claim.now.as_millis())
        .number(claim.lease_until.as_millis())
        .number(claim.limit)
        .flag(claim.newest_first);
    let claimed: Vec<Row> = link.run(&scripts::CLAIM, arguments).await?;
    claimed.iter().map(read_claimed).collect()
}

pub(super) async fn next_due(link: &Link) -> Result<Option<Timestamp>, Failure> {
    first_score(link, "due").await
}

/// Of a sorted set; scores are times.
pub(super) async fn first_score(link: &Link, name: &str) -> Result<Option<Timestamp>, Failure> {
    let mut ask = redis::cmd("ZRANGE");
    ask.arg(link.key(name)).arg(0).arg(0).arg("WITHSCORES");
    let first: Vec<(String, f64)> = link.ask(&ask).await?;
    // Exact: a time in milliseconds is far below the 2^53 up to which they are.
    Ok(first.first().map(|(_, score)| Timestamp::from_millis(*score as i64)))
}

pub(super) async fn settle(link: &Link, lease: Lease, settlement: &Settlement) -> Result<Settled, Failure> {
    for _ in 0..MOST_TRIES {
        let head = Arguments::default().text(&*link.origin).number(lease.event.0).number(lease.number);
        let arguments = match settlement {
            Settlement::Done { seen, link: new, handlers, at } => {
                let arguments = head.text("done").number(at.as_millis()).number(handlers.len());
                let mut arguments = handlers.iter().fold(arguments, |all, handler| all.text(&**handler));
                let seen = match seen {
                    Some(seen) => {
                        let known = Known::of(link, &seen.identity_id).await?;
                        Some(known.merge(seen, known.since(link, lease.event, seen).await?)?)
                    }
                    None => None,
                };
                arguments = arguments.flag(seen.is_some());
                if let Some(seen) = &seen {
                    arguments = seen.add_to(arguments.flag(!seen.is_late()));
                }
                arguments = arguments.flag(new.is_some());
                if let Some(new) = new {
                    // Of one identity, the second builds on the first.
                    let known = match &seen {
                        Some(seen) if *seen.identity_id() == new.link.identity_id => seen.after(),
                        _ => Known::of(link, &new.link.identity_id).await?,
                    };
                    let since = known.since(link, lease.event, &new.seen).await?;
                    arguments = add_link(arguments, new, &known.merge(&new.seen, since)?);
                }
                arguments
            }
            Settlement::Retry { due_at, reason } => head.text("retry").number(due_at.as_millis()).text(reason.as_str()),
            Settlement::Release { due_at, reason } => {
                head.text("release").number(due_at.as_millis()).maybe(reason.map(Reason::as_str))
            }
            Settlement::Dead { reason, wipe_token, at } => {
                head.text("dead").text(reason.as_str()).flag(*wipe_token).number(at.as_millis())
            }
        };
        let row: Row = link.change(&scripts::SETTLE, arguments).await?;
        return Ok(match rows::text(&row, 0)? {
            "written" => Settled::Written(match rows::text(&row, 1)? {
                "" => None,
                id => Some(Change { identity_id: rows::identity_id(id)?, subjects: rows::subjects(&row, 2)? }),
            }),
            "lost" => Settled::LeaseLost,
            _ => continue,
        });
    }
    Err(contended())
}

pub(super) async fn counts(link: &Link) -> Result<InboxCounts, Failure> {
    let row: Row = link.run(&scripts::COUNTS, Arguments::default()).await?;
    Ok(InboxCounts {
        pending: rows::number(&row, 0)?,
        done: rows::number(&row, 1)?,
        dead: rows::number(&row, 2)?,
        ignored: rows::number(&row, 3)?,
        oldest_pending: rows::maybe_time(&row, 4)?,
    })
}

pub(super) async fn events(link: &Link, filter: &EventFilter) -> Result<Vec<EventRow>, Failure> {
    let index = match (filter.reason, filter.state) {
        (Some(reason), _) => format!("r:{}", reason.as_str()),
        (None, Some(state)) => format!("s:{}", state.as_str()),
        (None, None) => "events".to_owned(),
    };
    let mut conditions = Vec::new();
    conditions.extend(filter.state.map(|state| ("state", state.as_str())));
    conditions.extend(filter.kind.as_ref().map(|kind| ("kind", kind.as_str())));
    let before = filter.before.map(|id| id.0);
    let found = list(link, &index, "e:", before, filter.limit, &conditions, &EVENT).await?;
    found.iter().map(|(id, row)| rows::event(row, EventId(*id))).collect()
}

/// Rows of a list, newest first, in parts that hold nobody up.
pub(super) async fn list(
    link: &Link,
    index: &str,
    prefix: &str,
    before: Option<i64>,
    limit: u32,
    conditions: &[(&str, &str)],
    columns: &[&str],
) -> Result<Vec<(i64, Row)>, Failure> {
    let mut before = before.map_or("+inf".to_owned(), |id| id.to_string());
    let mut found = Vec::new();
    loop {
        let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
        if left == 0 {
            return Ok(found);
        }
        let arguments = Arguments::default().text(index).text(prefix).text(&before).number(left).number(LOT);
        let arguments = arguments.number(conditions.len());
        let arguments = conditions.iter().fold(arguments, |all, (name, value)| all.text(name).text(value));
        let arguments = columns.iter().fold(arguments.number(columns.len()), |all, name| all.text(name));
        let (last, part): (String, Vec<Row>) = link.run(&scripts::LIST, arguments).await?;
        for row in part {
            found.push((rows::number(&row, columns.len())?, row));
        }
        if last.is_empty() {
            return Ok(found);
        }
        before = last;
    }
}

pub(super) async fn inspect(link: &Link, id: EventId) -> Result<Option<EventDetail>, Failure> {
    let row: Row = link.run(&scripts::INSPECT, Arguments::default().number(id.0)).await?;
    if row.is_empty() {
        return Ok(None);
    }
    Ok(Some(EventDetail {
        row: rows::event(&row, id)?,
        vendor_time: rows::maybe_time(&row, 8)?,
        has_token: rows::flag(&row, 10),
        object_done: rows::flag(&row, 9),
    }))
}

pub(super) async fn replay(link: &Link, which: Replay, by: &Actor, now: Timestamp) -> Result<u64, Failure> {
    let (one, filter) = match &which {
        Replay::One(id) => (Some(id.0.to_string()), DeadFilter::default()),
        Replay::Dead(filter) => (None, filter.clone()),
    };
    let action = audits::write(&AuditAction::Replay(which))?;
    let (mut replayed, mut after, mut entry) = (0, "-inf".to_owned(), String::new());
    loop {
        let arguments = Arguments::default()
            .text(after.strip_prefix('(').unwrap_or(&after))
            .maybe(one.as_ref())
            .maybe(filter.reason.map(Reason::as_str))
            .maybe(filter.kind.as_ref().map(EventKind::as_str))
            .maybe(filter.accepted_before.map(|at| at.as_millis().to_string()))
            .number(now.as_millis())
            .text(&entry)
            .text(by.as_str())
            .text(&action)
            .number(AUDITS_KEPT)
            .number(LOT);
        let row: Row = link.run(&scripts::REPLAY, arguments).await?;
        replayed += rows::number::<u64>(&row, 0)?;
        after = rows::text(&row, 1)?.to_owned();
        entry = rows::text(&row, 2)?.to_owned();
        if after.is_empty() {
            return Ok(replayed);
        }
    }
}

pub(super) async fn prune(link: &Link, prune: Prune) -> Result<u64, Failure> {
    let mut removed = 0;
    loop {
        let arguments = Arguments::default()
            .number(prune.now.as_millis())
            .number(prune.settled_before.as_millis())
            .number(prune.tokens_before.as_millis())
            .number(DEAD_KEPT)
            .number(LOT);
        let row: Row = link.run(&scripts::PRUNE, arguments).await?;
        removed += rows::number::<u64>(&row, 0)?;
        if !rows::flag(&row, 1) {
            return Ok(removed);
        }
    }
}

fn read_claimed(row: &Row) -> Result<ClaimedEvent, Failure> {
    Ok(ClaimedEvent {
        lease: Lease { event: EventId(rows::number(row, 8)?), number: rows::number(row, 9)? },
        kind: rows::kind(row, 0)?,
        object_id: rows::the_object_id(row, 1)?,
        token: rows::bytes(row, 2).unwrap_or_default().to_vec(),
        correlation_id: rows::maybe_text(row, 3)?.map(str::to_owned),
        vendor_time: rows::maybe_time(row, 4)?,
        received_at: rows::time(row, 5)?,
        authenticated: rows::flag(row, 6),
        attempts: rows::number(row, 10)?,
        already_done: rows::flag(row, 7),
    })
}

/// Rows in one step of long work: a script holds everybody up, for a few milliseconds with this many.
pub(super) const LOT: u32 = 500;
