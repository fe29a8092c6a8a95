//! How the store is opened: the URL, and what can be set besides.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use incode_core::store::{OpenFuture, OpenStore, Store, StoreError};
use percent_encoding::percent_decode_str;
use redis::{ProtocolVersion, RedisConnectionInfo};
use url::{Host, Url};

use crate::connection::{Address, Server};
use crate::error::Failure;
use crate::store::RedisStore;

/// How a [`RedisStore`] is opened. Its `Debug` shows nothing of the URL.
///
/// ```
/// use incode_redis::RedisOptions;
///
/// # fn main() -> Result<(), incode_core::store::StoreError> {
/// // `strict`: a server that could lose an acknowledged event is refused.
/// let options = RedisOptions::new("rediss://app:secret@redis.internal/0")?.name("members")?.strict();
/// assert!(!format!("{options:?}").contains("secret"));
/// // A misspelt parameter is an error that names it.
/// assert!(RedisOptions::new("redis://redis.internal/?timeout=5").is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct RedisOptions {
    address: Address,
    /// In braces and with a colon.
    prefix: Box<str>,
    /// A server that may lose rows is refused, instead of a warning.
    strict: bool,
    /// Bounds the calls under way, and with them the memory when the server is silent.
    calls: u32,
    /// Less than the sender of an event waits: it must get an answer before it gives up.
    call_deadline: Duration,
}

impl RedisStore {
    /// Opens `url` (`redis://host`), with keys that start with `{incode}:`.
    ///
    /// # Errors
    /// As [`RedisOptions::open`].
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        RedisOptions::new(url)?.open().await
    }
}

/// Reads a URL of this engine: `None` when the scheme is another engine's.
///
/// Addresses of Redis that are not supported (`unix`, `redis+unix`, `redis-sentinel`, ..) are this engine's too: the error
/// says what to write instead.
pub fn from_url(url: &str) -> Option<Result<RedisOptions, StoreError>> {
    let (scheme, _) = url.split_once(':')?;
    let is_ours = scheme == "unix" || scheme.starts_with("redis") || scheme.starts_with("valkey");
    is_ours.then(|| RedisOptions::new(url))
}

impl RedisOptions {
    /// Takes a URL: `redis://user:password@host:port/database`, or `rediss://` for TLS. Parameters:
    /// - `ssl_ca_certs=FILE`, with `rediss://`: the certificate must be from an authority in this PEM file. Without it,
    ///   from a public authority or one that this machine trusts.
    ///
    /// # Errors
    /// `Failed`: the URL can't be read, or names something that is not supported. The error names unknown parameters
    /// without their values, and nothing else of the URL.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let options = Self {
            address: address(url.trim())?,
            prefix: "".into(),
            strict: false,
            calls: 4096,
            call_deadline: Duration::from_secs(4),
        };
        options.name("incode")
    }

    /// What every key starts with, in braces, so that all of them are in one slot: `{incode}:` unless said otherwise.
    /// 1 to 48 letters, digits, `_`, `-` and `.`.
    ///
    /// # Errors
    /// `Failed`: it is no such name.
    pub fn name(mut self, name: &str) -> Result<Self, StoreError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if !(1..=48).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err(Failure::failed("the name before the keys is not plain").into());
        }
        self.prefix = format!("{{{name}}}:").into();
        Ok(self)
    }

    /// Refuses a server that may lose what was acknowledged, or whose settings can't be read: `appendonly yes`,
    /// `appendfsync always` and `maxmemory-policy noeviction` are needed. Unless set, a warning names what is different.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// How many calls are under way at most. 4096 unless said otherwise, at least 1. When as many are, `accept` fails at
    /// once with [`Busy`](incode_core::store::StoreErrorKind::Busy); every other call waits for its place.
    pub fn calls(mut self, calls: u32) -> Self {
        self.calls = calls.clamp(1, 1 << 20);
        self
    }

    /// How long the server may take for one call before it is given up, with the connection. 4 s unless said otherwise.
    pub fn call_deadline(mut self, deadline: Duration) -> Self {
        self.call_deadline = deadline;
        self
    }

    /// Connects, and checks the server: its kind and version, the user's rights, how durable it is.
    ///
    /// Without the right to the channel of the notices the store opens with a warning: [`LifeCycle::feed`] stays down.
    ///
    /// # Errors
    /// `Unavailable`: the server can't be reached, is a replica, or refuses the user; the cause names the host, and rights
    /// that are missing. `Incompatible`: the keys are of another version. `Failed`: it is a node of Redis Cluster, a
    /// Sentinel, or older than Redis 7; or it may lose what is acknowledged, and [`RedisOptions::strict`] is set.
    ///
    /// [`LifeCycle::feed`]: incode_core::store::LifeCycle::feed
    pub async fn open(self) -> Result<RedisStore, StoreError> {
        let server = Server::new(self.address, self.prefix, self.call_deadline, self.calls)?;
        Ok(RedisStore::over(server, self.strict).await?)
    }
}

