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

use crate::Secret;

pub use face::{FaceError, FaceErrorKind, FaceOutcome, FaceScope};

pub(crate) use callback::{Callback, Parts};
pub(crate) use claim::ExpectedClaims;
pub(crate) use correlation::Correlations;
pub(crate) use face::{FaceParts, authenticate};
pub(crate) use image::Wiped;
pub(crate) use limits::{FlowLimits, LimitSettings};
pub(crate) use start::{login_first, start};

/// What the hosted web flow needs to know. Given by the application, or read from the environment.
#[derive(Clone)]
pub struct HostedFlow {
    pub(crate) client_id: String,
    pub(crate) web_url: Url,
    pub(crate) public_url: Url,
    /// Newest first: that one seals, each of them opens. Never empty.
    pub(crate) secrets: Vec<Secret>,
    pub(crate) lifetime: Duration,
}

/// A setting of the hosted flow that can't work. Names the setting, never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidFlow(pub(crate) &'static str);

impl HostedFlow {
    /// Shortest secret taken, in bytes.
    pub const MIN_SECRET_LEN: usize = 32;

    /// `web_url` is the vendor's hosted page, `public_url` where browsers reach this application, `secret` at least 32
    /// bytes that every replica shares.
    ///
    /// # Errors
    /// [`InvalidFlow`] for URLs that are not http(s), an empty client id or a short secret.
    pub fn new(client_id: &str, web_url: &str, public_url: &str, secret: Secret) -> Result<Self, InvalidFlow> {
        let http = |text: &str| Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if client_id.is_empty() {
            return Err(InvalidFlow("the client id is empty"));
        }
        if secret.expose().len() < Self::MIN_SECRET_LEN {
            return Err(InvalidFlow("the flow secret is shorter than 32 bytes"));
        }
        Ok(Self {
            client_id: client_id.to_owned(),
            web_url: http(web_url).ok_or(InvalidFlow("the web URL is not an http(s) URL"))?,
            public_url: http(public_url).ok_or(InvalidFlow("the public URL is not an http(s) URL"))?,
            secrets: vec![secret],
            lifetime: Duration::from_secs(30 * 60),
        })
    }

    /// Also takes what was sealed with an older secret, so that nobody's flow is cut off when a new one comes: give
    /// the old one here until the lifetime of a flow has gone by on every replica.
    ///
    /// # Errors
    /// [`InvalidFlow`] for a short secret.
    pub fn older_secret(mut self, secret: Secret) -> Result<Self, InvalidFlow> {
        if secret.expose().len() < Self::MIN_SECRET_LEN {
            return Err(InvalidFlow("a flow secret is shorter than 32 bytes"));
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

impl fmt::Display for InvalidFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidFlow {}

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
    pub(crate) fn new(hosted: HostedFlow, callback_path: &str, callback_wait: Duration) -> Arc<Self> {
        let correlations = Correlations::new(&hosted.secrets, hosted.lifetime);
        let mut callback_url = hosted.public_url.clone();
        let base = callback_url.path().trim_end_matches('/').to_owned();
        callback_url.set_path(&format!("{base}{callback_path}"));
        Arc::new(Self { hosted, correlations, callback_url, callback_wait })
    }
}

#[cfg(test)]
mod tests;
