//! Notices of what other processes change.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use incode_core::store::StoreNotice;
use incode_core::store::hub::ChangeHub;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_postgres::Notification;

use super::connection::{Answer, Connection, Statement, Target};
use super::error::Failure;
use super::pool::{CONNECT_DEADLINE, Pool};
use super::rows::get;

/// Starts the listener. `is_shared`: it connects to the same URL as everything else.
pub(crate) fn start(pool: &Arc<Pool>, target: &Arc<Target>, is_shared: bool, hub: Weak<ChangeHub>) -> AbortHandle {
    let listener =
        Listener { pool: Arc::downgrade(pool), target: Arc::clone(target), is_shared, hub, is_warned: false };
    tokio::spawn(listener.run()).abort_handle()
}

/// The task that listens. It ends with the store, which it does not keep alive.
struct Listener {
    /// For its pulse: what this process publishes must come back over the listening connection. Weak: the listener ends
    /// with the store.
    pool: Weak<Pool>,
    /// Shared with the pool, or that of the URL for listening.
    target: Arc<Target>,
    /// The URL is that of the calls, so a transaction pooler may stand in between.
    is_shared: bool,
    /// Weak for the same reason.
    hub: Weak<ChangeHub>,
    /// Its absence was logged, and is not again until it listened.
    is_warned: bool,
}

/// Why a session ended.
enum End {
    Failed(Failure),
    /// A transaction pooler stands in between.
    NoSession,
    /// The store is gone.
    Closed,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Listener {
    /// Listens for as long as the store is there, over one connection after the other.
    async fn run(mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            let end = match self.connect().await {
                Ok((connection, mut notices)) => {
                    let (end, was_up) = self.listen(&connection, &mut notices).await;
                    if was_up {
                        wait = FIRST_WAIT;
                    }
                    end
                }
                Err(end) => end,
            };
            match end {
                End::Closed => return,
                End::Failed(failure) => {
                    if let (true, Some(pool)) = (failure.too_many_connections, self.pool.upgrade()) {
                        pool.release_one();
                    }
                    // A restart of the server is over in less: only what lasts is worth a line.
                    if wait >= LONGEST_WAIT {
                        self.warn(failure.cause());
                    }
                }
                End::NoSession => {
                    self.warn("a transaction pooler stands in between: set listen_url (INCODE_STORE_LISTEN)");
                    wait = POOLER_WAIT;
                }
            }
            if self.hub.strong_count() == 0 {
                return;
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT.max(wait));
        }
    }

    /// Opens a connection of its own and listens. A pooled connection would not do: `LISTEN` is state of one session.
    async fn connect(&self) -> Result<(Connection, mpsc::UnboundedReceiver<Notification>), End> {
        let (sender, notices) = mpsc::unbounded_channel();
        let connection = Connection::open_with(&self.target, CONNECT_DEADLINE, Some(sender)).await?;
        if self.is_shared && !self.has_session(&connection).await? {
            return Err(End::NoSession);
        }
        let hub = self.hub.upgrade().ok_or(End::Closed)?;
        let sql = format!("LISTEN \"{}\"", hub.channel());
        let listening = timeout(CONNECT_DEADLINE, connection.execute_unlogged(&sql));
        listening.await.unwrap_or_else(|_| Err(Failure::timed_out()))?;
        Ok((connection, notices))
    }

    /// Whether the connection keeps one server process for itself. A transaction pooler lends it to the next client,
    /// and a `LISTEN` would be left behind on it: so this is found out before, by holding another connection busy.
    async fn has_session(&self, connection: &Connection) -> Result<bool, Failure> {
        let pool = self.pool.upgrade().ok_or_else(Failure::closed)?;
        let own = |deadline| async move {
            let statements = [backend()];
            let asked = connection.pipeline("", &statements, "");
            timeout(deadline, asked).await.unwrap_or_else(|_| Err(Failure::timed_out()))
        };
        let first = process(&own(CONNECT_DEADLINE).await?)?;
        let mut other = pool.begin().await?;
        let busy = process(&other.step(&[backend()]).await?)?;
        // A pooler with no other connection to lend does not answer.
        let second = own(LONGEST_PROBE).await;
        other.rollback().await?;
        Ok(busy != first && second.is_ok_and(|second| process(&second).is_ok_and(|second| second == first)))
    }

