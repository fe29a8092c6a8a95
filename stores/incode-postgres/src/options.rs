//! How the store is opened.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use incode_core::store::hub::ChangeHub;
use incode_core::store::{OpenFuture, OpenStore, Store, StoreError};
use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host as ConfigHost, SslMode};

use super::accept::Accepts;
use super::connection::{Connection, DEFAULT_SCHEMA, Host, Target};
use super::error::Failure;
use super::pool::Pool;
use super::store::PostgresStore;
use super::{schema, tls};

/// How a [`PostgresStore`] is opened. Its `Debug` shows nothing of the URL.
///
/// ```
/// use incode_postgres::PostgresOptions;
///
/// # fn main() -> Result<(), incode_core::store::StoreError> {
/// // Behind a transaction pooler: notices need a direct way.
/// let options = PostgresOptions::new("postgres://app:secret@pooler.internal:6432/app")?
///     .listen_url("postgres://app:secret@db.internal/app")?
///     .connections(4);
/// assert!(!format!("{options:?}").contains("secret"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct PostgresOptions {
    url: Url,
    /// `None`: the same URL.
    listen: Option<Url>,
    /// A plain name, so that it can be put into statements.
    schema: Box<str>,
    /// Bounds the transactions under way, and with them the load on the server.
    connections: u32,
    /// Bounds the deliveries that wait for a commit, and with them the memory of a flood.
    queue_len: usize,
    /// Less than the sender of an event waits: it must get an answer before it gives up.
    call_deadline: Duration,
}

/// What a URL says of connections.
#[derive(Clone)]
struct Url {
    /// One for each host.
    hosts: Vec<Config>,
    /// The same for every host.
    mode: TlsMode,
    /// Read when the store is opened: a file that is missing fails the start.
    files: tls::Files,
    /// Of the parameter `schema`.
    schema: Option<String>,
}

/// Whether connections are encrypted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TlsMode {
    /// Without TLS: the default for this machine.
    Never,
    /// TLS where the server has it.
    IfOffered,
    /// TLS, or no connection.
    Required,
}

