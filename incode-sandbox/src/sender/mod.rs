//! The webhook sender: one task for each delivery, from the first try to the last.
//!
//! The schedule is the one of the vendor's present webhooks, times the time scale:
//!
//! | try | 1 | 2 | 3 | 4 | 5 | 6 |
//! |---|---|---|---|---|---|---|
//! | seconds after the one before | 0 | 30 | 75 | 187.5 | 468.75 | 1171.9 |
//!
//! 204 and a 200 with `application/json` end it. Any other answer, a timeout and a broken connection are tried again.

mod no_tls;
mod signer;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use rustls::crypto::CryptoProvider;

pub(crate) use signer::Signer;

use crate::behaviour::RetryToken;
use crate::deliveries::{Attempt, DeliveryState, EventKind};
use crate::errors::{StartError, StartErrorKind};
use crate::settings::Webhook;
use crate::vendor::Vendor;

/// [`Webhook`], checked and decoded.
pub(crate) struct WebhookTarget {
    verification_url: Option<url::Url>,
    authentication_url: Option<url::Url>,
    pub(crate) signer: Signer,
}

impl WebhookTarget {
    /// Checks the URLs, the header and the secret.
    ///
    /// # Errors
    /// Names the kind of what can't be used. An https URL can't be used without a TLS provider.
    pub(crate) fn new(webhook: &Webhook) -> Result<Self, StartError> {
        Self::new_with(webhook, provider().is_some())
    }

    /// As [`new`](Self::new), for a program that has a TLS provider or has none.
    pub(crate) fn new_with(webhook: &Webhook, has_provider: bool) -> Result<Self, StartError> {
        let this = Self {
            verification_url: webhook.verification_url.as_deref().map(parse_url).transpose()?,
            authentication_url: webhook.authentication_url.as_deref().map(parse_url).transpose()?,
            signer: Signer::new(&webhook.auth)?,
        };
        let mut urls = this.verification_url.iter().chain(&this.authentication_url);
        match urls.any(|url| url.scheme() == "https") && !has_provider {
            true => Err(StartError::with(StartErrorKind::Client, NO_PROVIDER)),
            false => Ok(this),
        }
    }

    /// The URL of a kind of event, where one is set.
    pub(crate) fn url(&self, kind: EventKind) -> Option<&url::Url> {
        match kind {
            EventKind::Verification => self.verification_url.as_ref(),
            EventKind::Authentication => self.authentication_url.as_ref(),
        }
    }
}

/// The HTTP client of all deliveries. It follows no redirect and uses no proxy: a redirect is an answer like any other.
pub(crate) fn client() -> Result<reqwest::Client, StartError> {
    client_with(provider())
}

/// Plain http needs no provider: the client then has a configuration that refuses to make a TLS connection.
fn client_with(provider: Option<Arc<CryptoProvider>>) -> Result<reqwest::Client, StartError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| StartError::with(StartErrorKind::Client, error);
    let roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let provider = provider.unwrap_or_else(|| Arc::new(no_tls::provider()));
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| failed(error.into()))
}

/// The provider that a feature of this crate chose, else the one that the process installed. None is installed here.
fn provider() -> Option<Arc<CryptoProvider>> {
    #[cfg(feature = "tls-ring")]
    return Some(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(all(feature = "tls-aws-lc-rs", not(feature = "tls-ring")))]
    return Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(not(any(feature = "tls-ring", feature = "tls-aws-lc-rs")))]
    return CryptoProvider::get_default().cloned();
}

