use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::RedisStore;
use super::failure::Failure;
use super::link::Link;
use crate::store::hub::{Hub, origin};
use crate::store::{StoreError, StoreErrorKind};

/// How a [`RedisStore`] is opened. Its `Debug` shows nothing of the URL.
#[derive(Clone)]
#[must_use]
pub struct RedisOptions {
    server: ConnectionInfo,
    /// A file of certificates to trust instead of the usual ones.
    authorities: Option<PathBuf>,
    prefix: Box<str>,
    strict: bool,
    calls: u32,
    call_deadline: Duration,
}

impl RedisOptions {
    /// Takes a URL: `redis://user:password@host:port/database`, or `rediss://` for TLS. The certificate must be for the
    /// host's name, from a public authority or one that this machine trusts; with `?ssl_ca_certs=FILE` (PEM), from one
    /// in that file alone.
    ///
    /// # Errors
    /// `Failed`: the URL can't be read. The error doesn't repeat it.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let refused = |what: &str| StoreError::from(Failure::refused(what));
        if !["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(refused("a Redis URL starts with redis:// or rediss://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut rest, mut authorities) = (Vec::new(), None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.strip_prefix("ssl_ca_certs=").map(|file| percent_decode_str(file).decode_utf8()) {
                Some(Ok(file)) => authorities = Some(PathBuf::from(file.as_ref())),
                Some(Err(_)) => return Err(refused("a parameter is no UTF-8")),
                None => rest.push(pair),
            }
        }
        let rest = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        // Its errors may repeat a part of the URL.
        let info = rest.into_connection_info().map_err(|_| refused("the Redis URL can't be read"))?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            return Err(refused("a certificate that is not looked at protects nothing"));
        }
        if authorities.is_some() && !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Err(refused("ssl_ca_certs is for rediss://"));
        }
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let options = Self {
            server: info.set_redis_settings(settings),
            authorities,
            prefix: "".into(),
            strict: false,
            calls: 4096,
            call_deadline: Duration::from_secs(4),
        };
        options.name("incode")
    }

    /// What every key starts with, in braces, so that all of them are in one slot of a cluster: `{incode}:` unless said
    /// otherwise. 1 to 48 letters, digits, `_`, `-` and `.`.
    ///
    /// # Errors
    /// `Failed`: it is no such name.
    pub fn name(mut self, name: &str) -> Result<Self, StoreError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if !(1..=48).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err(Failure::refused("the name before the keys is not plain").into());
        }
        self.prefix = format!("{{{name}}}:").into();
        Ok(self)
    }

    /// Refuses a server that may lose what was acknowledged, or that does not tell how it is set: `appendonly yes`,
    /// `appendfsync always` and `maxmemory-policy noeviction` are what is needed. Unless set, a warning says what is not so.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// How many calls are under way at most. 4096 unless said otherwise, at least 1. When as many are, `accept` fails at
    /// once with [`StoreErrorKind::Busy`]; every other call waits for its place.
    pub fn calls(mut self, calls: u32) -> Self {
        self.calls = calls.clamp(1, 1 << 20);
        self
    }

    /// How long the server may take for one call before it is given up, with the connection. 4 s unless said otherwise.
    pub fn call_deadline(mut self, deadline: Duration) -> Self {
        self.call_deadline = deadline;
        self
    }

    /// Connects, and looks how the server is set.
    ///
    /// # Errors
    /// `Unavailable`: the server can't be reached, or refuses the user. `Incompatible`: the keys are of a newer version.
    /// `Failed`: it may lose what is acknowledged, and [`RedisOptions::strict`] is set.
    pub async fn open(self) -> Result<RedisStore, StoreError> {
        // The client takes the process's provider, and would panic where two are compiled in and none is chosen.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = client(self.server, self.authorities.as_deref())?;
        let hub = Hub::new();
        let link = Link::new(client, self.prefix, origin()?, Arc::clone(&hub), self.call_deadline, self.calls);
        check_version(&link).await?;
        if let Some(problem) = loses(&link).await? {
            if self.strict {
                return Err(StoreError::with_source(StoreErrorKind::Failed, problem));
            }
            tracing::warn!("Redis may lose what was acknowledged: {problem}");
        }
        Ok(RedisStore { link: Arc::new(link), hub })
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

fn client(server: ConnectionInfo, authorities: Option<&Path>) -> Result<Client, Failure> {
    let unusable = |what| Failure::new(StoreErrorKind::Unavailable, what);
    let Some(file) = authorities else {
        return Client::open(server).map_err(|_| unusable("the server can't be asked over this address"));
    };
    let pem = std::fs::read(file).map_err(|_| unusable("ssl_ca_certs can't be read"))?;
    if CertificateDer::pem_slice_iter(&pem).next().is_none() {
        return Err(unusable("ssl_ca_certs holds no certificate"));
    }
    let trusted = TlsCertificates { client_tls: None, root_cert: Some(pem) };
    Client::build_with_tls(server, trusted).map_err(|_| unusable("ssl_ca_certs holds an unusable certificate"))
}

/// Keys know no columns to be added, so a version that only adds leaves the number as it is.
async fn check_version(link: &Link) -> Result<(), Failure> {
    let mut claim = redis::cmd("SET");
    claim.arg(link.key("version")).arg(VERSION).arg("NX").arg("GET");
    let known: Option<u64> = link.ask(&claim).await?;
    match known {
        Some(known) if known > VERSION => {
            Err(Failure::new(StoreErrorKind::Incompatible, "the keys were written by a newer version"))
        }
        _ => Ok(()),
    }
}

/// What is wrong with the server's settings, if something is.
async fn loses(link: &Link) -> Result<Option<&'static str>, Failure> {
    let setting = async |name: &str| {
        let answer = link.ask::<HashMap<String, String>>(redis::cmd("CONFIG").arg("GET").arg(name)).await;
        match answer {
            Ok(all) => Ok(all.get(name).cloned()),
            // Servers that are rented often don't tell.
            Err(failure) if !failure.broken => Ok(None),
            Err(failure) => Err(failure),
        }
    };
    let (appends, syncs, evicts) =
        (setting("appendonly").await?, setting("appendfsync").await?, setting("maxmemory-policy").await?);
    Ok(match (appends.as_deref(), syncs.as_deref(), evicts.as_deref()) {
        (None, ..) | (_, None, _) | (.., None) => Some("it does not tell how it is set"),
        (Some("yes"), Some("always"), Some("noeviction")) => None,
        (Some("yes"), Some("always"), _) => Some("maxmemory-policy is not noeviction, so rows may be thrown away"),
        (Some("yes"), ..) => Some("appendfsync is not always, so a crash of its machine loses what came last"),
        _ => Some("appendonly is not yes, so its restart loses what came last"),
    })
}

const VERSION: u64 = 1;
