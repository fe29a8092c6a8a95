//! A command: locks, loads, asks the rules, and writes, in one transaction of two round trips.

use std::sync::Arc;

use incode_core::identity::Change;
use incode_core::identity::transition::{ChangeRequest, Keys};
use incode_core::store::{Changed, Lease};
use incode_core::{IdentityId, Timestamp};

use super::connection::Statement;
use super::error::Failure;
use super::pool::Pool;
use super::rows;
use super::{load, write};

/// The event that a command ends.
#[derive(Clone, Copy)]
pub(crate) struct Settle {
    pub(crate) lease: Lease,
    pub(crate) at: Timestamp,
}

/// Runs a command, within the settlement of an event where there is one. `None`: the lease is lost, nothing was written.
pub(crate) async fn run(
    pool: &Arc<Pool>,
    request: &ChangeRequest,
    settle: Option<Settle>,
) -> Result<Option<Changed>, Failure> {
    let keys = request.keys();
    let (mut attempts, mut publishes) = (0, true);
    loop {
        attempts += 1;
        match attempt(pool, request, &keys, settle, publishes).await {
            Ok(Attempt::Done(changed)) => {
                if changed.as_ref().is_some_and(|changed| changed.change.is_some()) {
                    pool.hub.published(publishes);
                }
                return Ok(changed);
            }
            Ok(Attempt::LostRace) if attempts < ATTEMPTS => {}
            Ok(Attempt::LostRace) => return Err(Failure::busy("the subject's rows changed again and again")),
            // The change counts more than the notice: other processes then see it when their caches expire.
            Err(failure) if failure.is_notify_queue_full() && publishes => publishes = false,
            Err(failure) if failure.is_lost_race() && attempts < ATTEMPTS => {}
            Err(failure) => return Err(failure),
        }
    }
}

/// How one run of a command ended.
enum Attempt {
    Done(Option<Changed>),
    /// Between the look for the identity and the lock, the subject was linked to another one.
    LostRace,
}

/// Runs a command once. Round trips: one to find the identity if the command does not name it, one to lock and load,
/// one to write and commit.
async fn attempt(
    pool: &Arc<Pool>,
    request: &ChangeRequest,
    keys: &Keys,
    settle: Option<Settle>,
    publishes: bool,
) -> Result<Attempt, Failure> {
    let identity = match &keys.identity {
        Some(identity) => Some(identity.clone()),
        None => find_identity(pool, keys).await?,
    };
    let identity = identity.as_ref();
    let mut transaction = pool.begin().await?;
    let mut statements = load::statements(keys, identity);
    if let Some(Settle { lease, .. }) = settle {
        // Before every other lock: only settlements wait for locks while they hold an event.
        statements.insert(0, (HOLD_EVENT, params![lease.event.0, lease.number]));
    }
    let answers = transaction.step(&statements).await?;
    let (held, loaded) = answers.split_at(usize::from(settle.is_some()));
    if held.iter().any(|held| held.rows.is_empty()) {
        transaction.rollback().await?;
        return Ok(Attempt::Done(None));
    }
    let before = load::before(keys, identity, loaded)?;
    if keys.identity.is_none() && load::identity_of(&before) != identity {
        transaction.rollback().await?;
        return Ok(Attempt::LostRace);
    }
    let after = request.apply(&before);
    let mut statements = write::statements(&after, identity);
    if let Some(Settle { lease, at }) = settle {
        let applied = load::applied_key(keys, identity).map(|key| key.to_vec());
        statements.push((END_EVENT, params![lease.event.0, at, applied]));
    }
    if let (Some(change), true) = (&after.change, publishes) {
        statements.push(notice(pool, change)?);
    }
    if after.change.is_some() {
        transaction.commit_change(&statements).await?;
    } else {
        transaction.commit(&statements).await?;
    }
    Ok(Attempt::Done(Some(Changed { outcome: after.outcome, change: after.change })))
}

/// For a command that names a subject alone.
async fn find_identity(pool: &Arc<Pool>, keys: &Keys) -> Result<Option<IdentityId>, Failure> {
    let sql = "SELECT coalesce((SELECT identity_id FROM incode.link WHERE subject = $1),
        (SELECT identity_id FROM incode.pending_link WHERE subject = $1))";
    let answers = pool.read(&[(sql, params![keys.subject.as_ref()])]).await?;
    let row = answers.first().ok_or_else(|| Failure::unreadable("answer"))?.row()?;
    let is_known = rows::get::<Option<&str>>(row, 0)?.is_some();
    is_known.then(|| rows::identity_id(row, 0)).transpose()
}

/// Sends the notice to the other processes, in the transaction of the change: PostgreSQL delivers it only at commit.
fn notice(pool: &Pool, change: &Change) -> Result<Statement, Failure> {
    let sealed = pool.hub.payload(change, LONGEST_PAYLOAD);
    let payload = sealed.map_err(|_| Failure::failed("a notice can't be sealed"))?;
    Ok((NOTIFY, params![pool.hub.channel(), payload.as_str()]))
}

/// The event stays locked until the commit, so that no other holder of a lease settles it.
const HOLD_EVENT: &str = "SELECT FROM incode.event WHERE id = $1 AND lease = $2 AND state = 'pending' FOR UPDATE";
/// Under the lock of [`HOLD_EVENT`].
const END_EVENT: &str = "UPDATE incode.event SET state = 'done', lease = lease + 1, reason = NULL, due_at = NULL,
    settled_at = $2, correlation_id = NULL, token = NULL, known_key = NULL, applied_key = $3 WHERE id = $1";
/// Sends a notice. PostgreSQL holds it back until the commit, and drops it on a rollback.
pub(crate) const NOTIFY: &str = "SELECT pg_notify($1, $2)";
/// PostgreSQL takes less than 8,000 bytes.
const LONGEST_PAYLOAD: usize = 7_900;
/// How often a lost race is run again before the caller gets an error and may try again.
const ATTEMPTS: u32 = 8;