impl OpenStore for RedisOptions {
    fn open(self: Box<Self>) -> OpenFuture {
        Box::pin(async { Ok(Arc::new((*self).open().await?) as Arc<dyn Store>) })
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Reads the URL. Errors of the parser are not passed on: they may repeat a part of it.
fn address(url: &str) -> Result<Address, Failure> {
    let (scheme, _) = url.split_once("://").unwrap_or_default();
    let is_tls = match scheme {
        "redis" => false,
        "rediss" => true,
        "unix" | "redis+unix" | "valkey+unix" => {
            return Err(Failure::failed("unix sockets of Redis are not supported: write redis://host:port"));
        }
        scheme if scheme.contains("sentinel") => {
            return Err(Failure::failed("Redis Sentinel is not supported: write redis://host:port of the primary"));
        }
        _ => return Err(Failure::failed("a Redis URL starts with redis:// or rediss://")),
    };
    let url = Url::parse(url).map_err(|_| Failure::failed("the Redis URL can't be read"))?;
    if url.fragment().is_some() {
        return Err(Failure::failed("a Redis URL has no part after #: a certificate is always verified"));
    }
    let host = match url.host() {
        Some(Host::Domain(host)) if !host.is_empty() => decode(host)?.into_owned(),
        Some(Host::Ipv4(host)) => host.to_string(),
        Some(Host::Ipv6(host)) => host.to_string(),
        _ => return Err(Failure::failed("the Redis URL names no host")),
    };
    if host.contains(',') {
        return Err(Failure::failed("a Redis URL names one host"));
    }
    Ok(Address {
        host,
        port: url.port().unwrap_or(6379),
        login: login(&url)?,
        tls: is_tls.then_some(authorities(&url, is_tls)?),
    })
}

/// User, password and database number of the URL. The protocol is RESP3: notices are pushed over it.
fn login(url: &Url) -> Result<RedisConnectionInfo, Failure> {
    let mut login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
    if !url.username().is_empty() {
        login = login.set_username(decode(url.username())?);
    }
    if let Some(password) = url.password() {
        login = login.set_password(decode(password)?);
    }
    match url.path().trim_matches('/') {
        "" => Ok(login),
        database => {
            let number = database.parse().map_err(|_| Failure::failed("the database in the Redis URL is no number"))?;
            Ok(login.set_db(number))
        }
    }
}

/// The only parameter there is.
fn authorities(url: &Url, is_tls: bool) -> Result<Option<PathBuf>, Failure> {
    let mut file = None;
    for (name, value) in url.query_pairs() {
        match &*name {
            "ssl_ca_certs" if is_tls => file = Some(PathBuf::from(value.as_ref())),
            "ssl_ca_certs" => return Err(Failure::failed("ssl_ca_certs is for rediss://")),
            // A name that is not plain may be a part of the password.
            name if name.len() <= 32
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)) =>
            {
                return Err(Failure::failed(format!("unknown parameter in the Redis URL: {name}")));
            }
            _ => return Err(Failure::failed("unknown parameter in the Redis URL")),
        }
    }
    Ok(file)
}

/// Undoes percent-encoding: passwords may hold any character.
fn decode(text: &str) -> Result<Cow<'_, str>, Failure> {
    percent_decode_str(text).decode_utf8().map_err(|_| Failure::failed("a part of the Redis URL is no UTF-8"))
}
