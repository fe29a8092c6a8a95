//! The hosted web flow: a subject leaves with a sealed, single-use correlation id and comes back with a token, which
//! is redeemed at the vendor by this server. What stands in the URL proves nothing.

mod callback;
mod claim;
mod correlation;
mod face;
mod image;
mod limits;
mod messages;
mod query;
mod start;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::{ConfigError, Secret};

pub use face::{FaceError, FaceErrorKind, FaceOutcome, FaceScope};

pub(crate) use callback::{Callback, Parts};
pub(crate) use claim::ExpectedClaims;
pub(crate) use correlation::Correlations;
pub(crate) use face::{FaceParts, authenticate};
pub(crate) use image::Wiped;
pub(crate) use limits::{FlowLimits, LimitSettings};
pub(crate) use start::{Start, login_first, not_set_up};

/// What the hosted web flow needs to know. Given by the application, or read from the environment.
///
/// ```
/// use incode_core::flow::HostedFlow;
/// use incode_core::{ConfigError, Secret};
///
/// fn flow(new: Secret, old: Secret) -> Result<HostedFlow, ConfigError> {
///     // The callback is https://app.example.com/incode/callback: enter it in the vendor's dashboard.
///     HostedFlow::new("your-client-id", "https://verify.example.com", "https://app.example.com", new)?
///         .older_secret(old) // during a rotation
/// }
/// # let secret = || Secret::from("a secret of 32 bytes or more, made at random");
/// # assert!(flow(secret(), secret()).is_ok());
/// # assert!(flow(Secret::from("short"), secret()).is_err());
/// ```
#[derive(Clone)]
pub struct HostedFlow {
    pub(crate) client_id: String,
    pub(crate) web_url: Url,
    pub(crate) public_url: Url,
    /// Newest first: that one seals, each of them opens. Never empty.
    pub(crate) secrets: Vec<Secret>,
    pub(crate) lifetime: Duration,
}

impl HostedFlow {
    /// Shortest secret taken, in bytes.
    pub const MIN_SECRET_LEN: usize = 32;

    /// `web_url` is the vendor's hosted page, `public_url` where browsers reach this application, `secret` at least 32
    /// bytes that every replica shares.
    ///
    /// # Errors
    /// [`ConfigError`] for URLs that are not http(s), an empty client id or a short secret.
    pub fn new(client_id: &str, web_url: &str, public_url: &str, secret: Secret) -> Result<Self, ConfigError> {
        if client_id.is_empty() {
            return Err(ConfigError::missing("client_id", "is empty"));
        }
        if secret.expose().len() < Self::MIN_SECRET_LEN {
            return Err(ConfigError::insecure("flow_secret", "is shorter than 32 bytes"));
        }
        Ok(Self {
            client_id: client_id.to_owned(),
            web_url: http_url("web_url", web_url)?,
            public_url: http_url("public_url", public_url)?,
            secrets: vec![secret],
            lifetime: Duration::from_secs(30 * 60),
        })
    }

    /// Also takes what was sealed with an older secret, so that a new secret cuts off no flow: give the old
    /// one here until the lifetime of a flow has gone by on every replica.
    ///
    /// # Errors
    /// [`ConfigError`] for a short secret.
    pub fn older_secret(mut self, secret: Secret) -> Result<Self, ConfigError> {
        if secret.expose().len() < Self::MIN_SECRET_LEN {
            return Err(ConfigError::insecure("flow_secret", "an older secret is shorter than 32 bytes"));
        }
        self.secrets.push(secret);
        Ok(self)
    }

    /// How long a person may take from start to callback. 30 minutes unless changed.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }
}

impl fmt::Debug for HostedFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostedFlow").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// The flow with its routes: what start and callback work from.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) hosted: HostedFlow,
    pub(crate) correlations: Correlations,
    /// Absolute URL of the callback route.
    pub(crate) callback_url: Url,
    /// How long a callback waits for the event of its check.
    pub(crate) callback_wait: Duration,
}

impl Flow {
    /// The path of the public URL, without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        self.hosted.public_url.path().trim_end_matches('/')
    }

    /// The vendor's page for a flow with this correlation id.
    pub(crate) fn page(&self, correlation_id: &str) -> Url {
        let mut page = self.hosted.web_url.clone();
        page.query_pairs_mut()
            .append_pair("client_id", &self.hosted.client_id)
            .append_pair("redirect_url", self.callback_url.as_str())
            .append_pair("correlation_id", correlation_id);
        page
    }

    pub(crate) fn new(hosted: HostedFlow, callback_path: &str, callback_wait: Duration) -> Arc<Self> {
        let correlations = Correlations::new(&hosted.secrets, hosted.lifetime);
        let mut callback_url = hosted.public_url.clone();
        let base = callback_url.path().trim_end_matches('/').to_owned();
        callback_url.set_path(&format!("{base}{callback_path}"));
        Arc::new(Self { hosted, correlations, callback_url, callback_wait })
    }
}

fn http_url(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or(ConfigError::new(setting, "is not an http(s) URL"))
}

#[cfg(test)]
mod tests;