/// Tries until accepted, or until the schedule ends. Each try has the same body, unless retries get a fresh token.
pub(crate) async fn deliver(vendor: Arc<Vendor>, number: u64, kind: EventKind, mut body: Bytes) {
    vendor.released(number).await;
    let message_id = format!("msg_{}", vendor.world().id());
    for tried in 0..=RETRY_SECONDS.len() {
        if tried > 0 && vendor.behaviour().retry_token == RetryToken::Fresh {
            body = with_fresh_token(&vendor, number).unwrap_or(body);
        }
        // Read again for each try, so that a target set in between counts.
        let target = vendor.target();
        let Some(url) = target.url(kind) else {
            vendor.update_delivery(number, |delivery| {
                delivery.state = DeliveryState::NoTarget;
                delivery.next_at = None;
            });
            return;
        };
        let outcome = {
            let _slot = vendor.send_slots.acquire().await;
            attempt(&vendor, &target, url, &message_id, &body).await
        };
        let now = vendor.now();
        let wait = RETRY_SECONDS.get(tried).map(|seconds| scaled(*seconds, vendor.settings.time_scale));
        let accepted = matches!(outcome, Ok((_, true)));
        tracing::debug!(delivery.number = number, delivery.attempt = tried + 1, ?outcome, "webhook tried");
        vendor.update_delivery(number, |delivery| {
            delivery.url = Some(url.to_string());
            delivery.attempts.push(Attempt {
                at: now,
                status: outcome.as_ref().ok().map(|(status, _)| *status),
                failure: outcome.err(),
            });
            delivery.state = match (accepted, wait) {
                (true, _) => DeliveryState::Accepted,
                (false, Some(_)) => DeliveryState::Pending,
                (false, None) => DeliveryState::GivenUp,
            };
            delivery.next_at = wait
                .filter(|_| !accepted)
                .map(|wait| now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)));
        });
        match wait {
            Some(wait) if !accepted => tokio::time::sleep(wait).await,
            _ => return,
        }
    }
}

/// The delivery's body with a fresh token, also in the log; none where its object is unknown.
fn with_fresh_token(vendor: &Vendor, number: u64) -> Option<Bytes> {
    let (delivery, body) = {
        let deliveries = vendor.deliveries();
        (deliveries.get(number)?, deliveries.body(number)?)
    };
    let body = vendor.with_fresh_token(&delivery, &body)?;
    vendor.deliveries().set_body(number, body.clone());
    Some(body)
}

/// The status answered, and whether it acknowledges; or why there was no answer.
async fn attempt(
    vendor: &Vendor,
    target: &WebhookTarget,
    url: &url::Url,
    message_id: &str,
    body: &Bytes,
) -> Result<(u16, bool), &'static str> {
    let sending = async {
        let now = vendor.now().div_euclid(1000);
        let headers = target.signer.headers(&vendor.http, message_id, now, body).await.ok_or("oauth")?;
        let request = vendor.http.post(url.clone()).header(CONTENT_TYPE, "application/json").headers(headers);
        let response = request.body(body.clone()).send().await.map_err(|error| failure(&error))?;
        let (status, accepted) = (response.status(), acknowledges(response.status(), response.headers()));
        if status == StatusCode::UNAUTHORIZED {
            target.signer.forget_access_token();
        }
        // Read to the end, so that the connection can be used again. An answer cut short is still an answer.
        let _ = response.bytes().await;
        Ok((status.as_u16(), accepted))
    };
    tokio::time::timeout(vendor.settings.delivery_timeout, sending).await.unwrap_or(Err("timeout"))
}

/// 204, or 200 with `application/json`. The vendor's products retry on any other answer.
fn acknowledges(status: StatusCode, headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    status == StatusCode::NO_CONTENT || (status == StatusCode::OK && json)
}

/// The name of a failure in the log of deliveries.
fn failure(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connect"
    } else {
        "transport"
    }
}

/// An absolute http or https URL.
fn parse_url(url: &str) -> Result<url::Url, StartError> {
    match url::Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(StartError::new(StartErrorKind::WebhookUrl)),
    }
}

/// A wait of the schedule under the time scale. A wait that can't be represented is as long as possible.
fn scaled(seconds: f64, scale: f64) -> Duration {
    Duration::try_from_secs_f64(seconds * scale).unwrap_or(Duration::MAX)
}

const NO_PROVIDER: &str = "a webhook URL with https needs a TLS provider: enable the feature tls-aws-lc-rs or tls-ring of \
                           incode-sandbox, or install one";
/// The schedule of the vendor's present webhooks: five more tries, the last about 32 minutes in.
const RETRY_SECONDS: [f64; 5] = [30.0, 75.0, 187.5, 468.75, 1171.9];
