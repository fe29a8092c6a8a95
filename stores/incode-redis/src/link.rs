use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, PushInfo, Script, Value};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::failure::Failure;
use crate::store::hub::Hub;
use crate::store::{StoreError, StoreErrorKind};

/// The one connection for everything that is asked, many calls at a time; made anew when it is lost.
pub(super) struct Link {
    pub(super) client: Client,
    /// What every key starts with.
    pub(super) prefix: Box<str>,
    /// Tells this process's news from those of others.
    pub(super) origin: Box<str>,
    pub(super) hub: Arc<Hub>,
    pub(super) call_deadline: Duration,
    connection: Mutex<Option<(u64, MultiplexedConnection)>>,
    /// Held by whoever connects, with how often that was done.
    connecting: tokio::sync::Mutex<u64>,
    /// One for each call that may be under way.
    places: Semaphore,
    most: u32,
}

/// The arguments of a script.
#[derive(Default)]
pub(super) struct Arguments(Vec<Vec<u8>>);

impl Arguments {
    pub(super) fn text(mut self, text: impl AsRef<[u8]>) -> Self {
        self.0.push(text.as_ref().to_vec());
        self
    }

    pub(super) fn maybe(self, text: Option<impl AsRef<[u8]>>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => self.text(""),
        }
    }

    pub(super) fn number(self, number: impl ToString) -> Self {
        self.text(number.to_string())
    }

    pub(super) fn flag(self, flag: bool) -> Self {
        self.text(if flag { "1" } else { "0" })
    }
}

impl Link {
    pub(super) fn new(
        client: Client,
        prefix: Box<str>,
        origin: Box<str>,
        hub: Arc<Hub>,
        call_deadline: Duration,
        most: u32,
    ) -> Self {
        let places = Semaphore::new(usize::try_from(most).unwrap_or(1));
        let (connection, connecting) = Default::default();
        Self { client, prefix, origin, hub, call_deadline, connection, connecting, places, most }
    }

    /// Runs a script that changes no identity and no link, waiting for a place.
    pub(super) async fn run<T: FromRedisValue>(&self, script: &Script, arguments: Arguments) -> Result<T, Failure> {
        let _place = self.places.acquire().await.map_err(|_| Failure::closed())?;
        self.call(script, arguments, false).await
    }

    /// Runs one that does: unless it is answered, nobody here can say whether somebody changed.
    pub(super) async fn change<T: FromRedisValue>(&self, script: &Script, arguments: Arguments) -> Result<T, Failure> {
        let _place = self.places.acquire().await.map_err(|_| Failure::closed())?;
        self.call(script, arguments, true).await
    }

    /// [`run`](Self::run), if there is a place.
    pub(super) async fn try_run<T: FromRedisValue>(&self, script: &Script, arguments: Arguments) -> Result<T, Failure> {
        let _place = self.places.try_acquire().map_err(|refusal| match refusal {
            tokio::sync::TryAcquireError::NoPermits => Failure::new(StoreErrorKind::Busy, "too many calls wait"),
            tokio::sync::TryAcquireError::Closed => Failure::closed(),
        })?;
        self.call(script, arguments, false).await
    }

    /// Asks one command that changes nobody.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Failure> {
        let _place = self.places.acquire().await.map_err(|_| Failure::closed())?;
        let (number, mut connection) = self.connection().await?;
        let answer = command.query_async(&mut connection).await.map_err(Failure::from);
        self.judge(number, answer, false)
    }

    pub(super) fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Takes no more calls, and returns when those under way are answered.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        if let Ok(all) = self.places.acquire_many(self.most).await {
            self.places.close();
            drop(all);
        }
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }

    /// A connection of its own, which passes on what the server tells by itself.
    pub(super) async fn listener(
        &self,
        heard: mpsc::UnboundedSender<PushInfo>,
        patience: Duration,
    ) -> Result<MultiplexedConnection, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_DEADLINE))
            .set_response_timeout(Some(patience))
            .set_push_sender(heard);
        self.connect(&config).await
    }

    async fn call<T: FromRedisValue>(
        &self,
        script: &Script,
        Arguments(arguments): Arguments,
        changes: bool,
    ) -> Result<T, Failure> {
        let (number, mut connection) = self.connection().await?;
        let mut invocation = script.key(&*self.prefix);
        for argument in &arguments {
            invocation.arg(argument.as_slice());
        }
        let mut doubt = Doubt { link: self, number, changes, answered: false };
        let answer: Result<Value, _> = invocation.invoke_async(&mut connection).await;
        doubt.answered = true;
        let answer = self.judge(number, answer.map_err(Failure::from), changes)?;
        T::from_redis_value(answer).map_err(|_| Failure::unreadable("answer"))
    }

    fn judge<T>(&self, number: u64, answer: Result<T, Failure>, changes: bool) -> Result<T, Failure> {
        if answer.as_ref().is_err_and(|failure| failure.broken) {
            self.give_up(number, changes);
        }
        answer
    }

    /// It may have been done all the same, and then nobody here can say what changed.
    fn give_up(&self, number: u64, changes: bool) {
        self.let_go(number);
        if changes {
            self.hub.doubt();
        }
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Failure> {
        let known = || self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(connection) = known() {
            return Ok(connection);
        }
        let mut made = self.connecting.lock().await;
        if let Some(connection) = known() {
            return Ok(connection);
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_DEADLINE))
            .set_response_timeout(Some(self.call_deadline));
        let connection = self.connect(&config).await?;
        *made += 1;
        let connection = (*made, connection);
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
        Ok(connection)
    }

    async fn connect(&self, config: &AsyncConnectionConfig) -> Result<MultiplexedConnection, Failure> {
        let connecting = self.client.get_multiplexed_async_connection_with_config(config);
        // Its own time-out is for the socket alone.
        Ok(timeout(CONNECT_DEADLINE, connecting).await.map_err(|_| Failure::too_late())??)
    }

    /// Nobody asks over this connection any more.
    fn let_go(&self, number: u64) {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.as_ref().is_some_and(|(known, _)| *known == number) {
            connection.take();
        }
    }
}

/// Dropped before the answer: the caller gave up, and what was asked may be done all the same.
struct Doubt<'a> {
    link: &'a Link,
    number: u64,
    changes: bool,
    answered: bool,
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.answered {
            // Whoever gives up has waited long: the connection is not trusted to answer the others either.
            self.link.give_up(self.number, self.changes);
        }
    }
}

const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
