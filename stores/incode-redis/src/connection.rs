//! The one connection for all calls, made anew when it is lost.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use incode_core::store::StoreErrorKind;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, RedisConnectionInfo, ToRedisArgs, Value};
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::error::Failure;
use crate::scripts::Script;
use crate::tls;

/// The server's address, and the user to log in as.
#[derive(Clone)]
pub(crate) struct Address {
    /// A name or an address. A name is resolved for each new connection: a failover may move it.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// User, password and database number.
    pub(crate) login: RedisConnectionInfo,
    /// `Some`: TLS. The file holds the authorities to trust instead of the usual ones.
    pub(crate) tls: Option<Option<PathBuf>>,
}

impl Address {
    /// For logs and errors.
    pub(crate) fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// The server, as every part of the store calls it.
pub(crate) struct Server {
    address: Address,
    /// `None`: without TLS.
    tls: Option<TlsConnector>,
    /// What every key starts with.
    prefix: Box<str>,
    /// After this time without an answer the connection is given up.
    call_deadline: Duration,
    /// Shared with the task that drives the connection: it empties the slot when the connection ends, so that the first
    /// call after a restart of the server connects instead of failing.
    slot: Arc<Slot>,
    /// Held while connecting, so that many calls make one connection. Counts the connections that were made.
    connecting: tokio::sync::Mutex<u64>,
    /// A permit for each call that is under way: bounds the memory of a server that stopped answering.
    places: Semaphore,
    /// How many permits there are: `close` waits for all of them.
    most: u32,
}

/// The connection in use, with its number. Locked for a clone or an assignment, never across an await.
#[derive(Default)]
struct Slot(Mutex<Option<(u64, MultiplexedConnection)>>);

impl Slot {
    /// The lock is poisoned only by a panic during an assignment; the slot is whole then, and the store goes on.
    fn lock(&self) -> MutexGuard<'_, Option<(u64, MultiplexedConnection)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No further call uses this connection. A later one stays.
    fn abandon(&self, number: u64) {
        self.lock().take_if(|(known, _)| *known == number);
    }
}

/// A call of a script. Arguments are read in the order in which they are added.
pub(crate) struct Call {
    script: &'static Script,
    command: Cmd,
}

impl Call {
    /// Adds one argument.
    pub(crate) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }

    /// An empty text means none.
    pub(crate) fn maybe(self, argument: Option<impl ToRedisArgs>) -> Self {
        match argument {
            Some(argument) => self.arg(argument),
            None => self.arg(""),
        }
    }

    /// Adds `1` or `0`: every argument of a script is a text.
    pub(crate) fn flag(self, flag: bool) -> Self {
        self.arg(if flag { "1" } else { "0" })
    }

    /// Several, with their number before them.
    pub(crate) fn counted<T>(self, items: &[T], add: impl Fn(Self, &T) -> Self) -> Self {
        items.iter().fold(self.arg(items.len()), add)
    }

    /// The same with the text of the script, for a server that does not know the hash: it was restarted.
    fn with_text(&self) -> Cmd {
        let mut whole = redis::cmd("EVAL");
        whole.arg(self.script.text);
        for argument in self.command.args_iter().skip(2) {
            if let redis::Arg::Simple(bytes) = argument {
                whole.arg(bytes);
            }
        }
        whole
    }
}

impl Server {
    /// `most` bounds the calls under way. Nothing connects yet: the first call does.
    pub(crate) fn new(address: Address, prefix: Box<str>, call_deadline: Duration, most: u32) -> Result<Self, Failure> {
        let tls = address.tls.as_ref().map(|authorities| tls::connector(authorities.as_deref())).transpose()?;
        let places = Semaphore::new(usize::try_from(most).unwrap_or(1));
        let (slot, connecting) = Default::default();
        Ok(Self { address, tls, prefix, call_deadline, slot, connecting, places, most })
    }

    /// What every key starts with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How long the server may take for one call.
    pub(crate) fn call_deadline(&self) -> Duration {
        self.call_deadline
    }

    /// The whole name of a key, for commands that are sent without a script.
    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// A call of a script by its hash. The one key it names is the prefix: the script builds all other names from it.
    pub(crate) fn script(&self, script: &'static Script) -> Call {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&script.hash).arg(1).arg(&*self.prefix);
        Call { script, command }
    }

    /// Runs a script, waiting for a place.
    pub(crate) async fn run<T: FromRedisValue>(&self, call: Call) -> Result<T, Failure> {
        let _place = self.places.acquire().await.map_err(|_| Failure::closed())?;
        self.call(call).await
    }

    /// Runs a script if there is a place: a delivery is refused at once rather than kept waiting.
    pub(crate) async fn try_run<T: FromRedisValue>(&self, call: Call) -> Result<T, Failure> {
        let _place = self.places.try_acquire().map_err(|refusal| match refusal {
            TryAcquireError::NoPermits => Failure::new(StoreErrorKind::Busy, "too many calls wait for the server"),
            TryAcquireError::Closed => Failure::closed(),
        })?;
        self.call(call).await
    }

