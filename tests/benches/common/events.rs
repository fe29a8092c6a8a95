//! Deliveries of about 300 bytes, no two alike.

/// The body of delivery number `number`: the spec's own sample with its token and id varied.
pub(crate) fn body(number: u64) -> Vec<u8> {
    format!(
        r#"{{"token":"eyJhbGciOiJIUzI1NiJ9.eyJleHRlcm5hbFVzZXJJZCI6IjY0YmIxN2ZmOTE1Y2NjY2I4NWJiNDViNyIsInJvbGUiOiJBQ0NFU1MiLCJleHAiOjE2ODc5NjMyMjZ9.{number:020}x7Jt5mXyQ0rNwZb2aKc9V","event":"verification.completed","object":"verification","id":"64bb17ff{number:020}","timestamp":1687962326}}"#
    )
    .into_bytes()
}
