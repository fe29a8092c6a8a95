use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Host;

use super::retry::RetryPolicy;
use super::{Client, Shared, common_headers, no_tls};
use crate::{ConfigError, Secret, Token};

/// Settings of a [`Client`]. Complete and safe as [`Client::builder`] makes it.
///
/// Proxies are taken from the environment (`HTTPS_PROXY`, `NO_PROXY`) as usual, but never for a loopback host.
#[must_use]
#[derive(Clone)]
pub struct ClientBuilder {
    base_url: String,
    api_key: Secret,
    hardware_id: Secret,
    root_certificates: Vec<Vec<u8>>,
    connect_timeout: Duration,
    attempt_timeout: Duration,
    call_timeout: Duration,
    max_answer_bytes: usize,
    retry: RetryPolicy,
}

impl ClientBuilder {
    pub(super) fn new(base_url: &str, api_key: Secret) -> Self {
        Self {
            base_url: base_url.to_owned(),
            api_key,
            hardware_id: Secret::from("server"),
            root_certificates: Vec::new(),
            connect_timeout: Duration::from_secs(3),
            attempt_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(20),
            max_answer_bytes: 1024 * 1024,
            retry: RetryPolicy::default(),
        }
    }

    /// How long a connection may take to be made, TLS included. Default 3 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one attempt may take, from connecting to the last byte of the answer. Default 10 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How long a GET may take with its retries. Default 20 s.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// The longest answer taken, in bytes. Default 1 MiB; real ones are a few KiB.
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        self.max_answer_bytes = bytes;
        self
    }

    /// How often a GET is repeated after a transport error or a 5xx. Default 2.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retry.retries = retries;
        self
    }

    /// The wait before the first retry, give or take a half; each later one is three times as long. Default 100 ms.
    pub fn retry_wait(mut self, wait: Duration) -> Self {
        self.retry.first_wait = wait;
        self
    }

    /// What `X-Incode-Hardware-Id` carries on [`Client::authenticate`] when the caller holds no token: the header is
    /// mandatory, and the spec names no token for that call. Default `server`.
    pub fn hardware_id(mut self, value: &str) -> Self {
        self.hardware_id = Secret::from(value);
        self
    }

    /// Trusts one more root, DER or PEM (then all certificates in it), beside the public ones compiled in. For a
    /// gateway with a private certificate authority, and for tests.
    pub fn root_certificate(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(certificate.into());
        self
    }

    /// Checks everything and makes the client. Connects to nothing yet.
    ///
    /// # Errors
    /// [`ConfigError`] names the first wrong setting: `base url`, `api key`, `hardware id`, `root certificate`, and
    /// `tls` if the base URL is https and there is no TLS provider: neither by a feature (`tls-ring`, `tls-aws-lc-rs`),
    /// nor installed by the process.
    pub fn build(self) -> Result<Client, ConfigError> {
        let (base_url, loopback) = checked_base_url(&self.base_url)?;
        let api_key = header_value("api key", &self.api_key)?;
        let hardware_id = header_value("hardware id", &self.hardware_id)?;
        let is_https = base_url.scheme() == "https";

        let mut http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(&self.root_certificates, is_https)?)
            .https_only(is_https)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(LONGEST_IDLE);
        if loopback {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|_| ConfigError::new("http client", "could not be made"))?;

        let shared = Shared {
            http,
            base_url,
            headers: common_headers(api_key),
            hardware_id,
            attempt_timeout: self.attempt_timeout.min(LONGEST),
            call_timeout: self.call_timeout.min(LONGEST),
            max_answer_bytes: self.max_answer_bytes,
            retry: self.retry,
        };
        Ok(Client { shared: Arc::new(shared) })
    }
}

/// Without the base URL, which is not checked yet and may hold a password.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("connect_timeout", &self.connect_timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("call_timeout", &self.call_timeout)
            .field("max_answer_bytes", &self.max_answer_bytes)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// The URL, and whether it stays on this machine.
fn checked_base_url(text: &str) -> Result<(Url, bool), ConfigError> {
    let refuse = |problem| Err(ConfigError::new("base url", problem));
    let Ok(url) = Url::parse(text) else { return refuse("is not an absolute URL") };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => return refuse("has no host"),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err(ConfigError::insecure("base url", "must be https (plain http is for loopback only)")),
        _ => return refuse("must be https"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("must not hold a user or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("must not hold a query or fragment");
    }
    Ok((url, loopback))
}

/// The characters of a [`Token`] are those that any header can carry as they are.
fn header_value(setting: &'static str, secret: &Secret) -> Result<HeaderValue, ConfigError> {
    let legal = std::str::from_utf8(secret.expose()).ok().and_then(|text| Token::new(text).ok());
    let Some(mut value) = legal.and_then(|token| HeaderValue::from_str(token.expose()).ok()) else {
        return Err(ConfigError::new(setting, "is empty, too long, or no legal header value"));
    };
    value.set_sensitive(true);
    Ok(value)
}

/// Plain http needs no provider: its calls then have a configuration that refuses to make a TLS connection.
fn tls(extra_roots: &[Vec<u8>], is_https: bool) -> Result<rustls::ClientConfig, ConfigError> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in extra_roots {
        for certificate in certificates(root)? {
            roots.add(certificate).map_err(|_| ConfigError::new("root certificate", "is no certificate"))?;
        }
    }
    let provider = match provider() {
        Some(provider) => provider,
        None if is_https => return Err(ConfigError::missing("tls", NO_PROVIDER)),
        None => Arc::new(no_tls::provider()),
    };
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| ConfigError::new("tls", "has no protocol version"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
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

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'_>>, ConfigError> {
    // DER starts with a SEQUENCE; any text before the first armour line is legal PEM.
    if bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    match CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(ConfigError::new("root certificate", "is neither DER nor PEM")),
    }
}

const NO_PROVIDER: &str = "https needs a TLS provider: enable the feature tls-aws-lc-rs or tls-ring of incode-tower, \
    incode-actix or incode-core, or first install one with CryptoProvider::install_default of rustls";

/// Also the ASCII digit `0`, which no sensible PEM file starts with.
const DER_SEQUENCE: u8 = 0x30;

/// Less than the idle time-out usual at servers (60 s): a face that is sent on a connection just being closed is lost, and
/// not sent again.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// Keeps `Instant` arithmetic from overflowing on a setting like `Duration::MAX`.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