    /// Passes notices on until the connection ends, or its own pulse stays away. Also says whether it was up.
    async fn listen(
        &mut self,
        connection: &Connection,
        notices: &mut mpsc::UnboundedReceiver<Notification>,
    ) -> (End, bool) {
        let mut pulse = interval(PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut publishing: Option<Publishing> = None;
        let (mut heard_at, mut is_up, mut was_up) = (Instant::now(), false, false);
        let mut fault = Failure::busy("its own notices do not come back: is listen_url the same database?");
        let end = loop {
            tokio::select! {
                notice = notices.recv() => {
                    let Some(hub) = self.hub.upgrade() else { break End::Closed };
                    let Some(notice) = notice else { break End::Failed(Failure::busy("the connection ended")) };
                    if hub.received(notice.payload()) {
                        heard_at = Instant::now();
                        if !is_up {
                            hub.pass_on(StoreNotice::Up);
                            (is_up, was_up) = (true, true);
                            self.working();
                        }
                    }
                }
                _ = pulse.tick(), if publishing.is_none() => {
                    let (Some(hub), Some(pool)) = (self.hub.upgrade(), self.pool.upgrade()) else { break End::Closed };
                    publishing = Some(Box::pin(publish(pool, hub)));
                }
                published = async { publishing.as_mut()?.await.into() }, if publishing.is_some() => {
                    publishing = None;
                    if let Some(Err(failure)) = published {
                        fault = failure;
                    }
                }
                () = sleep_until(heard_at + SILENCE), if is_up => {
                    is_up = false;
                    self.pass_on(StoreNotice::Down);
                }
                () = sleep_until(heard_at + LOST) => {
                    if !was_up && connection.is_open() {
                        // A pooler may have lent the server process to others. It does not keep our LISTEN, if this
                        // reaches it.
                        let _ = timeout(SILENCE, connection.execute("UNLISTEN *")).await;
                    }
                    break End::Failed(fault);
                }
            }
        };
        if is_up {
            self.pass_on(StoreNotice::Down);
        }
        (end, was_up)
    }

    /// Hands a notice to the hub, while the store is open.
    fn pass_on(&self, notice: StoreNotice) {
        if let Some(hub) = self.hub.upgrade() {
            hub.pass_on(notice);
        }
    }

    /// Logs the first failure of an outage; later ones repeat it.
    fn warn(&mut self, cause: &str) {
        if !std::mem::replace(&mut self.is_warned, true) {
            tracing::warn!(cause, "notices of other processes do not arrive: every read goes to the database");
        }
    }

    /// Ends the outage. The wait before a new connection is short again.
    fn working(&mut self) {
        if std::mem::replace(&mut self.is_warned, false) {
            tracing::info!("notices of other processes arrive again");
        }
    }
}

/// A pulse on its way. It is polled beside the connection, so that a slow pool does not stop the listener.
type Publishing = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Publishes a pulse over the pool, not over the listener's connection: so it proves the whole way that notices take.
async fn publish(pool: Arc<Pool>, hub: Arc<ChangeHub>) -> Result<(), Failure> {
    let payload = hub.pulse().map_err(|_| Failure::failed("a pulse can't be sealed"))?;
    pool.read(&[(SEND_PULSE, params![hub.channel(), &*payload])]).await.map(drop)
}

/// Asks for the process of the server that serves the connection.
fn backend() -> Statement {
    ("SELECT pg_backend_pid()", params![])
}

/// The number of that process. Two connections with one number share a server process: a pooler stands in between.
fn process(answers: &[Answer]) -> Result<i32, Failure> {
    get(answers.first().ok_or_else(|| Failure::unreadable("answer"))?.row()?, 0)
}

/// A pulse contains no data that must be durable, so its commit does not wait for the disk.
const SEND_PULSE: &str = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";
/// How often the listener sends itself a notice, to see that notices still arrive.
const PULSE: Duration = Duration::from_millis(400);
/// How long silence is taken for having no notices: what is cached is believed for less than a second without a pulse.
const SILENCE: Duration = Duration::from_millis(900);
/// How long silence lasts until another connection is tried.
const LOST: Duration = Duration::from_secs(3);
/// How long the only connection of a small pooler may be held to find that out. Calls wait meanwhile, and for longer.
const LONGEST_PROBE: Duration = Duration::from_secs(1);
/// Before the first new attempt after a connection that worked.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest pause between attempts: within this time after the server is back, notices arrive again.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// A pooler does not go away by itself.
const POOLER_WAIT: Duration = Duration::from_secs(30);
