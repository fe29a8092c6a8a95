use std::borrow::Cow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::Notification;

use super::failure::Failure;
use super::link::{CONNECT_DEADLINE, Link, Target};
use crate::identity::Change;
use crate::store::StoreNotice;
use crate::store::hub::{Hub, Notice};

/// Tells the other processes, in the transaction that made the change: they hear of it when it is committed, and only
/// then. Whom it is about travels no further than those who may read the rows could see.
pub(super) async fn tell(tx: &Link, change: &Change) -> Result<(), Failure> {
    let notice = Notice {
        from: Cow::Borrowed(&tx.target.origin),
        identity: Some(change.identity_id.as_str().into()),
        subjects: change.subjects.iter().map(|subject| subject.as_str().into()).collect(),
    };
    let payload = written(&notice)?;
    if payload.len() > LONGEST_PAYLOAD { tell_of_anything(tx).await } else { send(tx, &payload).await }
}

/// Tells them that something changed, whatever it was.
pub(super) async fn tell_of_anything(tx: &Link) -> Result<(), Failure> {
    let notice = Notice { from: Cow::Borrowed(&tx.target.origin), identity: None, subjects: Vec::new() };
    send(tx, &written(&notice)?).await
}

fn written(notice: &Notice<'_>) -> Result<String, Failure> {
    serde_json::to_string(notice).map_err(|_| Failure::unreadable("notice"))
}

async fn send(tx: &Link, payload: &str) -> Result<(), Failure> {
    tx.query("SELECT pg_notify($1, $2)", &[&channel(&tx.target), &payload]).await.map(drop)
}

/// Starts the listener.
pub(super) fn start(target: &Arc<Target>, hub: Weak<Hub>) -> AbortHandle {
    tokio::spawn(listen(Arc::clone(target), hub)).abort_handle()
}

/// Listens for as long as the hub is there, over one connection after the other.
async fn listen(target: Arc<Target>, hub: Weak<Hub>) {
    let mut wait = FIRST_WAIT;
    loop {
        let (heard, mut notices) = mpsc::unbounded_channel();
        let connected = async {
            let link = Link::connect_within(CONNECT_DEADLINE, &target, Some(heard)).await?;
            timeout(CONNECT_DEADLINE, link.simple(&format!("LISTEN \"{}\"", channel(&target))))
                .await
                .unwrap_or_else(|_| Err(Failure::too_late()))?;
            Ok::<_, Failure>(link)
        };
        match connected.await {
            Ok(link) => {
                wait = FIRST_WAIT;
                Hub::tell(&hub, StoreNotice::Up);
                hear(&link, &mut notices, &hub).await;
                Hub::tell(&hub, StoreNotice::Down);
            }
            Err(failure) => tracing::debug!(error.kind = ?failure.kind, "store feed not connected"),
        }
        if hub.strong_count() == 0 {
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Passes news on until the connection ends, or falls silent: one whose other end is gone looks like one without news.
async fn hear(link: &Link, notices: &mut mpsc::UnboundedReceiver<Notification>, hub: &Weak<Hub>) {
    let mut pulse = interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            notice = notices.recv() => {
                let (Some(notice), Some(hub)) = (notice, hub.upgrade()) else { return };
                hub.heard(notice.payload(), &link.target.origin);
            }
            _ = pulse.tick() => match timeout(PATIENCE, link.simple("")).await {
                Ok(Ok(())) => {}
                _ => return,
            }
        }
    }
}

/// One for each schema.
fn channel(target: &Target) -> String {
    format!("incode_{}", target.schema)
}

/// PostgreSQL takes less than 8,000 bytes.
const LONGEST_PAYLOAD: usize = 7_900;
/// With [`PATIENCE`] less than a second: how long silence is taken for having no news.
const PULSE: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_millis(500);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
