//! The settings of a sandbox, and the target of its webhooks.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::{Behaviour, Sandbox, StartError};

/// Builds a [`Sandbox`]. The defaults are complete: loopback, a free port, published credentials, no webhook.
///
/// ```
/// use std::time::Duration;
/// use incode_sandbox::{Sandbox, Webhook};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::builder()
///     .api_key("a key for this test")
///     .token_lifetime(Duration::from_secs(60))
///     .time_scale(0.001) // retries of webhooks come within two seconds
///     .webhook(Webhook::to("http://127.0.0.1:3000/incode/webhook"))
///     .start()
///     .await?;
/// assert!(sandbox.url().starts_with("http://127.0.0.1:"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    /// Port 0 is any free port.
    pub(crate) bind: SocketAddr,
    pub(crate) webhook: Webhook,
    pub(crate) settings: Settings,
    pub(crate) behaviour: Behaviour,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            webhook: Webhook::default(),
            settings: Settings::default(),
            behaviour: Behaviour::default(),
        }
    }

    /// The address to listen on; by default `127.0.0.1:0`. The control page has no password: stay on loopback.
    pub fn bind(mut self, address: impl Into<SocketAddr>) -> Self {
        self.bind = address.into();
        self
    }

    /// Adds a host name or address, without port, under which the control page and API may be used. Loopback names and
    /// addresses and the bound address are allowed already; any other `Host` gets 403.
    pub fn allowed_host(mut self, host: impl Into<String>) -> Self {
        self.settings.allowed_hosts.push(host.into());
        self
    }

    /// How the sandbox behaves where the vendor's document is silent.
    pub fn behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// The `x-api-key` that calls must carry.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.settings.api_key = key.into();
        self
    }

    /// The `client_id` that starts the hosted flow.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.settings.client_id = id.into();
        self
    }

    /// The target of events, and how they authenticate.
    pub fn webhook(mut self, webhook: Webhook) -> Self {
        self.webhook = webhook;
        self
    }

    /// How long a token lives; by default 900 s, as in the vendor's samples.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.token_lifetime = lifetime;
        self
    }

    /// Multiplies the waits of the webhook retry schedule (30, 75, 187.5, 468.75, 1171.9 s): `1.0` is real time,
    /// `0.001` a thousand times faster. A negative number and NaN count as zero.
    pub fn time_scale(mut self, scale: f64) -> Self {
        self.settings.time_scale = if scale.is_finite() { scale.max(0.0) } else { 0.0 };
        self
    }

    /// How long a receiver may take to answer a webhook; by default 10 s.
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.settings.delivery_timeout = timeout;
        self
    }

    /// Whether userinfo has `country` in place of the documented key `"country "`, which has a trailing blank.
    pub fn clean_names(mut self, clean: bool) -> Self {
        self.settings.clean_names = clean;
        self
    }

    /// Whether an event of the hosted flow repeats the flow's `correlation_id`, as sibling products do. The same as
    /// [`Behaviour::echo_correlation_id`].
    pub fn echo_correlation_id(mut self, echo: bool) -> Self {
        self.behaviour.echo_correlation_id = echo;
        self
    }

    /// Whether the hosted flow and authenticate calls send their events by themselves; by default they do.
    pub fn automatic_events(mut self, automatic: bool) -> Self {
        self.settings.automatic_events = automatic;
        self
    }

    /// Binds and serves until the last handle is dropped or [`Sandbox::stop`] is called.
    ///
    /// # Errors
    /// When the address can't be bound, a setting can't be used, or the machine gives no randomness.
    pub async fn start(self) -> Result<Sandbox, StartError> {
        Sandbox::start(self).await
    }
}

