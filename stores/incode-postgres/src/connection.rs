//! One connection, and how a host is chosen for it.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt, TryStreamExt};
use incode_core::store::StoreErrorKind;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::tls::NoTls;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, Connection as Driver, Notification, Row, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::Failure;
use super::params::Param;

/// Where connections lead.
pub(crate) struct Target {
    pub(crate) hosts: Vec<Host>,
    /// The host that took writes when one was last looked for: it is tried first. A wrong index costs time only.
    pub(crate) latest: AtomicUsize,
    /// `None`: without TLS.
    pub(crate) tls: Option<MakeRustlsConnect>,
    /// A plain name, see `options::is_plain`.
    pub(crate) schema: Box<str>,
}

/// One host of a URL.
pub(crate) struct Host {
    pub(crate) config: Config,
    /// `host:port`, for logs.
    pub(crate) name: Box<str>,
}

/// One connection. When it is dropped it is cut at once, and the server undoes what was not committed.
pub(crate) struct Connection {
    /// Shared with the pool: it names the schema of the statements.
    pub(crate) target: Arc<Target>,
    client: Client,
    /// The task that reads and writes the socket.
    driver: AbortHandle,
}

/// A statement with its parameters. Tables are named with the default schema, `incode.event`: see [`Target::sql`].
pub(crate) type Statement = (&'static str, Vec<Param>);

/// What a statement gave.
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// Rows that it wrote or gave.
    pub(crate) count: u64,
}

impl Answer {
    /// The first row of a statement that always gives one.
    pub(crate) fn row(&self) -> Result<&Row, Failure> {
        self.rows.first().ok_or_else(|| Failure::unreadable("answer without a row"))
    }
}

/// Where notifications of the server go.
pub(crate) type Notifications = mpsc::UnboundedSender<Notification>;

impl Target {
    /// The statement for this schema. Names are qualified in the statement itself: a `search_path` would be session
    /// state, which a transaction pooler gives to other clients.
    pub(crate) fn sql(&self, statement: &'static str) -> Cow<'static, str> {
        match &*self.schema {
            DEFAULT_SCHEMA => Cow::Borrowed(statement),
            schema => Cow::Owned(statement.replace("incode.", &format!("\"{schema}\"."))),
        }
    }
}

impl Connection {
    /// Connects to the host that takes writes.
    pub(crate) async fn open(target: &Arc<Target>, deadline: Duration) -> Result<Self, Failure> {
        Self::open_with(target, deadline, None).await
    }

    /// The same, and passes on the server's notifications.
    pub(crate) async fn open_with(
        target: &Arc<Target>,
        deadline: Duration,
        notifications: Option<Notifications>,
    ) -> Result<Self, Failure> {
        let late = || Failure::timed_out().at(&names(&target.hosts));
        timeout(deadline, reach(target, notifications)).await.unwrap_or_else(|_| Err(late()))
    }

