//! Tokens and ids. A token has the shape of the vendor's: three parts, HS256, and `exp - iat` is the lifetime. A
//! receiver can't verify it, as at the vendor: the key never leaves this process.

use std::fmt;
use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::errors::{StartError, StartErrorKind};

/// A token to mint, for [`Sandbox::mint_token`](crate::Sandbox::mint_token).
///
/// Use it for tokens that the sandbox would not issue by itself: one issued before a flow began, one for another
/// client, one whose claims are wrong.
///
/// ```
/// use std::time::Duration;
/// use incode_sandbox::NewToken;
///
/// let earlier = NewToken::of("person-of-ana").issued_ago(Duration::from_secs(600));
/// let foreign = NewToken::of("person-of-ana").claim("aud", "another-client");
/// let undated = NewToken::of("person-of-ana").claim("iat", serde_json::Value::Null);
/// # let _ = (earlier, foreign, undated);
/// ```
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[must_use]
pub struct NewToken {
    pub(crate) identity_id: Option<String>,
    /// Seconds since the epoch; wins over `issued_seconds_ago`.
    pub(crate) issued_at: Option<i64>,
    /// Seconds before the sandbox's now.
    pub(crate) issued_seconds_ago: i64,
    /// Seconds since the epoch.
    pub(crate) expires_at: Option<i64>,
    /// Added to the usual claims; a null removes one.
    pub(crate) claims: Map<String, Value>,
}

impl NewToken {
    /// A token of this person.
    pub fn of(identity_id: impl Into<String>) -> Self {
        Self { identity_id: Some(identity_id.into()), ..Self::default() }
    }

    /// A token of no person: userinfo answers 404 to it.
    pub fn of_no_person() -> Self {
        Self::default()
    }

    /// Issued at this time, seconds since the epoch.
    pub fn issued_at(mut self, seconds: i64) -> Self {
        self.issued_at = Some(seconds);
        self
    }

    /// Issued this long ago by the sandbox's clock, in whole seconds.
    pub fn issued_ago(mut self, ago: Duration) -> Self {
        self.issued_at = None;
        self.issued_seconds_ago = i64::try_from(ago.as_secs()).unwrap_or(i64::MAX);
        self
    }

    /// Lives until this time, seconds since the epoch. Without it: the token lifetime after its issue.
    pub fn expires_at(mut self, seconds: i64) -> Self {
        self.expires_at = Some(seconds);
        self
    }

    /// Adds a claim, or replaces one of `jti`, `exp`, `iat`. A null removes it. Only the text changes: the token still
    /// lives until [`expires_at`](Self::expires_at).
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken")
            .field("identity_id", &self.identity_id)
            .field("issued_at", &self.issued_at)
            .field("issued_seconds_ago", &self.issued_seconds_ago)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Makes ids and tokens from a counter and a random key. Randomness is asked for once, so it can fail only at start.
pub(crate) struct TokenMint {
    /// Random at each start, so that ids and tokens of two runs differ.
    key: [u8; 32],
    /// How many ids were made.
    count: u64,
}

impl TokenMint {
    pub(crate) fn new() -> Result<Self, StartError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| StartError::with(StartErrorKind::Randomness, error.to_string()))?;
        Ok(Self { key, count: 0 })
    }

    /// 24 hex digits, the shape of the sample `64bb17ff915ccccb85bb45b7`.
    pub(crate) fn id(&mut self) -> String {
        self.hex().into_iter().take(24).collect()
    }

    /// The shape of the sample `196c69e0-5566-4f51-9432-dde8e225aabc`.
    pub(crate) fn dashed_id(&mut self) -> String {
        let hex = self.hex();
        let mut id = String::with_capacity(36);
        for (place, digit) in hex.into_iter().take(32).enumerate() {
            if matches!(place, 8 | 12 | 16 | 20) {
                id.push('-');
            }
            id.push(digit);
        }
        id
    }

    /// A token with these times in seconds. Later claims replace earlier ones; a null removes.
    pub(crate) fn token(&mut self, issued_at: i64, expires_at: i64, claims: &[&Map<String, Value>]) -> String {
        let mut all = json!({ "jti": self.id(), "exp": expires_at, "iat": issued_at });
        if let Some(all) = all.as_object_mut() {
            for (name, value) in claims.iter().flat_map(|claims| claims.iter()) {
                if value.is_null() {
                    all.remove(name);
                } else {
                    all.insert(name.clone(), value.clone());
                }
            }
        }
        let header = BASE64URL_NOPAD.encode(br#"{"alg":"HS256"}"#);
        let signed = format!("{header}.{}", BASE64URL_NOPAD.encode(all.to_string().as_bytes()));
        let signature = BASE64URL_NOPAD.encode(&hmac_sha256(&self.key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// 64 hex digits that no one can guess and that never repeat.
    fn hex(&mut self) -> Vec<char> {
        self.count += 1;
        HEXLOWER.encode(&hmac_sha256(&self.key, &self.count.to_be_bytes())).chars().collect()
    }
}

impl fmt::Debug for TokenMint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenMint").field("count", &self.count).finish_non_exhaustive()
    }
}

/// HMAC-SHA256 (RFC 2104), for tokens, ids and signatures of webhooks.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}