impl PostgresOptions {
    /// Takes a URL as `libpq` does: `postgres://user:password@host:port/database?name=value&...`.
    ///
    /// Several hosts are separated by commas. The one that takes writes is used: it is looked for whenever a connection
    /// is made, and a host that is silent holds up no other. A password that the URL lacks is taken from `PGPASSWORD`.
    /// `.pgpass` and service files are not read. Beside libpq's own parameters there is `schema`, see
    /// [`PostgresOptions::schema`]. A parameter that is not known is refused.
    ///
    /// | `sslmode` | what it means here |
    /// |---|---|
    /// | `disable` | No TLS. The default where every host is this machine, or a Unix socket. |
    /// | `prefer`, `allow` | TLS if the server offers it. Protects against nothing that stands in between. |
    /// | `require`, `verify-ca`, `verify-full` | TLS. The certificate is verified, and must be for the host's name. The default for every other host. |
    ///
    /// `sslrootcert` names a PEM file with the only authorities to trust; without it, and for `system`, the public ones
    /// are trusted. `sslcert` and `sslkey` name a client certificate and its key, in PEM and not encrypted.
    ///
    /// # Errors
    /// `Failed`: the URL can't be read. The error doesn't repeat it.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let url = Url::parse(url)?;
        let schema = url.schema.clone();
        let options = Self {
            url,
            listen: None,
            schema: DEFAULT_SCHEMA.into(),
            connections: 8,
            queue_len: 4096,
            call_deadline: Duration::from_secs(4),
        };
        match schema {
            Some(schema) => options.schema(&schema),
            None => Ok(options),
        }
    }

    /// The schema that holds the tables; `incode` unless said otherwise. Made when it does not exist. 1 to 48 of `a-z`,
    /// `0-9` and `_`, not starting with a digit.
    ///
    /// # Errors
    /// `Failed`: it is no such name.
    pub fn schema(mut self, name: &str) -> Result<Self, StoreError> {
        if !is_plain(name) {
            return Err(Failure::failed("the schema's name may hold a-z, 0-9 and _ only").into());
        }
        self.schema = name.into();
        Ok(self)
    }

    /// Where the store listens for changes of other processes: a URL of the same database that keeps a session for each
    /// connection. The main URL unless said otherwise.
    ///
    /// Needed behind a transaction pooler (PgBouncer with `pool_mode=transaction`, Supavisor, RDS Proxy): `LISTEN` needs
    /// a session, and everything else works without one. Without it no process caches anything, and that is logged.
    ///
    /// # Errors
    /// `Failed`: the URL can't be read.
    pub fn listen_url(mut self, url: &str) -> Result<Self, StoreError> {
        self.listen = Some(Url::parse(url).map_err(|failure| failure.at("listen_url"))?);
        Ok(self)
    }

    /// How many transactions are under way at most; 8 unless said otherwise, at least 1. Up to three more connections are
    /// made: for deliveries, for what gates ask, and for notices of other processes.
    ///
    /// Where the server allows fewer the store works with those, two at least, and calls wait for each other.
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections.clamp(1, 1_000);
        self
    }

    /// How many deliveries wait at most for the writer. 4096 unless said otherwise, at least 1. When as many wait,
    /// `accept` fails at once with [`StoreErrorKind::Busy`](incode_core::store::StoreErrorKind::Busy), and the vendor
    /// delivers again.
    pub fn queue_len(mut self, deliveries: usize) -> Self {
        self.queue_len = deliveries.clamp(1, 1 << 20);
        self
    }

    /// How long the server may take for one call before it is given up, with its connection. 4 s unless said otherwise:
    /// less than the vendor waits for the answer to a delivery.
    pub fn call_deadline(mut self, deadline: Duration) -> Self {
        self.call_deadline = deadline;
        self
    }

    /// Connects, and makes the tables where there are none. Several processes may do so at once.
    ///
    /// # Errors
    /// `Unavailable`: no host can be reached, takes writes and lets the role in. `Incompatible`: the schema belongs to
    /// another program or version. `Failed`: the role lacks a right, or the database's encoding is not UTF8.
    ///
    /// The source says which, with host and port, and repeats nothing else of the URL.
    pub async fn open(self) -> Result<PostgresStore, StoreError> {
        let is_listen_shared = self.listen.is_none();
        let listen = self.listen.map(|url| url.target(&self.schema)).transpose()?.map(Arc::new);
        let target = Arc::new(self.url.target(&self.schema)?);
        let listen = listen.unwrap_or_else(|| Arc::clone(&target));
        let connection = Connection::open(&target, OPEN_DEADLINE).await?;
        let hub = ChangeHub::new(&schema::prepare(&connection).await?)?;
        let pool = Pool::new(connection, hub, self.connections, self.call_deadline);
        let accepts = Accepts::new(Arc::clone(&pool), self.queue_len);
        Ok(PostgresStore { accepts, pool, listen, is_listen_shared })
    }

    /// One connection to the host that takes writes, and nothing looked at or made.
    pub(crate) async fn connect(self) -> Result<Connection, StoreError> {
        let target = Arc::new(self.url.target(&self.schema)?);
        Ok(Connection::open(&target, OPEN_DEADLINE).await?)
    }
}

impl OpenStore for PostgresOptions {
    fn open(self: Box<Self>) -> OpenFuture {
        Box::pin(async move { Ok(Arc::new(Self::open(*self).await?) as Arc<dyn Store>) })
    }
}