    /// False when the client has seen the end of the connection. True is no proof that the server is there.
    pub(crate) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Sends every statement at once and waits for all answers: one round trip. `before` and `after` are statements
    /// without parameters, or empty. Fails with the first failure in order.
    ///
    /// With `BEGIN` before and `COMMIT` after it is a transaction: when a statement fails the server refuses those after
    /// it, and `COMMIT` undoes.
    pub(crate) async fn pipeline(
        &self,
        before: &str,
        statements: &[Statement],
        after: &str,
    ) -> Result<Vec<Answer>, Failure> {
        let mut answers = Vec::with_capacity(statements.len() + 2);
        let simple = |sql| (!str::is_empty(sql)).then(|| Box::pin(self.simple(sql)) as Pending<'_>);
        let typed = statements.iter().map(|statement| Box::pin(self.typed(statement)) as Pending<'_>);
        let all = simple(before).into_iter().chain(typed).chain(simple(after)).collect();
        for answer in in_order(all).await {
            answers.push(answer?);
        }
        answers.drain(..usize::from(!before.is_empty()));
        answers.truncate(statements.len());
        Ok(answers)
    }

    /// Statements without parameters.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), Failure> {
        self.simple(sql).await.map(drop)
    }

    /// One statement that is in no debug log of the client: it names the change channel.
    pub(crate) async fn execute_unlogged(&self, sql: &str) -> Result<(), Failure> {
        self.client.execute_typed(sql, &[]).await?;
        Ok(())
    }

    /// By the simple protocol: statements without parameters, several in one text.
    async fn simple(&self, sql: &str) -> Result<Answer, Failure> {
        self.client.batch_execute(sql).await?;
        Ok(Answer { rows: Vec::new(), count: 0 })
    }

    /// By the unnamed statement, with types: one message, nothing prepared, and nothing of it in the client's debug log.
    async fn typed(&self, (sql, params): &Statement) -> Result<Answer, Failure> {
        let sql = self.target.sql(sql);
        let params = params.iter().map(|param| (param as &(dyn ToSql + Sync), param.kind.clone()));
        let stream = self.client.query_typed_raw(&sql, params).await?;
        let mut stream = std::pin::pin!(stream);
        let mut rows = Vec::new();
        while let Some(row) = stream.try_next().await? {
            rows.push(row);
        }
        Ok(Answer { count: stream.rows_affected().unwrap_or(0), rows })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Not left to end by itself: a peer that vanished would keep it waiting.
        self.driver.abort();
    }
}

/// A statement on its way, for [`in_order`].
type Pending<'a> = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>>;

/// Polls each in its place, so that their requests are sent in order, and waits for all.
async fn in_order(mut pending: Vec<Pending<'_>>) -> Vec<Result<Answer, Failure>> {
    let mut answers: Vec<_> = pending.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, answer) in pending.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                *answer = Some(output);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

/// The host that takes writes: the same as last time until there was a failover. The next host is tried when those
/// before it refused, or have been silent for [`HEAD_START`]: a machine that is gone refuses nothing.
async fn reach(target: &Arc<Target>, notifications: Option<Notifications>) -> Result<Connection, Failure> {
    let latest = target.latest.load(Ordering::Relaxed);
    let mut others = (0..target.hosts.len()).cycle().skip(latest).take(target.hosts.len());
    let mut dialling = FuturesUnordered::new();
    let mut failures: Vec<Failure> = Vec::new();
    loop {
        let next = others.next();
        let is_last = next.is_none();
        if let Some((at, host)) = next.and_then(|at| Some((at, target.hosts.get(at)?))) {
            let notifications = notifications.clone();
            dialling.push(async move { (at, dial(target, host, notifications).await) });
        }
        let answer = match timeout(HEAD_START, dialling.next()).await {
            Err(_) if is_last => dialling.next().await,
            Err(_) => continue,
            Ok(answer) => answer,
        };
        match answer {
            Some((at, Ok(connection))) => {
                target.latest.store(at, Ordering::Relaxed);
                return Ok(connection);
            }
            Some((_, Err(failure))) => failures.push(failure),
            None => return Err(all_failed(failures)),
        }
    }
}

/// Every host failed: the cause names each.
fn all_failed(failures: Vec<Failure>) -> Failure {
    let causes: Vec<_> = failures.iter().map(Failure::cause).collect();
    let causes = causes.join("; ");
    let kind = failures.first().map_or(StoreErrorKind::Unavailable, |failure| failure.kind);
    let mut all = Failure::new(kind, causes);
    all.broken = true;
    all.too_many_connections = failures.iter().any(|failure| failure.too_many_connections);
    all
}

/// Connects to one host, and checks that it takes writes. The connection is cut again when it does not.
async fn dial(target: &Arc<Target>, host: &Host, notifications: Option<Notifications>) -> Result<Connection, Failure> {
    let failed = |error| Failure::connecting(&host.name, &error);
    let (client, driver) = match &target.tls {
        Some(tls) => {
            let (client, driver) = host.config.connect(tls.clone()).await.map_err(failed)?;
            (client, tokio::spawn(drive(driver, notifications)))
        }
        None => {
            let (client, driver) = host.config.connect(NoTls).await.map_err(failed)?;
            (client, tokio::spawn(drive(driver, notifications)))
        }
    };
    let connection = Connection { target: Arc::clone(target), client, driver: driver.abort_handle() };
    takes_writes(&connection).await.map_err(|failure| failure.at(&host.name))?;
    Ok(connection)
}

/// A standby accepts connections and reads. Writes would fail later, so it is refused here, and the next host is tried.
async fn takes_writes(connection: &Connection) -> Result<(), Failure> {
    let sql = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'";
    let answers = connection.pipeline("", &[(sql, params![])], "").await?;
    let row = answers.first().ok_or_else(|| Failure::unreadable("answer"))?.row()?;
    let refused = |cause: &str| Err(Failure::new(StoreErrorKind::Unavailable, cause));
    match (row.try_get(0)?, row.try_get(1)?) {
        (true, _) => refused("a standby, it takes no writes"),
        (_, true) => refused("the database takes no writes (default_transaction_read_only is on)"),
        (false, false) => Ok(()),
    }
}

/// Drives the connection until it ends, and passes its notifications on.
async fn drive<T>(mut driver: Driver<Socket, T>, notifications: Option<Notifications>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    // The end of the connection shows in the call that fails by it.
    while let Some(Ok(message)) = poll_fn(|cx| driver.poll_message(cx)).await {
        if let (AsyncMessage::Notification(notification), Some(notifications)) = (message, &notifications) {
            let _ = notifications.send(notification);
        }
    }
}

/// All hosts, for an error that concerns none in particular.
fn names(hosts: &[Host]) -> String {
    hosts.iter().map(|host| &*host.name).collect::<Vec<_>>().join(", ")
}

/// The schema that statements name.
pub(crate) const DEFAULT_SCHEMA: &str = "incode";
/// Head start of the last known primary before the other hosts are tried.
const HEAD_START: Duration = Duration::from_millis(250);
