use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::failure::Failure;
use super::link::Link;
use crate::store::StoreNotice;
use crate::store::hub::Hub;

/// Starts the listener.
pub(super) fn start(link: &Arc<Link>, hub: Weak<Hub>) -> AbortHandle {
    tokio::spawn(listen(Arc::downgrade(link), hub)).abort_handle()
}

/// Listens for as long as the hub is there, over one connection after the other.
async fn listen(link: Weak<Link>, hub: Weak<Hub>) {
    let mut wait = FIRST_WAIT;
    loop {
        let Some(link) = link.upgrade() else { return };
        let (heard, mut notices) = mpsc::unbounded_channel();
        let subscribed = async {
            let mut connection = link.listener(heard, PATIENCE).await?;
            connection.subscribe(link.key("news")).await?;
            Ok::<_, Failure>(connection)
        };
        match timeout(PATIENCE * 3, subscribed).await.unwrap_or_else(|_| Err(Failure::too_late())) {
            Ok(mut connection) => {
                wait = FIRST_WAIT;
                Hub::tell(&hub, StoreNotice::Up);
                hear(&mut connection, &link.origin, &mut notices, &hub).await;
                Hub::tell(&hub, StoreNotice::Down);
            }
            Err(failure) => tracing::debug!(error.kind = ?failure.kind, "store feed not connected"),
        }
        drop(link);
        if hub.strong_count() == 0 {
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Passes news on until the connection ends, or falls silent: one whose other end is gone looks like one without news.
async fn hear(
    connection: &mut MultiplexedConnection,
    own: &str,
    notices: &mut mpsc::UnboundedReceiver<PushInfo>,
    hub: &Weak<Hub>,
) {
    let mut pulse = interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            notice = notices.recv() => {
                let data = match notice {
                    None | Some(PushInfo { kind: PushKind::Disconnection, .. }) => return,
                    Some(PushInfo { kind: PushKind::Message, data }) => data,
                    Some(_) => continue,
                };
                let Some(hub) = hub.upgrade() else { return };
                match data.get(1) {
                    // A text that is none is not one of ours.
                    Some(Value::BulkString(payload)) => hub.heard(std::str::from_utf8(payload).unwrap_or_default(), own),
                    _ => hub.pass_on(StoreNotice::Gap),
                }
            }
            _ = pulse.tick() => {
                if redis::cmd("PING").query_async::<Value>(connection).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// With [`PATIENCE`] less than a second: how long silence is taken for having no news.
const PULSE: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_millis(500);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
