//! How a delivery authenticates its sender.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use data_encoding::{BASE64, HEXLOWER};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::errors::{StartError, StartErrorKind};
use crate::settings::WebhookAuth;
use crate::token::hmac_sha256;
use crate::vendor::locked;

/// [`WebhookAuth`], checked and decoded.
pub(crate) enum Signer {
    /// Nothing is sent.
    None,
    /// A fixed value in a header.
    Header { name: HeaderName, value: HeaderValue },
    /// Lower-case hex of HMAC-SHA256 over the body.
    Hmac { header: HeaderName, key: Vec<u8> },
    /// The three headers of Standard Webhooks; `key` is the decoded secret.
    StandardWebhooks { key: Vec<u8> },
    /// A bearer token from the receiver's own token endpoint.
    ClientCredentials {
        token_url: url::Url,
        basic: HeaderValue,
        /// The access token and its end. Shared by all deliveries, so that one token serves until it ends.
        access: Mutex<Option<(HeaderValue, Instant)>>,
    },
}

impl Signer {
    /// Checks and decodes.
    ///
    /// # Errors
    /// Names the kind of what can't be sent or decoded.
    pub(crate) fn new(auth: &WebhookAuth) -> Result<Self, StartError> {
        Ok(match auth {
            WebhookAuth::None => Self::None,
            WebhookAuth::Header { name, secret } => {
                Self::Header { name: header_name(name)?, value: header_value(secret)? }
            }
            WebhookAuth::Hmac { header, secret } => {
                Self::Hmac { header: header_name(header)?, key: secret.as_bytes().to_vec() }
            }
            WebhookAuth::StandardWebhooks { secret } => {
                let key = secret.strip_prefix("whsec_").and_then(|text| BASE64.decode(text.as_bytes()).ok());
                let refused = || StartError::new(StartErrorKind::WebhookSecret);
                Self::StandardWebhooks { key: key.filter(|key| !key.is_empty()).ok_or_else(refused)? }
            }
            WebhookAuth::ClientCredentials { token_url, client_id, client_secret } => Self::ClientCredentials {
                token_url: super::parse_url(token_url)?,
                basic: header_value(&format!(
                    "Basic {}",
                    BASE64.encode(format!("{client_id}:{client_secret}").as_bytes())
                ))?,
                access: Mutex::new(None),
            },
        })
    }

    /// The headers for this body at `now` (seconds); none where the receiver's token endpoint gives no token.
    pub(crate) async fn headers(
        &self,
        http: &reqwest::Client,
        message_id: &str,
        now: i64,
        body: &[u8],
    ) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        match self {
            Self::None => {}
            Self::Header { name, value } => {
                headers.insert(name.clone(), value.clone());
            }
            Self::Hmac { header, key } => {
                headers.insert(header.clone(), text(&HEXLOWER.encode(&hmac_sha256(key, body)))?);
            }
            Self::StandardWebhooks { key } => {
                let signed = [format!("{message_id}.{now}.").as_bytes(), body].concat();
                let signature = format!("v1,{}", BASE64.encode(&hmac_sha256(key, &signed)));
                headers.insert("webhook-id", text(message_id)?);
                headers.insert("webhook-timestamp", HeaderValue::from(now));
                headers.insert("webhook-signature", text(&signature)?);
            }
            Self::ClientCredentials { token_url, basic, access } => {
                let held = locked(access).clone().filter(|(_, until)| *until > Instant::now());
                let bearer = match held {
                    Some((bearer, _)) => bearer,
                    None => {
                        let (bearer, lifetime) = access_token(http, token_url, basic).await?;
                        let until = Instant::now().checked_add(lifetime)?;
                        *locked(access) = Some((bearer.clone(), until));
                        bearer
                    }
                };
                headers.insert(AUTHORIZATION, bearer);
            }
        }
        Some(headers)
    }

    /// Drops the access token, as the receiver answered 401 to it.
    pub(crate) fn forget_access_token(&self) {
        if let Self::ClientCredentials { access, .. } = self {
            *locked(access) = None;
        }
    }
}

/// The answer of a token endpoint (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct AccessToken {
    access_token: String,
    expires_in: u64,
}

/// Asks the receiver for a token as Omni does: Basic authorization and `grant_type=client_credentials`, nothing else.
async fn access_token(
    http: &reqwest::Client,
    token_url: &url::Url,
    basic: &HeaderValue,
) -> Option<(HeaderValue, Duration)> {
    let request = http
        .post(token_url.clone())
        .header(AUTHORIZATION, basic.clone())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    let response = request.send().await.ok().filter(|response| response.status().is_success())?;
    let token: AccessToken = serde_json::from_slice(&response.bytes().await.ok()?).ok()?;
    let bearer = header_value(&format!("Bearer {}", token.access_token)).ok()?;
    Some((bearer, Duration::from_secs(token.expires_in.min(LONGEST_TOKEN_SECONDS))))
}

/// The name of a header.
fn header_name(name: &str) -> Result<HeaderName, StartError> {
    name.parse().map_err(|_| StartError::new(StartErrorKind::WebhookHeader))
}

/// The value of a header, marked as sensitive so that no log shows it.
fn header_value(value: &str) -> Result<HeaderValue, StartError> {
    let mut value = text(value).ok_or_else(|| StartError::new(StartErrorKind::WebhookHeader))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The value of a header that is no secret.
fn text(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(value).ok()
}

// A day. A longer `expires_in` could overflow the clock's arithmetic.
const LONGEST_TOKEN_SECONDS: u64 = 86_400;
