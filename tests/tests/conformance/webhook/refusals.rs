//! What the tests of refused deliveries share: a delivery, the answers to it, and a look at what was kept.

use incode_tests::{World, event, problem};

/// Status, code, title and detail of a problem reply.
pub(crate) type Row = (u16, &'static str, &'static str, &'static str);

pub(crate) const UNAUTHENTIC: Row =
    (401, "delivery_unauthentic", "Delivery not authentic", "The delivery does not prove where it comes from.");

pub(crate) const MALFORMED: Row = (400, "delivery_malformed", "Delivery malformed", "The delivery is not an event.");

/// The reply, byte for byte.
pub(crate) fn expected(row: Row) -> String {
    problem(row.0, row.1, row.2, row.3, None, &[])
}

/// How many rows the inbox has, of whatever state.
pub(crate) async fn stored(world: &World) -> u64 {
    let counts = world.counts().await;
    counts.pending + counts.done + counts.dead + counts.ignored
}

pub(crate) fn body() -> String {
    let mut event = event("verification.completed", "an-id", "a-token");
    // The same bytes whenever it is asked for: a signature is made of them, and the clock goes on.
    event["timestamp"] = 1_700_000_000.into();
    event.to_string()
}
