//! The tries of deliveries, as they came.

use std::time::Instant;

use axum::body::Bytes;
use axum::http::request::Parts;
use incode_core::Token;
use serde_json::Value;

/// One try.
pub(super) struct Try {
    pub(super) at: Instant,
    /// The event and its object: what tells whether two tries are of one delivery.
    pub(super) object: String,
    pub(super) id: Option<String>,
    pub(super) kind: String,
    pub(super) token: Option<Token>,
    /// Compared with those of later tries, and never shown.
    pub(super) body: Bytes,
    /// What the policy of the settings says of it.
    pub(super) verdict: String,
    /// The names of its headers, in lower case.
    pub(super) headers: Vec<String>,
    /// HTTP version, content type, content encoding, user agent.
    pub(super) form: String,
    pub(super) is_refused: bool,
}

impl Try {
    pub(super) fn read(parts: &Parts, body: &Bytes, verdict: String) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("none");
        let (kind, id) = (text("event").unwrap_or_else(|| "no event".to_owned()), text("id"));
        Self {
            at: Instant::now(),
            object: format!("{kind} {}", id.as_deref().unwrap_or_default()),
            kind,
            id,
            token: text("token").and_then(|token| Token::new(token).ok()),
            body: body.clone(),
            verdict,
            headers: parts.headers.keys().map(ToString::to_string).collect(),
            form: format!(
                "{:?}, content-type {}, content-encoding {}, user-agent {}",
                parts.version,
                header("content-type"),
                header("content-encoding"),
                header("user-agent"),
            ),
            is_refused: false,
        }
    }

    /// The member that repeats the correlation id of the flow.
    pub(super) fn repeats(&self, correlation_id: &str) -> Option<String> {
        let json: Value = serde_json::from_slice(&self.body).ok()?;
        let members = json.as_object()?;
        members.iter().find(|(_, value)| value.as_str() == Some(correlation_id)).map(|(name, _)| name.clone())
    }

    pub(super) fn has_token_of(&self, other: &Self) -> bool {
        self.token.as_ref().map(Token::hash) == other.token.as_ref().map(Token::hash)
    }
}
