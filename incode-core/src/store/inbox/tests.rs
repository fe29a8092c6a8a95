use super::{ClaimedEvent, EventId, Lease};
use crate::testing::store_suite::pending;

#[test]
fn neither_a_new_event_nor_a_claimed_one_shows_token_or_correlation_id() {
    let new = pending("object-1234", "token", 1);
    let claimed = ClaimedEvent {
        lease: Lease { event: EventId(1), number: 1 },
        kind: new.kind.clone(),
        object_id: new.object_id.clone().unwrap(),
        token: new.token.clone(),
        correlation_id: new.correlation_id.clone(),
        vendor_time: new.vendor_time,
        received_at: new.received_at,
        authenticated: new.authenticated,
        attempts: 1,
        already_done: false,
    };
    let token = format!("{:?}", new.token);
    for shown in [format!("{new:?}"), format!("{claimed:?}")] {
        assert!(!shown.contains(&token) && !shown.contains("correlation of"), "{shown}");
        assert!(shown.contains("obje") && !shown.contains("1234"), "{shown}");
    }
}
