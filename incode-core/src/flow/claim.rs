use serde_json::Value;

use crate::Token;
use crate::inbox::claims;

/// What a token has to say of itself, where the application named it: the audience, or the client it was issued to.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExpectedClaims(Vec<(Box<str>, Box<str>)>);

impl ExpectedClaims {
    pub(crate) fn expect(&mut self, name: &str, value: &str) {
        self.0.push((name.into(), value.into()));
    }

    /// Whether the token carries every expected claim: as a text, or as one of a list (RFC 7519, section 4.1.3). A token
    /// that shows no claims, or one of them twice, meets none.
    ///
    /// A filter and no proof: only the vendor can verify the token, and it does when userinfo is asked.
    pub(crate) fn are_met_by(&self, token: &Token) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Ok(shown) = claims(token) else { return false };
        self.0.iter().all(|(name, expected)| match shown.get(&**name) {
            Some(Value::String(value)) => **value == **expected,
            Some(Value::Array(values)) => values.iter().any(|value| value.as_str() == Some(expected)),
            _ => false,
        })
    }
}
