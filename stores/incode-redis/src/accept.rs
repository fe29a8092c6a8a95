//! A delivery: looked up, counted and written in one script.

use incode_core::store::dedupe::{Admission, EventKeys, IGNORED_KEPT, PENDING_KEPT, PENDING_PER_OBJECT};
use incode_core::store::{Accepted, EventId, EventState, NewEvent, Reason, StoreErrorKind};

use crate::connection::Server;
use crate::error::Failure;
use crate::rows::{self, Row};
use crate::scripts;

/// Keeps a delivery unless it is known. The keys that this event enters and the keys that refuse it come from core
/// ([`Admission`]); the script only looks them up.
///
/// The call is refused at once when too many calls are under way: a delivery that waits would time out at the vendor,
/// which sends it again.
pub(crate) async fn accept(server: &Server, event: &NewEvent) -> Result<Accepted, Failure> {
    if event.state == EventState::Pending && event.object_id.is_none() {
        return Err(Failure::failed("a pending event needs an object id"));
    }
    let EventKeys { object, delivery, done } = EventKeys::of(event);
    let admission = Admission::of(event);
    let key = |key: &Option<[u8; 16]>| key.map(|key| key.to_vec());
    let received_at = event.received_at.as_millis();
    let mut call = server
        .script(&scripts::ACCEPT)
        .arg(admission.unless_done.as_slice())
        .maybe(key(&admission.unless_pending))
        .maybe(key(&admission.unless_ignored))
        .maybe(key(&admission.bounded_by))
        .arg(PENDING_PER_OBJECT)
        .arg(PENDING_KEPT)
        .arg(IGNORED_KEPT)
        .arg(event.state.as_str())
        .arg([object, delivery, done].concat())
        .flag(event.implausible)
        .arg(received_at)
        .maybe(event.reason.map(Reason::as_str))
        .flag(!event.token.is_empty())
        .arg(if event.state == EventState::Pending { "due_at" } else { "settled_at" })
        .arg(received_at)
        .arg(&["kind", event.kind.as_str(), "attempts", "0", "lease", "0"]);
    // Columns that are not there cost no memory.
    if let Some(object) = &event.object_id {
        call = call.arg("object_id").arg(object.as_str());
    }
    if !event.token.is_empty() {
        call = call.arg("token").arg(event.token.as_slice());
    }
    if let Some(correlation) = &event.correlation_id {
        call = call.arg("correlation").arg(correlation);
    }
    if let Some(time) = event.vendor_time {
        call = call.arg("vendor_time").arg(time.as_millis());
    }
    if let Some(reason) = event.reason {
        call = call.arg("reason").arg(reason.as_str());
    }
    for (name, is_set) in [("authenticated", event.authenticated), ("implausible", event.implausible)] {
        if is_set {
            call = call.arg(name).arg("1");
        }
    }
    let row: Row = server.try_run(call).await?;
    match rows::text(&row, 0)? {
        "kept" => Ok(Accepted::New(EventId(rows::number(&row, 1)?))),
        "known" => Ok(Accepted::Duplicate),
        _ => Err(Failure::new(StoreErrorKind::Busy, "too many events are pending")),
    }
}