    /// Runs one command.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        let _place = self.places.acquire().await.map_err(|_| Failure::closed())?;
        self.send(command).await?.map_err(Failure::from).and_then(read)
    }

    /// Takes no more calls, and returns when those under way are answered.
    pub(crate) async fn close(&self) {
        if let Ok(all) = self.places.acquire_many(self.most).await {
            self.places.close();
            drop(all);
        }
        self.slot.lock().take();
    }

    /// Sends a script by its hash, and again with its text when the server does not know the hash. The first try wrote
    /// nothing then, so nothing happens twice.
    async fn call<T: FromRedisValue>(&self, call: Call) -> Result<T, Failure> {
        let answer = match self.send(&call.command).await? {
            Err(error) if error.code() == Some("NOSCRIPT") => self.send(&call.with_text()).await?,
            answer => answer,
        };
        answer.map_err(Failure::from).and_then(read)
    }

    /// The outer error: there is no connection. A connection that failed, or whose caller gave up waiting, is not used
    /// again.
    async fn send(&self, command: &Cmd) -> Result<redis::RedisResult<Value>, Failure> {
        let (number, mut connection) = self.connection().await?;
        let mut guard = AbandonOnDrop { slot: Some(&self.slot), number };
        let answer: redis::RedisResult<Value> = command.query_async(&mut connection).await;
        let is_usable = match &answer {
            Ok(_) => true,
            Err(error) => !Failure::from(error.clone()).is_broken,
        };
        if is_usable {
            guard.slot = None;
        }
        Ok(answer)
    }

    /// The connection in use, or a new one. A caller that waited for another caller's connection looks again, so that a
    /// restart of the server causes one connection and not one for each call.
    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Failure> {
        let known = || self.slot.lock().clone();
        if let Some(connection) = known() {
            return Ok(connection);
        }
        let mut made = self.connecting.lock().await;
        if let Some(connection) = known() {
            return Ok(connection);
        }
        *made += 1;
        let number = *made;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(self.call_deadline));
        let slot = Arc::clone(&self.slot);
        let connection = self.connect(config, move || slot.abandon(number)).await?;
        *self.slot.lock() = Some((number, connection.clone()));
        Ok((number, connection))
    }

    /// A new connection; `ended` is called when it ends, whatever ends it.
    pub(crate) async fn connect(
        &self,
        config: AsyncConnectionConfig,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<MultiplexedConnection, Failure> {
        self.dial(config, ended).await.map_err(|failure| failure.at(&self.address.shown()))
    }

    /// Resolves the name, connects, and logs in, all within [`CONNECT_DEADLINE`]. Each step has its own error text: an
    /// operator sees which one failed.
    async fn dial(
        &self,
        config: AsyncConnectionConfig,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<MultiplexedConnection, Failure> {
        let deadline = Instant::now() + CONNECT_DEADLINE;
        let late = |what: &str| Failure::unavailable(format!("no answer to {what} within the deadline"));
        let addresses = lookup_host((&*self.address.host, self.address.port));
        let addresses = timeout_at(deadline, addresses).await.map_err(|_| late("the look-up of the name"))?;
        let addresses: Vec<_> = addresses.map_err(unresolved)?.collect();
        let stream = timeout_at(deadline, TcpStream::connect(&*addresses))
            .await
            .map_err(|_| late("the connection"))?
            .map_err(unreachable)?;
        // Calls are small, and each waits for its answer.
        stream.set_nodelay(true).map_err(unreachable)?;
        let Some(tls) = &self.tls else {
            return timeout_at(deadline, self.log_in(stream, config, ended)).await.map_err(|_| late("the login"))?;
        };
        let name = ServerName::try_from(self.address.host.clone())
            .map_err(|_| Failure::failed("the host is no name that a certificate can be for"))?;
        // A server that does not talk TLS waits for more, and says nothing.
        let stream = timeout_at(deadline, tls.connect(name, stream)).await.map_err(|_| late("the TLS handshake"))?;
        let stream = stream.map_err(|error| Failure::unavailable(format!("TLS: {error}")))?;
        timeout_at(deadline, self.log_in(stream, config, ended)).await.map_err(|_| late("the login"))?
    }

    /// Logs in over an open stream, and starts the task that drives the connection.
    async fn log_in<S>(
        &self,
        stream: S,
        config: AsyncConnectionConfig,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<MultiplexedConnection, Failure>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (connection, driver) = MultiplexedConnection::new_with_config(&self.address.login, stream, config)
            .await
            .map_err(|error| match error.kind() {
                redis::ErrorKind::AuthenticationFailed => Failure::unavailable("user or password are wrong"),
                _ => Failure::from(error),
            })?;
        tokio::spawn(async move {
            driver.await;
            ended();
        });
        Ok(connection)
    }
}

/// The name, and not the network, is where to look.
fn unresolved(error: std::io::Error) -> Failure {
    Failure::unavailable(format!("the name can't be resolved: {error}"))
}

/// Says whether the connection was refused, or the network is gone.
fn unreachable(error: std::io::Error) -> Failure {
    Failure::unavailable(match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "the connection was refused: no server listens there".to_owned(),
        _ => format!("can't connect: {error}"),
    })
}

/// The answer as the type that the caller expects. Another shape means another program's script or version: an error,
/// and no guess.
fn read<T: FromRedisValue>(value: Value) -> Result<T, Failure> {
    T::from_redis_value(value).map_err(|_| Failure::unreadable("answer"))
}

/// Abandons a connection on an error, and when the caller is dropped before the answer: it has waited long, and the
/// connection is not trusted to answer the others either.
struct AbandonOnDrop<'a> {
    /// `None` once there is an answer: the connection works.
    slot: Option<&'a Slot>,
    /// The connection that the call used. A newer one stays.
    number: u64,
}

impl Drop for AbandonOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            slot.abandon(self.number);
        }
    }
}

/// Less than a call's deadline: a host that does not answer must not use it up.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
