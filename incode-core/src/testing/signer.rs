//! Signs deliveries as the other side would.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Secret, Timestamp};

#[cfg(test)]
mod tests;

/// A sender of deliveries that knows a secret.
///
/// ```
/// use incode_core::testing::signer::Signer;
/// use incode_core::{Secret, Timestamp};
///
/// let signer = Signer::hmac("x-incode-signature", Secret::from("an example: 24 bytes or more"));
/// let headers = signer.headers(br#"{"event":"verification.completed"}"#);
/// assert_eq!(headers[0].0, "x-incode-signature");
/// assert_eq!(headers[0].1.len(), 64);
/// ```
#[derive(Clone)]
pub struct Signer {
    header: String,
    secret: Secret,
    plain: bool,
}

impl Signer {
    /// Sends the secret itself, in the named header.
    pub fn header(name: impl Into<String>, secret: Secret) -> Self {
        Self { header: name.into(), secret, plain: true }
    }

    /// Sends the HMAC-SHA256 of the body in the named header, in lower case hex.
    pub fn hmac(name: impl Into<String>, secret: Secret) -> Self {
        Self { header: name.into(), secret, plain: false }
    }

    /// The headers that make a delivery of this body authentic.
    pub fn headers(&self, body: &[u8]) -> Vec<(String, String)> {
        let value = if self.plain {
            String::from_utf8_lossy(self.secret.expose()).into_owned()
        } else {
            hmac_hex(&self.secret, body)
        };
        vec![(self.header.clone(), value)]
    }
}

/// Shows the header, never its value.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("header", &self.header).field("plain", &self.plain).finish_non_exhaustive()
    }
}

/// HMAC-SHA256 of a body, in lower case hex.
pub fn hmac_hex(secret: &Secret, body: &[u8]) -> String {
    HEXLOWER.encode(&hmac_sha256(secret, &[body]))
}

/// HMAC-SHA256 of a body, in padded base64.
pub fn hmac_base64(secret: &Secret, body: &[u8]) -> String {
    BASE64.encode(&hmac_sha256(secret, &[body]))
}

/// HMAC-SHA256 of `id.timestamp.body`, in padded base64; the time in whole seconds.
pub fn hmac_id_timestamp_base64(secret: &Secret, id: &str, at: Timestamp, body: &[u8]) -> String {
    let seconds = at.as_millis().div_euclid(1000).to_string();
    BASE64.encode(&hmac_sha256(secret, &[id.as_bytes(), b".", seconds.as_bytes(), b".", body]))
}

fn hmac_sha256(secret: &Secret, parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}