/// What is fixed for the life of a sandbox. What a test may change is in [`Behaviour`].
#[derive(Clone)]
pub(crate) struct Settings {
    /// The `x-api-key` of callers. Left out of `Debug`.
    pub(crate) api_key: String,
    /// The `client_id` of the hosted flow.
    pub(crate) client_id: String,
    /// Of each token that is not seeded or minted otherwise.
    pub(crate) token_lifetime: Duration,
    /// Factor on the waits between tries; finite, zero or more.
    pub(crate) time_scale: f64,
    /// Limit of one try, from the connection to the end of the answer.
    pub(crate) delivery_timeout: Duration,
    /// `country` in place of `"country "`.
    pub(crate) clean_names: bool,
    /// Whether checks send their events by themselves.
    pub(crate) automatic_events: bool,
    /// Host names and addresses under which control requests pass, beside loopback.
    pub(crate) allowed_hosts: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_key: DEFAULT_API_KEY.to_owned(),
            client_id: DEFAULT_CLIENT_ID.to_owned(),
            token_lifetime: Duration::from_secs(900),
            time_scale: 1.0,
            delivery_timeout: Duration::from_secs(10),
            clean_names: false,
            automatic_events: true,
            allowed_hosts: Vec::new(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("client_id", &self.client_id)
            .field("token_lifetime", &self.token_lifetime)
            .field("time_scale", &self.time_scale)
            .finish_non_exhaustive()
    }
}

/// The target of events: one URL for both kinds or one each (spec: Webhook Notifications), and how they authenticate.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Webhook {
    pub(crate) verification_url: Option<String>,
    pub(crate) authentication_url: Option<String>,
    pub(crate) auth: WebhookAuth,
}

impl Webhook {
    /// Both kinds of event go to `url`.
    pub fn to(url: impl Into<String>) -> Self {
        let url = url.into();
        Self { verification_url: Some(url.clone()), authentication_url: Some(url), auth: WebhookAuth::None }
    }

    /// Verification events go to `url`.
    pub fn verification_to(mut self, url: impl Into<String>) -> Self {
        self.verification_url = Some(url.into());
        self
    }

    /// Authentication events go to `url`.
    pub fn authentication_to(mut self, url: impl Into<String>) -> Self {
        self.authentication_url = Some(url.into());
        self
    }

    /// How deliveries authenticate their sender.
    pub fn auth(mut self, auth: WebhookAuth) -> Self {
        self.auth = auth;
        self
    }
}

/// How deliveries authenticate their sender.
///
/// ```
/// use incode_sandbox::{Webhook, WebhookAuth};
///
/// let auth = WebhookAuth::Hmac { header: "x-incode-signature".to_owned(), secret: "a secret".to_owned() };
/// let webhook = Webhook::to("http://127.0.0.1:3000/incode/webhook").auth(auth);
/// assert!(!format!("{webhook:?}").contains("a secret"));
/// ```
///
/// The document of Incode ID names no way. These are the ways of sibling
/// products and samples, and the ones that receivers commonly ask for.
#[derive(Clone, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum WebhookAuth {
    /// Unsigned, as documented.
    #[default]
    None,
    /// A header with a fixed value.
    Header {
        /// Header name.
        name: String,
        /// Its value.
        secret: String,
    },
    /// Lower-case hex of HMAC-SHA256 over the raw body.
    Hmac {
        /// Header name.
        header: String,
        /// The key, its UTF-8 bytes.
        secret: String,
    },
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64>`.
    StandardWebhooks {
        /// `whsec_` and base64 of the key.
        secret: String,
    },
    /// OAuth 2.0 client credentials: a token is asked of the receiver, then sent as `Authorization: Bearer`.
    #[serde(rename = "oauth")]
    ClientCredentials {
        /// The receiver's token endpoint.
        token_url: String,
        /// User of the Basic authorization.
        client_id: String,
        /// Its password.
        client_secret: String,
    },
}

impl WebhookAuth {
    /// The name of this kind in settings: `none`, `header`, `hmac`, `standard-webhooks`, `oauth`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Header { .. } => "header",
            Self::Hmac { .. } => "hmac",
            Self::StandardWebhooks { .. } => "standard-webhooks",
            Self::ClientCredentials { .. } => "oauth",
        }
    }
}

impl fmt::Debug for WebhookAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookAuth({})", self.kind())
    }
}

// Published, so no secrets: they open nothing but a stand-in.
pub(crate) const DEFAULT_API_KEY: &str = "sandbox-api-key-for-nothing-real";
pub(crate) const DEFAULT_CLIENT_ID: &str = "sandbox-client";
