use std::future::Future;
use std::sync::{Mutex, PoisonError};

use super::page::Page;
use super::{Moved, MovedTable};
use crate::seal::{SEALED, Sealer, TOKEN_AT_REST};
use crate::store::StoreError;
use crate::store::postgres::incoming::{Incoming, Outcome};
use crate::store::sqlite::snapshot::{self, LOCKED_ROWS, Snapshot, Source};
use crate::{Secret, Subject};

type Progress<'a> = &'a (dyn Fn(&MovedTable) + Send + Sync);

/// Table by table. Who is forgotten comes first, so that nobody comes back for a moment; identities before their links.
pub(super) async fn copy(
    from: &Snapshot,
    to: &mut Incoming,
    again: bool,
    key: Option<&Secret>,
    progress: Progress<'_>,
) -> Result<Moved, StoreError> {
    let was_complete = to.begin(again).await?;
    if was_complete && !again {
        return Ok(Moved { was_complete, ..Moved::default() });
    }
    let to = &*to;
    // Not before it is our turn: so what is read is never older than what another copy has written.
    from.take().await?;
    let last = from.last_ids().await?;
    to.make_room(last.event, last.effect, last.audit).await?;
    let mut moved = Moved { was_in_use: from.is_in_use, was_migrated: from.was_migrated, ..Moved::default() };
    let sealer = key.map(|key| Sealer::new(key, TOKEN_AT_REST));

    moved.tables.push(pages("forgotten", from, &snapshot::FORGOTTEN, progress, |page| to.forgotten(page)).await?);
    moved.tables.push(identities(from, to, progress).await?);
    moved.tables.push(pages("field", from, &snapshot::FIELD, progress, |page| to.fields(page)).await?);
    // Whoever was let go of makes room.
    let removed = removed_links(from, to).await?;
    let conflicts = Mutex::new(Vec::new());
    let mut links = pages("link", from, &snapshot::LINK, progress, async |page| {
        let (outcome, contradicting) = to.links(page, from).await?;
        let mut named = conflicts.lock().unwrap_or_else(PoisonError::into_inner);
        let left = CONFLICTS_NAMED.saturating_sub(named.len());
        named.extend(contradicting.iter().filter_map(|subject| Subject::new(subject).ok()).take(left));
        Ok(outcome)
    })
    .await?;
    links.copied += removed;
    moved.conflicts = conflicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    moved.tables.push(links);
    moved.tables.push(pages("spent", from, &snapshot::SPENT, progress, |page| to.spent(page)).await?);
    let unopenable = &mut moved.unopenable;
    let events = pages("event", from, &snapshot::EVENT, progress, |page| {
        if let Some(sealer) = &sealer {
            *unopenable += page.bytes(TOKEN).filter(|token| !opens(sealer, token)).count() as u64;
        }
        to.events(page)
    });
    moved.tables.push(events.await?);
    moved.tables.push(pages("effect", from, &snapshot::EFFECT, progress, |page| to.effects(page)).await?);
    moved.tables.push(pages("audit", from, &snapshot::AUDIT, progress, |page| to.audits(page)).await?);
    if moved.is_complete() {
        to.end().await?;
    }
    Ok(moved)
}

async fn pages<F>(
    name: &'static str,
    from: &Snapshot,
    source: &'static Source,
    progress: Progress<'_>,
    mut write: impl FnMut(Page) -> F,
) -> Result<MovedTable, StoreError>
where
    F: Future<Output = Result<Outcome, StoreError>>,
{
    let mut table = MovedTable { name, ..MovedTable::default() };
    let mut after = Vec::new();
    loop {
        let page = from.page(source, &after).await?;
        let rows = page.rows;
        if rows > 0 {
            after = page.last(source.key);
            table.add(rows, &write(page).await?);
            progress(&table);
        }
        if rows < source.rows {
            return Ok(table);
        }
    }
}

async fn identities(from: &Snapshot, to: &Incoming, progress: Progress<'_>) -> Result<MovedTable, StoreError> {
    let mut table = MovedTable { name: "identity", ..MovedTable::default() };
    let mut after = None::<String>;
    loop {
        let page = from.identities(after.as_deref()).await?;
        let rows = page.len();
        if let Some(last) = page.last() {
            after = Some(last.identity_id.as_str().to_owned());
            table.add(rows, &to.identities(page).await?);
            progress(&table);
        }
        if rows < LOCKED_ROWS {
            return Ok(table);
        }
    }
}

/// Links that an earlier copy brought, and that are gone from the file, or another's, since.
async fn removed_links(from: &Snapshot, to: &Incoming) -> Result<u64, StoreError> {
    let (mut removed, mut after) = (0, String::new());
    loop {
        let (brought, last) = to.brought_links(&after).await?;
        let Some(last) = last else { return Ok(removed) };
        after = last;
        removed += to.remove_links(from.unknown_links(brought).await?).await?;
    }
}

/// Also when it is not sealed at all.
fn opens(sealer: &Sealer, token: &[u8]) -> bool {
    match token.split_first() {
        Some((&SEALED, sealed)) => sealer.open(sealed, b"").is_ok(),
        _ => true,
    }
}

impl MovedTable {
    fn add(&mut self, rows: usize, outcome: &Outcome) {
        let rows = rows as u64;
        self.read += rows;
        self.copied += outcome.copied;
        self.newer += outcome.newer;
        self.conflicts += outcome.conflicts;
        self.there += rows.saturating_sub(outcome.copied + outcome.newer + outcome.conflicts);
    }
}

/// The column of tokens in a page of events.
const TOKEN: usize = 15;
const CONFLICTS_NAMED: usize = 100;
