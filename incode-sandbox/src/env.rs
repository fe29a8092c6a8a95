//! The program's settings, from environment variables.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::sender::WebhookTarget;
use crate::settings::{Builder, Webhook, WebhookAuth};

impl Builder {
    /// Settings by name, as `std::env::var(name).ok()` gives them:
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `SANDBOX_BIND` | default `127.0.0.1:4000` |
    /// | `SANDBOX_API_KEY`, `SANDBOX_CLIENT_ID` | the credentials of callers; published defaults |
    /// | `SANDBOX_WEBHOOK_URL` | the target of both kinds of event |
    /// | `SANDBOX_VERIFICATION_WEBHOOK_URL`, `SANDBOX_AUTHENTICATION_WEBHOOK_URL` | the target of one kind; wins over the one above |
    /// | `SANDBOX_WEBHOOK_AUTH` | `none` (default), `header`, `hmac`, `standard-webhooks`, `oauth` |
    /// | `SANDBOX_WEBHOOK_SECRET` | used by `header`, `hmac`, `standard-webhooks` |
    /// | `SANDBOX_WEBHOOK_HEADER` | default `x-incode-secret` for `header`, `x-incode-signature` for `hmac` |
    /// | `SANDBOX_OAUTH_TOKEN_URL`, `SANDBOX_OAUTH_CLIENT_ID`, `SANDBOX_OAUTH_CLIENT_SECRET` | used by `oauth` |
    /// | `SANDBOX_TOKEN_LIFETIME` | seconds, default 900 |
    /// | `SANDBOX_TIME_SCALE` | multiplies the waits between webhook tries, default 1 |
    /// | `SANDBOX_ECHO_CORRELATION_ID`, `SANDBOX_CLEAN_NAMES` | `true` or `false` (default) |
    /// | `SANDBOX_ALLOWED_HOSTS` | hosts of the control page beside loopback, separated by commas |
    ///
    /// # Errors
    /// Names the first variable that can't be used. It never shows the value.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut builder = Self::new().bind(read(&variable, BIND)?.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 4000))));
        if let Some(key) = variable(API_KEY) {
            let sendable = key.bytes().all(|byte| byte.is_ascii_graphic());
            builder = if sendable { builder.api_key(key) } else { return Err(API_KEY.into()) };
        }
        if let Some(id) = variable(CLIENT_ID) {
            builder = builder.client_id(id);
        }
        if let Some(seconds) = read(&variable, TOKEN_LIFETIME)? {
            builder = builder.token_lifetime(Duration::from_secs(seconds));
        }
        if let Some(scale) = read::<f64>(&variable, TIME_SCALE)? {
            let usable = scale.is_finite() && scale >= 0.0;
            builder = if usable { builder.time_scale(scale) } else { return Err(TIME_SCALE.into()) };
        }
        let echo = read(&variable, ECHO_CORRELATION_ID)?.unwrap_or(false);
        let clean = read(&variable, CLEAN_NAMES)?.unwrap_or(false);
        for host in variable(ALLOWED_HOSTS).iter().flat_map(|hosts| hosts.split(',')).map(str::trim) {
            // A port would never match, as hosts are compared without it.
            let plain = !host.is_empty() && !host.contains(['/', '@', '*', ' ']);
            let named = plain && (host.parse::<std::net::IpAddr>().is_ok() || !host.contains(':'));
            builder = if named { builder.allowed_host(host) } else { return Err(ALLOWED_HOSTS.into()) };
        }
        Ok(builder.echo_correlation_id(echo).clean_names(clean).webhook(webhook(&variable)?))
    }
}

/// A variable that can't be used. Its text says what the variable must be, and never shows the value.
///
/// ```
/// use incode_sandbox::Builder;
///
/// let environment = |name: &str| (name == "SANDBOX_TIME_SCALE").then(|| "fast".to_owned());
/// let error = Builder::from_env(environment).unwrap_err();
/// assert_eq!(error.variable(), "SANDBOX_TIME_SCALE");
/// assert_eq!(error.to_string(), "SANDBOX_TIME_SCALE must be a number, zero or more");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvError {
    variable: &'static str,
}

impl EnvError {
    /// The variable's name.
    pub fn variable(&self) -> &'static str {
        self.variable
    }
}

impl From<&'static str> for EnvError {
    fn from(variable: &'static str) -> Self {
        Self { variable }
    }
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable } = self;
        let wanted = match *variable {
            BIND => "an address and port such as 127.0.0.1:4000",
            API_KEY => "printable ASCII without blanks",
            WEBHOOK_URL | VERIFICATION_URL | AUTHENTICATION_URL | OAUTH_TOKEN_URL => "an absolute http or https URL",
            WEBHOOK_AUTH => "one of none, header, hmac, standard-webhooks, oauth",
            WEBHOOK_SECRET => "set, as SANDBOX_WEBHOOK_AUTH needs it (whsec_ and base64 for standard-webhooks)",
            WEBHOOK_HEADER => "the name of a header",
            OAUTH_CLIENT_ID | OAUTH_CLIENT_SECRET => "set, as SANDBOX_WEBHOOK_AUTH=oauth needs it",
            TOKEN_LIFETIME => "a whole number of seconds",
            TIME_SCALE => "a number, zero or more",
            ALLOWED_HOSTS => "host names or addresses without port, separated by commas",
            _ => "true or false",
        };
        write!(f, "{variable} must be {wanted}")
    }
}

