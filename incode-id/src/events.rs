//! `events`: the inbox.

use incode_core::Actor;
use incode_core::store::{
    DeadFilter, EventDetail, EventFilter as Asked, EventId, EventRow, EventState, Reason, Replay, Store,
};
use serde_json::{Value, json};

use crate::cli::{EventFilter, EventsCommand, Page};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings;

pub(crate) async fn run(store: &dyn Store, command: EventsCommand, output: &Output) -> Result<(), Failure> {
    match command {
        EventsCommand::List { state, filter, page } => list(store, state, filter, &page, output).await,
        EventsCommand::Show { id } => match store.event(EventId(id)).await? {
            Some(event) => output.object(&detail(&event)),
            None => Err(Failure::not_found(format!("there is no event {id}, or no longer"))),
        },
        EventsCommand::Replay { id, filter, by, .. } => replay(store, id, filter, by, output).await,
    }
}

async fn list(
    store: &dyn Store,
    state: Option<EventState>,
    filter: EventFilter,
    page: &Page,
    output: &Output,
) -> Result<(), Failure> {
    let EventFilter { reason, kind } = filter;
    let asked = Asked { state, reason, kind, before: page.before.map(EventId), limit: page.limit };
    let events: Vec<_> = store.events(asked).await?.iter().map(row).collect();
    output.list(&["id", "kind", "objectId", "state", "reason", "attempts", "receivedAt"], &events)
}

/// An event that is not dead is left as it is: that is reported as not found, because nothing was done.
async fn replay(
    store: &dyn Store,
    id: Option<i64>,
    filter: EventFilter,
    by: Actor,
    output: &Output,
) -> Result<(), Failure> {
    let EventFilter { reason, kind } = filter;
    let which = match id {
        Some(id) => Replay::One(EventId(id)),
        None => Replay::Dead(DeadFilter { reason, kind, accepted_before: None }),
    };
    let replayed = store.replay(which, by, settings::now(store).await?).await?;
    match (id, replayed) {
        (Some(id), 0) => Err(Failure::not_found(format!("there is no dead event {id}"))),
        _ => output.object(&json!({"replayed": replayed})),
    }
}

/// With the names of the admin API. The object is masked there and here.
fn row(event: &EventRow) -> Value {
    json!({
        "id": event.id.0,
        "kind": event.kind.as_str(),
        "objectId": event.object_id.as_ref().map(|id| id.masked()),
        "state": event.state.as_str(),
        "reason": event.reason.map(Reason::as_str),
        "attempts": event.attempts,
        "receivedAt": event.received_at,
        "dueAt": event.due_at,
        "settledAt": event.settled_at,
    })
}

fn detail(event: &EventDetail) -> Value {
    let mut shown = row(&event.row);
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("vendorTime".into(), json!(event.vendor_time));
        shown.insert("token".into(), json!(if event.has_token { "present" } else { "wiped" }));
        shown.insert("objectDone".into(), json!(event.object_done));
    }
    shown
}
