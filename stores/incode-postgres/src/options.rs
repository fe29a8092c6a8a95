use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::failure::Failure;
use super::link::{Link, Target};
use super::pool::Pool;
use super::writer::Accepts;
use super::{PostgresStore, queries, schema, tls};
use crate::store::StoreError;
use crate::store::hub::{Hub, origin};

/// How a [`PostgresStore`] is opened. Its `Debug` shows nothing of the URL.
#[derive(Clone)]
#[must_use]
pub struct PostgresOptions {
    /// One for each host.
    hosts: Vec<Config>,
    trust: Trust,
    roots: Option<PathBuf>,
    schema: Box<str>,
    connections: u32,
    queue_len: usize,
    call_deadline: Duration,
}

/// What the network between is believed to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// No TLS.
    Plain,
    /// TLS where the server has it.
    IfOffered,
    /// TLS, or no connection.
    Required,
}

impl PostgresOptions {
    /// Takes a URL as `libpq` does: `postgres://user:password@host:port/database?name=value&...`, with several hosts
    /// separated by commas, of which the one that takes writes is used: it is looked for among all of them whenever a
    /// connection is made, and one that is silent holds up no other.
    ///
    /// Beside libpq's own names: `schema`, see [`PostgresOptions::schema`]. Of TLS:
    ///
    /// - `sslmode=disable`: none. So it is unless said otherwise when every host is this machine, or a Unix socket.
    /// - `sslmode=require`, `verify-ca` and `verify-full` are one here, and what holds for all other hosts unless said
    ///   otherwise: TLS, and the certificate must be for the host's name, from a public authority or one in the file
    ///   `sslrootcert`.
    /// - `sslmode=prefer` or `allow`: the same if the server offers TLS, otherwise without. Protects from nobody who is
    ///   in between.
    ///
    /// # Errors
    /// `Failed`: the URL can't be read. The error doesn't repeat it.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let refused = |what: &str| StoreError::from(Failure::refused(what));
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        if !["postgres://", "postgresql://"].iter().any(|scheme| base.starts_with(scheme)) {
            return Err(refused("a PostgreSQL URL starts with postgres://"));
        }
        let (mut rest, mut mode, mut roots, mut schema) = (Vec::new(), None, None, "incode".to_owned());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8().map_err(|_| refused("a parameter is no UTF-8"))?;
            match name {
                "schema" => schema = value.into_owned(),
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => roots = Some(PathBuf::from(value.as_ref())),
                _ => rest.push(pair),
            }
        }
        // Its error may repeat a part of the URL.
        let read = |url: String| url.parse::<Config>().map_err(|_| refused("the PostgreSQL URL can't be read"));
        let mut hosts = each_host(base, &rest).into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if hosts.iter().any(|config| config.get_hosts().is_empty() && config.get_hostaddrs().is_empty()) {
            return Err(refused("the PostgreSQL URL names no host"));
        }
        let trust = match mode.as_deref() {
            Some("disable") => Trust::Plain,
            Some("allow" | "prefer") => Trust::IfOffered,
            Some("require" | "verify-ca" | "verify-full") => Trust::Required,
            Some(_) => return Err(refused("sslmode is none that PostgreSQL knows")),
            None if hosts.iter().all(is_here) => Trust::Plain,
            None => Trust::Required,
        };
        for config in &mut hosts {
            config
                .ssl_mode(match trust {
                    Trust::Plain => SslMode::Disable,
                    Trust::IfOffered => SslMode::Prefer,
                    Trust::Required => SslMode::Require,
                })
                .target_session_attrs(TargetSessionAttrs::ReadWrite)
                .keepalives_idle(Duration::from_secs(10))
                .tcp_user_timeout(Duration::from_secs(10));
            if config.get_connect_timeout().is_none() {
                // Of each address behind a name; what comes after is within the deadline for all of it.
                config.connect_timeout(Duration::from_secs(1));
            }
            if config.get_application_name().is_none() {
                config.application_name("incode");
            }
        }
        let options = Self {
            hosts,
            trust,
            roots,
            schema: "incode".into(),
            connections: 8,
            queue_len: 4096,
            call_deadline: Duration::from_secs(4),
        };
        options.schema(&schema)
    }

    /// The schema that holds the tables; `incode` unless said otherwise. Made when it does not exist. 1 to 48 of `a-z`,
    /// `0-9` and `_`, not starting with a digit.
    ///
    /// # Errors
    /// `Failed`: it is no such name.
    pub fn schema(mut self, name: &str) -> Result<Self, StoreError> {
        if !is_plain(name) {
            return Err(Failure::refused("the schema's name is not plain").into());
        }
        self.schema = name.into();
        Ok(self)
    }

    /// How many connections do what is neither accepted nor only looked up, at most; 8 unless said otherwise, at least 1.
    /// Three more are for deliveries, for what the gate asks, and for the news of other processes.
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections.clamp(1, 1_000);
        self
    }

    /// How many deliveries wait at most for the writer. 4096 unless said otherwise, at least 1. When as many wait,
    /// `accept` fails at once with [`StoreErrorKind::Busy`](crate::store::StoreErrorKind::Busy), and the vendor delivers again.
    pub fn queue_len(mut self, deliveries: usize) -> Self {
        self.queue_len = deliveries.clamp(1, 1 << 20);
        self
    }

    /// How long the server may take for one call before it is given up, with its connection. 4 s unless said otherwise:
    /// less than the vendor's patience with a delivery.
    pub fn call_deadline(mut self, deadline: Duration) -> Self {
        self.call_deadline = deadline;
        self
    }

    /// Connects, and brings the tables to this version. Several processes may do so at once.
    ///
    /// # Errors
    /// `Unavailable`: the server can't be reached, or refuses the user. `Incompatible`: the schema belongs to another
    /// program, or to a newer version that this one can't work beside. `Failed`: the user may not create tables.
    pub async fn open(self) -> Result<PostgresStore, StoreError> {
        let tls = match self.trust {
            Trust::Plain => None,
            Trust::IfOffered | Trust::Required => Some(tls::verified(self.roots.as_deref())?),
        };
        let target = Arc::new(Target {
            hosts: self.hosts,
            latest: AtomicUsize::new(0),
            tls,
            schema: self.schema,
            call_deadline: self.call_deadline,
            origin: origin()?,
        });
        let link = Link::connect_within(OPEN_DEADLINE, &target, None).await?;
        schema::migrate(&link).await?;
        if !queries::is_fsync_on(&link).await? {
            tracing::warn!(
                "the PostgreSQL server runs without fsync: a crash of its machine loses what was acknowledged"
            );
        }
        let hub = Hub::new();
        let accepts = Accepts::new(Arc::clone(&target), link, self.queue_len);
        let pool = Arc::new(Pool::new(target, Arc::clone(&hub), self.connections));
        Ok(PostgresStore { accepts, pool, hub })
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// A name that needs no quoting, so that it can't be more than a name.
fn is_plain(name: &str) -> bool {
    (1..=48).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with("pg_")
}

/// A URL for each host that `base` names, or one for all where parameters name them.
fn each_host(base: &str, parameters: &[&str]) -> Vec<String> {
    let query = if parameters.is_empty() { String::new() } else { format!("?{}", parameters.join("&")) };
    let names_hosts = |pair: &&str| ["host=", "hostaddr=", "port="].iter().any(|name| pair.starts_with(name));
    let authority = base.find("://").map_or(0, |at| at + 3);
    // As the client reads it: the user ends at the first `@`, and may have a `/` in the password.
    let from = base.get(authority..).and_then(|rest| rest.find('@')).map_or(authority, |at| authority + at + 1);
    let to = base.get(from..).and_then(|rest| rest.find('/')).map_or(base.len(), |at| from + at);
    match (base.get(..from), base.get(from..to), base.get(to..)) {
        (Some(user), Some(hosts), Some(database)) if !parameters.iter().any(names_hosts) => {
            hosts.split(',').map(|host| format!("{user}{host}{database}{query}")).collect()
        }
        _ => vec![format!("{base}{query}")],
    }
}

/// Every host is this machine.
fn is_here(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            let address = name.parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    });
    hosts && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

/// At the start nobody waits for an answer, and everything else starts at the same time.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);
