//! Events as the inbox hands them to a store.

use incode_core::store::{EventState, NewEvent};
use incode_core::webhook::{Event, parse};
use incode_core::{Clock, SystemClock, Timestamp};

use super::events;

/// The event of delivery number `number`.
pub(crate) fn row(number: u64) -> NewEvent {
    row_of(parse(&events::body(number)).unwrap(), SystemClock.now())
}

/// That of a delivery that was read.
pub(crate) fn row_of(event: Event, received_at: Timestamp) -> NewEvent {
    let token = event.token.unwrap();
    NewEvent {
        kind: event.kind,
        object_id: event.object_id,
        token: token.expose().as_bytes().to_vec(),
        token_hash: token.hash(),
        correlation_id: event.correlation_id,
        vendor_time: event.vendor_time,
        received_at,
        authenticated: true,
        implausible: false,
        state: EventState::Pending,
        reason: None,
    }
}
