//! What a token says of itself. It is no proof: only the vendor can verify it.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

/// The claims of a JWT; empty for any other token.
pub(super) fn of(token: &str) -> Map<String, Value> {
    let payload = token.split('.').nth(1).map(|part| part.trim_end_matches('='));
    let bytes = payload.and_then(|part| BASE64URL_NOPAD.decode(part.as_bytes()).ok()).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// `exp - iat`, in seconds.
pub(super) fn declared_life(claims: &Map<String, Value>) -> Option<i64> {
    let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
    Some(seconds("exp")? - seconds("iat")?)
}