impl std::error::Error for EnvError {}

/// A variable, parsed; none where it is not set or empty.
///
/// # Errors
/// Names the variable where its value can't be parsed.
fn read<T: std::str::FromStr>(
    variable: &impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<Option<T>, EnvError> {
    variable(name).map(|value| value.trim().parse().map_err(|_| EnvError::from(name))).transpose()
}

/// The target of events and its authentication, each part checked by itself so that the error names its variable.
fn webhook(variable: &impl Fn(&str) -> Option<String>) -> Result<Webhook, EnvError> {
    let needed = |name: &'static str| variable(name).ok_or(EnvError::from(name));
    // A missing TLS provider is no fault of the variable: the start says it in words.
    let checked = |webhook: &Webhook, name: &'static str| match WebhookTarget::new_with(webhook, true) {
        Ok(_) => Ok(()),
        Err(_) => Err(EnvError::from(name)),
    };
    let mut webhook = Webhook::default();
    if let Some(url) = variable(WEBHOOK_URL) {
        webhook = Webhook::to(url);
        checked(&webhook, WEBHOOK_URL)?;
    }
    if let Some(url) = variable(VERIFICATION_URL) {
        webhook = webhook.verification_to(url);
        checked(&webhook, VERIFICATION_URL)?;
    }
    if let Some(url) = variable(AUTHENTICATION_URL) {
        webhook = webhook.authentication_to(url);
        checked(&webhook, AUTHENTICATION_URL)?;
    }
    let header = |default: &str| variable(WEBHOOK_HEADER).unwrap_or_else(|| default.to_owned());
    // First the header with a valid value, then the secret with a valid header: so the error names the right variable.
    let header_name = |name: String| {
        let probe = WebhookAuth::Hmac { header: name.clone(), secret: String::new() };
        checked(&Webhook::default().auth(probe), WEBHOOK_HEADER).map(|()| name)
    };
    let (auth, blame) = match variable(WEBHOOK_AUTH).as_deref() {
        None | Some("none") => (WebhookAuth::None, WEBHOOK_AUTH),
        Some("header") => {
            let name = header_name(header("x-incode-secret"))?;
            (WebhookAuth::Header { name, secret: needed(WEBHOOK_SECRET)? }, WEBHOOK_SECRET)
        }
        Some("hmac") => {
            let header = header_name(header("x-incode-signature"))?;
            (WebhookAuth::Hmac { header, secret: needed(WEBHOOK_SECRET)? }, WEBHOOK_SECRET)
        }
        Some("standard-webhooks") => {
            (WebhookAuth::StandardWebhooks { secret: needed(WEBHOOK_SECRET)? }, WEBHOOK_SECRET)
        }
        Some("oauth") => {
            let (client_id, client_secret) = (needed(OAUTH_CLIENT_ID)?, needed(OAUTH_CLIENT_SECRET)?);
            let token_url = needed(OAUTH_TOKEN_URL)?;
            (WebhookAuth::ClientCredentials { token_url, client_id, client_secret }, OAUTH_TOKEN_URL)
        }
        Some(_) => return Err(WEBHOOK_AUTH.into()),
    };
    let webhook = webhook.auth(auth);
    checked(&webhook, blame).map(|()| webhook)
}

const BIND: &str = "SANDBOX_BIND";
const API_KEY: &str = "SANDBOX_API_KEY";
const CLIENT_ID: &str = "SANDBOX_CLIENT_ID";
const WEBHOOK_URL: &str = "SANDBOX_WEBHOOK_URL";
const VERIFICATION_URL: &str = "SANDBOX_VERIFICATION_WEBHOOK_URL";
const AUTHENTICATION_URL: &str = "SANDBOX_AUTHENTICATION_WEBHOOK_URL";
const WEBHOOK_AUTH: &str = "SANDBOX_WEBHOOK_AUTH";
const WEBHOOK_SECRET: &str = "SANDBOX_WEBHOOK_SECRET";
const WEBHOOK_HEADER: &str = "SANDBOX_WEBHOOK_HEADER";
const OAUTH_TOKEN_URL: &str = "SANDBOX_OAUTH_TOKEN_URL";
const OAUTH_CLIENT_ID: &str = "SANDBOX_OAUTH_CLIENT_ID";
const OAUTH_CLIENT_SECRET: &str = "SANDBOX_OAUTH_CLIENT_SECRET";
const TOKEN_LIFETIME: &str = "SANDBOX_TOKEN_LIFETIME";
const TIME_SCALE: &str = "SANDBOX_TIME_SCALE";
const ECHO_CORRELATION_ID: &str = "SANDBOX_ECHO_CORRELATION_ID";
const CLEAN_NAMES: &str = "SANDBOX_CLEAN_NAMES";
const ALLOWED_HOSTS: &str = "SANDBOX_ALLOWED_HOSTS";
