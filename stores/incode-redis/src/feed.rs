//! Receives what other processes change, and proves that it does: the listener must receive its own pulse.

use std::sync::{Arc, Weak};
use std::time::Duration;

use incode_core::store::StoreNotice;
use incode_core::store::hub::ChangeHub;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, Value};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::connection::Server;
use crate::error::Failure;

/// Starts the listener.
pub(crate) fn start(server: &Arc<Server>, hub: Weak<ChangeHub>) -> AbortHandle {
    tokio::spawn(listen(Arc::downgrade(server), hub)).abort_handle()
}

/// Tries the rights to the channel, and warns of those that are missing: the store works without, and the feed is down.
pub(crate) async fn check_rights(server: &Server, hub: &ChangeHub) -> Result<(), Failure> {
    let tried = async {
        let (mut connection, _notices) = subscribe(server, hub.channel(), server.call_deadline()).await?;
        publish_pulse(&mut connection, hub).await
    };
    match tried.await {
        Err(failure) if failure.is_forbidden => {
            tracing::warn!(
                "the Redis user has no right to the channel of the notices: changes in other processes are not received, and \
                 the near cache is not used. Grant it with ACL SETUSER: &incode_* +subscribe +publish"
            );
            hub.published(false);
            Ok(())
        }
        tried => tried,
    }
}

/// Listens for as long as the hub is there, over one connection after the other.
async fn listen(server: Weak<Server>, hub: Weak<ChangeHub>) {
    let (mut wait, mut outage) = (FIRST_WAIT, Outage::default());
    loop {
        let (Some(server), Some(channel)) = (server.upgrade(), hub.upgrade().map(|hub| hub.channel().to_owned()))
        else {
            return;
        };
        match timeout(CONNECT_WAIT, subscribe(&server, &channel, SILENCE))
            .await
            .unwrap_or_else(|_| Err(Failure::too_late()))
        {
            Ok((connection, notices)) => {
                if receive(connection, notices, &hub, &mut outage).await {
                    wait = FIRST_WAIT;
                    let Some(hub) = hub.upgrade() else { return };
                    hub.pass_on(StoreNotice::Down);
                } else {
                    outage.log(wait, "its own notices do not come back");
                }
            }
            // Said at the start, with what to grant.
            Err(failure) if failure.is_forbidden && !outage.has_been_up => {}
            Err(failure) => outage.log(wait, &failure.cause),
        }
        drop(server);
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// A connection for the notices of one channel. It is not the connection of the calls, so that a slow call delays no
/// notice.
async fn subscribe(
    server: &Server,
    channel: &str,
    patience: Duration,
) -> Result<(MultiplexedConnection, UnboundedReceiver<PushInfo>), Failure> {
    let (sender, notices) = unbounded_channel();
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(patience)).set_push_sender(sender);
    let mut connection = server.connect(config, || ()).await?;
    connection.subscribe(channel).await?;
    Ok((connection, notices))
}

/// Passes notices on until the connection ends or falls silent: one whose other end is gone looks like one without
/// notices, so this process must receive its own pulse. True when the feed was up.
async fn receive(
    mut connection: MultiplexedConnection,
    mut notices: UnboundedReceiver<PushInfo>,
    hub: &Weak<ChangeHub>,
    outage: &mut Outage,
) -> bool {
    let mut pulse = interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut is_up, mut received_at) = (false, Instant::now());
    loop {
        tokio::select! {
            notice = notices.recv() => {
                let data = match notice {
                    None | Some(PushInfo { kind: PushKind::Disconnection, .. }) => return is_up,
                    Some(PushInfo { kind: PushKind::Message, data }) => data,
                    Some(_) => continue,
                };
                let Some(hub) = hub.upgrade() else { return is_up };
                // What is no text is not of this store: it does not open.
                let payload = match data.get(1) {
                    Some(Value::BulkString(payload)) => std::str::from_utf8(payload).unwrap_or_default(),
                    _ => "",
                };
                if hub.received(payload) {
                    received_at = Instant::now();
                    if !is_up {
                        is_up = true;
                        outage.end();
                        hub.pass_on(StoreNotice::Up);
                    }
                }
            }
            _ = pulse.tick() => {
                let Some(hub) = hub.upgrade() else { return is_up };
                if received_at.elapsed() > SILENCE || publish_pulse(&mut connection, &hub).await.is_err() {
                    return is_up;
                }
            }
        }
    }
}

/// What the log has of the time without notices: one line for each outage.
#[derive(Default)]
struct Outage {
    /// Notices arrived at some time. Before, a missing right was reported when the store was opened.
    has_been_up: bool,
    /// The present outage has its line in the log.
    is_logged: bool,
}

impl Outage {
    /// A restart of the server is over in less than the longest wait: only what lasts is worth a line.
    fn log(&mut self, waited: Duration, cause: &str) {
        if self.must_be_logged(waited) {
            tracing::warn!(error.cause = cause, "notices of other processes do not arrive: every read goes to Redis");
        }
    }

    /// True once for each outage.
    fn must_be_logged(&mut self, waited: Duration) -> bool {
        waited >= LONGEST_WAIT && !std::mem::replace(&mut self.is_logged, true)
    }

    /// Notices arrive: the next outage is logged again.
    fn end(&mut self) {
        self.has_been_up = true;
        if std::mem::replace(&mut self.is_logged, false) {
            tracing::info!("notices of other processes arrive again");
        }
    }
}

/// Sends a notice that only this process reads. When it comes back, the way from publisher to subscriber works.
async fn publish_pulse(connection: &mut MultiplexedConnection, hub: &ChangeHub) -> Result<(), Failure> {
    let pulse = hub.pulse().map_err(|_| Failure::failed("no random bytes"))?;
    let mut publish = redis::cmd("PUBLISH");
    publish.arg(hub.channel()).arg(pulse);
    let receivers: i64 = publish.query_async(connection).await?;
    tracing::trace!(receivers, "pulse published");
    Ok(())
}

/// How often the listener publishes a pulse.
const PULSE: Duration = Duration::from_millis(250);
/// Without a pulse for this long, notices may be lost: less than a second, so that a cache without notices does not keep a
/// gate open for long.
const SILENCE: Duration = Duration::from_millis(800);
/// For connecting and subscribing together.
const CONNECT_WAIT: Duration = Duration::from_secs(3);
/// After a connection that worked: the server restarts within seconds.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Of a server that is gone, or a right that is missing: cheap enough to try for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
