use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::redact::redacted_debug;
use super::{instant, lenient};
use crate::Timestamp;

/// The vendor's error body (spec: "Error responses"), also found inside the answer of a face authentication.
///
/// Nothing is required. `Debug` shows the numeric status alone: messages repeat what was sent, paths hold ids.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ErrorBody {
    /// When it happened: milliseconds in the spec, a string in the face answer.
    #[serde(default, deserialize_with = "instant::optional")]
    pub timestamp: Option<Timestamp>,
    /// The vendor's own code *or* an HTTP status. It can look like an HTTP status without being it, so nothing is
    /// decided by it.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub status: Option<i64>,
    /// The HTTP status as a phrase.
    #[serde(default, deserialize_with = "lenient::text")]
    pub error: Option<String>,
    /// The vendor's message.
    #[serde(default, deserialize_with = "lenient::text")]
    pub message: Option<String>,
    /// Path of the endpoint.
    #[serde(default, deserialize_with = "lenient::text")]
    pub path: Option<String>,
}

redacted_debug!(ErrorBody { show: [status], hide: [timestamp, error, message, path] });

/// An `error` beside other fields: `None` when it is empty, and `Some` for every other value, even when no field of it
/// is understood.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ErrorBody>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if says_nothing(&value) {
        return Ok(None);
    }
    Ok(Some(match value {
        Value::String(error) => ErrorBody { error: Some(error), ..ErrorBody::default() },
        value => lenient::object_of(value).unwrap_or_default(),
    }))
}

/// Null, a blank text, or nothing but those inside.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(entries) => entries.iter().all(says_nothing),
        Value::Object(fields) => fields.values().all(says_nothing),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
