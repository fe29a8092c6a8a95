//! Signs deliveries as the other side would.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Clock, Secret, SystemClock, Timestamp};

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
///
/// let signer = Signer::standard_webhooks(&Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
/// let headers = signer.headers_at(b"{\"test\": 2432232314}", "msg_p5jXN8AQM9LWM0D4loKWxJek", Timestamp::from_secs(1614265330));
/// assert_eq!(headers[2], ("webhook-signature".to_owned(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned()));
/// ```
#[derive(Clone)]
pub struct Signer(Way);

#[derive(Clone)]
enum Way {
    Plain { header: String, secret: Secret },
    Body { header: String, secret: Secret, base64: bool },
    Timed { names: [String; 3], secret: Secret, prefix: &'static str },
    Bearer { token: Secret },
}

impl Signer {
    /// Sends the secret itself, in the named header.
    pub fn header(name: impl Into<String>, secret: Secret) -> Self {
        Self(Way::Plain { header: name.into(), secret })
    }

    /// Sends the HMAC-SHA256 of the body in the named header, in lower case hex.
    pub fn hmac(name: impl Into<String>, secret: Secret) -> Self {
        Self(Way::Body { header: name.into(), secret, base64: false })
    }

    /// Sends the HMAC-SHA256 of the body in the named header, in padded base64.
    pub fn hmac_base64(name: impl Into<String>, secret: Secret) -> Self {
        Self(Way::Body { header: name.into(), secret, base64: true })
    }

    /// Sends an id, a time, and the HMAC-SHA256 of `id.timestamp.body` in padded base64, in the headers named.
    pub fn id_timestamp(id: &str, timestamp: &str, signature: &str, secret: Secret) -> Self {
        Self(Way::Timed { names: [id, timestamp, signature].map(str::to_owned), secret, prefix: "" })
    }

    /// As Standard Webhooks has it.
    ///
    /// # Panics
    /// When the secret is not `whsec_` and padded base64.
    #[expect(clippy::expect_used, reason = "a test's own secret")]
    pub fn standard_webhooks(secret: &Secret) -> Self {
        let text = secret.expose().strip_prefix(b"whsec_").expect("whsec_");
        let secret = Secret::new(BASE64.decode(text).expect("padded base64"));
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(str::to_owned);
        Self(Way::Timed { names, secret, prefix: "v1," })
    }

    /// Sends a bearer token, such as [`OAuthClient::token`] gives.
    pub fn bearer(token: &str) -> Self {
        Self(Way::Bearer { token: Secret::from(token) })
    }

    /// The headers that make a delivery of this body authentic, sent now.
    pub fn headers(&self, body: &[u8]) -> Vec<(String, String)> {
        self.headers_at(body, "msg_of_a_test", SystemClock.now())
    }

    /// The headers that make a delivery of this body authentic. Policies without id and time pass over both.
    pub fn headers_at(&self, body: &[u8], id: &str, at: Timestamp) -> Vec<(String, String)> {
        let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        match &self.0 {
            Way::Plain { header, secret } => vec![(header.clone(), text(secret))],
            Way::Body { header, secret, base64: false } => vec![(header.clone(), hmac_hex(secret, body))],
            Way::Body { header, secret, base64: true } => vec![(header.clone(), hmac_base64(secret, body))],
            Way::Timed { names: [id_header, timestamp, signature], secret, prefix } => vec![
                (id_header.clone(), id.to_owned()),
                (timestamp.clone(), at.as_millis().div_euclid(1000).to_string()),
                (signature.clone(), format!("{prefix}{}", hmac_id_timestamp_base64(secret, id, at, body))),
            ],
            Way::Bearer { token } => vec![("authorization".to_owned(), format!("Bearer {}", text(token)))],
        }
    }
}

/// Shows how it signs, never with what.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (way, header) = match &self.0 {
            Way::Plain { header, .. } => ("header", header.as_str()),
            Way::Body { header, .. } => ("hmac", header.as_str()),
            Way::Timed { names, .. } => ("id.timestamp.body", names[2].as_str()),
            Way::Bearer { .. } => ("bearer", "authorization"),
        };
        f.debug_struct("Signer").field("way", &way).field("header", &header).finish_non_exhaustive()
    }
}

/// The vendor at our token endpoint: Basic authorization and `grant_type=client_credentials`, nothing else.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    client_id: String,
    secret: Secret,
}

impl OAuthClient {
    /// Presents these, as they are.
    pub fn new(client_id: impl Into<String>, secret: Secret) -> Self {
        Self { client_id: client_id.into(), secret }
    }

    /// The headers of a token request.
    pub fn headers(&self) -> Vec<(String, String)> {
        let pair = [self.client_id.as_bytes(), b":", self.secret.expose()].concat();
        vec![
            ("authorization".to_owned(), format!("Basic {}", BASE64.encode(&pair))),
            ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ]
    }

    /// The body of a token request.
    pub fn body(&self) -> &'static str {
        "grant_type=client_credentials"
    }

    /// The token in the answer's body; `None` when there is none.
    pub fn token(answer: &[u8]) -> Option<String> {
        let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
        answer.get("access_token")?.as_str().map(str::to_owned)
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
