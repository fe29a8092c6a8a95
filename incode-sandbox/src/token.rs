//! Tokens and ids. A token looks like the vendor's (three parts, HS256, `exp - iat` = the lifetime) and is opaque to
//! receivers: the key never leaves this process.

use std::fmt;
use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::errors::{StartError, StartErrorKind};

/// Makes ids and tokens: a counter under a random key, so that randomness is asked for once and can fail only at start.
pub(crate) struct Mint {
    key: [u8; 32],
    count: u64,
}

impl Mint {
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

    /// A token issued at `now` (ms).
    pub(crate) fn token(&mut self, now: i64, lifetime: Duration) -> String {
        let iat = now.div_euclid(1000);
        let exp = iat.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
        let header = BASE64URL_NOPAD.encode(br#"{"alg":"HS256"}"#);
        let claims = BASE64URL_NOPAD.encode(json!({"jti": self.id(), "exp": exp, "iat": iat}).to_string().as_bytes());
        let signed = format!("{header}.{claims}");
        let signature = BASE64URL_NOPAD.encode(&hmac_sha256(&self.key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn hex(&mut self) -> Vec<char> {
        self.count += 1;
        HEXLOWER.encode(&hmac_sha256(&self.key, &self.count.to_be_bytes())).chars().collect()
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mint").field("count", &self.count).finish_non_exhaustive()
    }
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}
