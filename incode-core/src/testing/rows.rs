use crate::inbox::AtRest;
use crate::store::NewEvent;
use crate::store::dedupe::object_key;
use crate::{Secret, Token};

/// Puts a token into an event as the inbox does: sealed with this store key (or flow secret, where there is no store
/// key), and bound to the event. For tests that write rows past the inbox.
///
/// # Panics
/// When the system has no random bytes to give.
#[must_use]
#[expect(clippy::expect_used, reason = "a test that can't go on says so")]
pub fn with_token(mut event: NewEvent, token: &Token, key: &Secret) -> NewEvent {
    let row = object_key(&event.kind, event.object_id.as_ref(), event.authenticated);
    event.token = AtRest::new(std::slice::from_ref(key)).seal(token, &row).expect("random bytes");
    event.token_hash = token.hash();
    event
}
