use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::tls::NoTls;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Notification, Row, Socket, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::Failure;

/// Where connections lead, and how long is waited for an answer.
pub(super) struct Target {
    /// One for each host.
    pub(super) hosts: Vec<Config>,
    /// The host that took writes when it was last looked for.
    pub(super) latest: AtomicUsize,
    /// `None`: without TLS.
    pub(super) tls: Option<MakeRustlsConnect>,
    /// A plain name; see [`super::options::is_plain`].
    pub(super) schema: Box<str>,
    pub(super) call_deadline: Duration,
    /// Tells this process's news from those of others.
    pub(super) origin: Box<str>,
}

/// One connection, with the statements prepared on it. Dropped, it is cut at once: what was not committed is undone by
/// the server.
pub(super) struct Link {
    pub(super) target: Arc<Target>,
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    driver: AbortHandle,
}

pub(super) type Notifications = mpsc::UnboundedSender<Notification>;

impl Link {
    /// Connects while calls wait for it.
    pub(super) async fn connect(target: &Arc<Target>) -> Result<Self, Failure> {
        Self::connect_within(CONNECT_DEADLINE, target, None).await
    }

    /// Connects, and passes on what the server tells by itself.
    pub(super) async fn connect_within(
        deadline: Duration,
        target: &Arc<Target>,
        heard: Option<Notifications>,
    ) -> Result<Self, Failure> {
        let connecting = async {
            let (client, driver) = reach(target, heard).await?;
            let link = Self { target: Arc::clone(target), client, statements: Mutex::default(), driver };
            link.simple(&session(&target.schema)).await?;
            Ok(link)
        };
        timeout(deadline, connecting).await.unwrap_or_else(|_| Err(Failure::too_late()))
    }

    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    pub(super) async fn query(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query(&statement, params).await?)
    }

    pub(super) async fn query_opt(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// The one row of a statement that always has one.
    pub(super) async fn query_one(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, Failure> {
        self.query_opt(sql, params).await?.ok_or_else(|| Failure::unreadable("answer without a row"))
    }

    pub(super) async fn execute(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, Failure> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.execute(&statement, params).await?)
    }

    /// Statements without parameters, not prepared.
    pub(super) async fn simple(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.client.batch_execute(sql).await?)
    }

    async fn prepared(&self, sql: &'static str) -> Result<Statement, Failure> {
        let known = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, statement.clone());
        Ok(statement)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Not left to end by itself: a peer that is gone without a word would keep it waiting.
        self.driver.abort();
    }
}

/// The host that takes writes, which is the same as last time until there was a failover. Each of the others is asked when
/// those before it refused, or have said nothing for a while: a machine that is gone refuses nobody.
async fn reach(target: &Target, heard: Option<Notifications>) -> Result<(Client, AbortHandle), Failure> {
    let latest = target.latest.load(Ordering::Relaxed);
    let mut others = (0..target.hosts.len()).cycle().skip(latest).take(target.hosts.len());
    let mut asked = FuturesUnordered::new();
    let mut refusal = Failure::refused("no host is named");
    loop {
        let next = others.next();
        let is_last = next.is_none();
        if let Some((at, config)) = next.and_then(|at| Some((at, target.hosts.get(at)?))) {
            let heard = heard.clone();
            asked.push(async move { (at, dial(config, target.tls.as_ref(), heard).await) });
        }
        let answer = match timeout(HEAD_START, asked.next()).await {
            Err(_) if is_last => asked.next().await,
            Err(_) => continue,
            Ok(answer) => answer,
        };
        match answer {
            Some((at, Ok(reached))) => {
                target.latest.store(at, Ordering::Relaxed);
                return Ok(reached);
            }
            Some((_, Err(failure))) => refusal = failure,
            None => return Err(refusal),
        }
    }
}

async fn dial(
    config: &Config,
    tls: Option<&MakeRustlsConnect>,
    heard: Option<Notifications>,
) -> Result<(Client, AbortHandle), Failure> {
    let (client, driver) = match tls {
        Some(tls) => {
            let (client, connection) = config.connect(tls.clone()).await?;
            (client, tokio::spawn(drive(connection, heard)))
        }
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            (client, tokio::spawn(drive(connection, heard)))
        }
    };
    Ok((client, driver.abort_handle()))
}

async fn drive<T>(mut connection: Connection<Socket, T>, heard: Option<Notifications>)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // Whoever uses the connection learns of its end from the call that fails.
    while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
        if let (AsyncMessage::Notification(notification), Some(heard)) = (message, &heard) {
            let _ = heard.send(notification);
        }
    }
}

/// What every session is told first. A process that vanished in the middle of a transaction holds its locks no longer
/// than the last of these says.
fn session(schema: &str) -> String {
    format!(
        "SET search_path = \"{schema}\"; SET client_min_messages = warning; SET jit = off;
        SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off;
        SET statement_timeout = '10s'; SET lock_timeout = '3s'; SET idle_in_transaction_session_timeout = '10s';
        SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
}

/// What a host that took writes last is ahead of the others by.
const HEAD_START: Duration = Duration::from_millis(250);
/// TCP, TLS, login and the session's settings.
pub(super) const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