impl PostgresStore {
    /// Opens a URL with the defaults of [`PostgresOptions`].
    ///
    /// # Errors
    /// As [`PostgresOptions::new`] and [`PostgresOptions::open`].
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        PostgresOptions::new(url)?.open().await
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Url {
    /// Reads the URL. Errors name parameters and never values: a password may be among them.
    fn parse(url: &str) -> Result<Self, Failure> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        if !is_ours(base) {
            return Err(Failure::failed("a PostgreSQL URL starts with postgres://"));
        }
        let (mut rest, mut mode, mut schema) = (Vec::new(), None, None);
        let (mut roots, mut certificate, mut key) = (None, None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = percent_decode_str(value).decode_utf8();
            let value = decoded.map_err(|_| Failure::failed(format!("the parameter {} is not UTF-8", shown(name))))?;
            let path = || Some(Box::<Path>::from(Path::new(value.as_ref())));
            match name {
                "schema" => schema = Some(value.into_owned()),
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => roots = path().filter(|path| path.as_os_str() != "system"),
                "sslcert" => certificate = path(),
                "sslkey" => key = path(),
                // Every connection is for writes, whatever is asked for.
                "target_session_attrs" | "gssencmode" => {}
                name if is_listed(TO_CLIENT, name) => rest.push(pair),
                name if is_listed(NOT_SUPPORTED, name) => {
                    return Err(Failure::failed(format!("the parameter {name} is not supported")));
                }
                name => return Err(Failure::failed(format!("the parameter {} is unknown", shown(name)))),
            }
        }
        // Its error may repeat a part of the URL.
        let read = |url: String| url.parse::<Config>().map_err(|_| Failure::failed("the PostgreSQL URL can't be read"));
        let mut hosts = each_host(base, &rest).into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if hosts.iter().any(|config| config.get_hosts().is_empty() && config.get_hostaddrs().is_empty()) {
            return Err(Failure::failed("the PostgreSQL URL names no host"));
        }
        let mode = match mode.as_deref() {
            Some("disable") => TlsMode::Never,
            Some("allow" | "prefer") => TlsMode::IfOffered,
            Some("require" | "verify-ca" | "verify-full") => TlsMode::Required,
            Some(_) => return Err(Failure::failed("sslmode is none that PostgreSQL knows")),
            None if hosts.iter().all(is_here) => TlsMode::Never,
            None => TlsMode::Required,
        };
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(Failure::failed("sslcert and sslkey are needed both, or neither")),
        };
        hosts.iter_mut().for_each(|config| complete(config, mode));
        Ok(Self { hosts, mode, files: tls::Files { roots, client }, schema })
    }

    /// The hosts with their settings, ready to connect.
    fn target(self, schema: &str) -> Result<Target, Failure> {
        let tls = match self.mode {
            TlsMode::Never => None,
            TlsMode::IfOffered | TlsMode::Required => Some(tls::verified(&self.files)?),
        };
        let hosts = self.hosts.into_iter().map(|config| Host { name: name_of(&config).into(), config }).collect();
        Ok(Target { hosts, latest: AtomicUsize::new(0), tls, schema: schema.into() })
    }
}

/// Sets what this store needs and the URL does not say. What the URL says stays.
fn complete(config: &mut Config, mode: TlsMode) {
    config
        .ssl_mode(match mode {
            TlsMode::Never => SslMode::Disable,
            TlsMode::IfOffered => SslMode::Prefer,
            TlsMode::Required => SslMode::Require,
        })
        .keepalives_idle(Duration::from_secs(10))
        .tcp_user_timeout(Duration::from_secs(10));
    if config.get_connect_timeout().is_none() {
        // For each address of a name. What comes after has the deadline of the whole connection.
        config.connect_timeout(Duration::from_secs(1));
    }
    if config.get_application_name().is_none() {
        config.application_name("incode");
    }
    if config.get_password().is_none()
        && let Ok(password) = std::env::var("PGPASSWORD")
    {
        config.password(password);
    }
}

/// Whether the scheme is PostgreSQL's.
pub(crate) fn is_ours(url: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
}

/// Whether a name is in a list that is separated by commas.
fn is_listed(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|listed| listed == name)
}

/// A name that needs no quoting, so that it can't be more than a name.
fn is_plain(name: &str) -> bool {
    (1..=48).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with("pg_")
}

/// A parameter's name as an error may repeat it: one that is not plain may be a part of a password with a `?`.
fn shown(name: &str) -> &str {
    if is_plain(name) { name } else { "(not a plain name)" }
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

/// `host:port`, or the folder of a socket.
fn name_of(config: &Config) -> String {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let address = config.get_hostaddrs().first().map(ToString::to_string);
    let host = match config.get_hosts().first() {
        Some(ConfigHost::Tcp(name)) => Some(name.clone()),
        #[cfg(unix)]
        Some(ConfigHost::Unix(folder)) => Some(folder.display().to_string()),
        None => None,
    };
    format!("{}:{port}", host.or(address).unwrap_or_default())
}

/// Every host is this machine.
fn is_here(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        ConfigHost::Tcp(name) => {
            let address = name.parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        ConfigHost::Unix(_) => true,
    });
    hosts && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

/// At the start no caller waits, and everything else on the machine starts at the same time.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);
/// Parameters that the client reads itself.
const TO_CLIENT: &str = "user password dbname options application_name sslnegotiation host hostaddr port connect_timeout \
    tcp_user_timeout keepalives keepalives_idle keepalives_interval keepalives_retries channel_binding \
    load_balance_hosts";
/// libpq's, which are understood and do not work here.
const NOT_SUPPORTED: &str = "passfile service sslpassword sslcrl sslcrldir sslsni requirepeer krbsrvname gsslib replication \
    client_encoding require_auth";

#[cfg(test)]
mod tests;
