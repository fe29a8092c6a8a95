//! A vendor that sends many events at once, tries again what was not acknowledged, and remembers what was.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use incode_sandbox::{NewPerson, Sandbox};
use incode_tests::process::App;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Everything that was sent, and how it went.
pub(crate) struct Load {
    sandbox: Sandbox,
    made: AtomicU64,
    /// Sent, not acknowledged, to be sent again.
    unsettled: Mutex<Vec<Event>>,
    acknowledged: Mutex<Vec<Event>>,
    sent: AtomicU64,
}

/// One person each, so that every event has an effect of its own.
pub(crate) struct Event {
    identity_id: String,
    verification_id: String,
    bytes: Vec<u8>,
}

impl Load {
    pub(crate) fn new(sandbox: &Sandbox) -> Arc<Self> {
        Arc::new(Self {
            sandbox: sandbox.clone(),
            made: AtomicU64::new(0),
            unsettled: Mutex::default(),
            acknowledged: Mutex::default(),
            sent: AtomicU64::new(0),
        })
    }

    /// Sends over so many connections until the other side is gone. Await the set for its end.
    pub(crate) fn run(self: &Arc<Self>, address: SocketAddr, connections: usize) -> JoinSet<()> {
        let mut all = JoinSet::new();
        for _ in 0..connections {
            let load = Arc::clone(self);
            all.spawn(async move { load.send_until_gone(address).await });
        }
        all
    }

    /// Sends what is left once more, to a server that stays.
    pub(crate) async fn settle(&self, address: SocketAddr) {
        let left = std::mem::take(&mut *self.unsettled.lock().unwrap());
        for event in left {
            let mut stream = TcpStream::connect(address).await.unwrap();
            assert_eq!(self.post(&mut stream, &event).await, Some(204));
            self.acknowledged.lock().unwrap().push(event);
        }
    }

    /// How many were sent, retries included, and how many acknowledged.
    pub(crate) fn figures(&self) -> (u64, usize) {
        (self.sent.load(Ordering::SeqCst), self.acknowledged.lock().unwrap().len())
    }

    /// The set acknowledged is the set applied, each once: read from the file that the processes left behind.
    pub(crate) fn is_applied_once_each(&self, database: &Path) {
        let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let events = self.acknowledged.lock().unwrap();
        let mut identity = conn.prepare("SELECT status, verification_id FROM identity WHERE identity_id = ?").unwrap();
        // Without an index each look-up would be a scan.
        let by_object = "CREATE TEMP TABLE seen AS SELECT object_id, count(*) AS rows, max(state) AS state, \
            max(token IS NOT NULL) AS token FROM event GROUP BY object_id; \
            CREATE UNIQUE INDEX temp.seen_object ON seen (object_id)";
        conn.execute_batch(by_object).unwrap();
        let mut rows = conn.prepare("SELECT rows, state, token FROM seen WHERE object_id = ?").unwrap();
        for event in events.iter() {
            let row = rows.query_row([&event.verification_id], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?))
            });
            assert_eq!(row.ok(), Some((1, "done".to_owned(), false)), "{}", event.verification_id);
            let row = identity
                .query_row([&event.identity_id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
            assert_eq!(row.ok(), Some(("ACTIVE".to_owned(), event.verification_id.clone())));
        }
        // Everything was acknowledged in the end, so nothing else may be there.
        let acknowledged = i64::try_from(events.len()).unwrap();
        assert_eq!(count("SELECT count(*) FROM event"), acknowledged);
        assert_eq!(count("SELECT count(*) FROM identity"), acknowledged);
        assert_eq!(conn.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
    }

    async fn send_until_gone(&self, address: SocketAddr) {
        let Ok(mut stream) = TcpStream::connect(address).await else { return };
        loop {
            let again = self.unsettled.lock().unwrap().pop();
            let event = again.unwrap_or_else(|| self.make());
            match self.post(&mut stream, &event).await {
                Some(204) => self.acknowledged.lock().unwrap().push(event),
                Some(503) => {
                    self.unsettled.lock().unwrap().push(event);
                    return;
                }
                Some(other) => panic!("a genuine event was answered {other}"),
                None => {
                    self.unsettled.lock().unwrap().push(event);
                    return;
                }
            }
        }
    }

    fn make(&self) -> Event {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let identity_id = format!("person-{number}");
        self.sandbox.add_person(NewPerson::named("Ana Flores").identity_id(&identity_id));
        let verified = self.sandbox.verify(&identity_id).unwrap();
        let body = json!({
            "token": verified.token,
            "event": "verification.completed",
            "object": "verification",
            "id": verified.verification_id,
            "timestamp": 1_688_052_828,
        });
        let bytes = App::delivery(body.to_string()).bytes();
        Event { identity_id, verification_id: verified.verification_id, bytes }
    }

    /// The status; `None` when the connection ended first.
    async fn post(&self, stream: &mut TcpStream, event: &Event) -> Option<u16> {
        self.sent.fetch_add(1, Ordering::SeqCst);
        stream.write_all(&event.bytes).await.ok()?;
        let mut answer = Vec::new();
        while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = tokio::time::timeout(DEADLINE, stream.read_buf(&mut answer)).await;
            if read.expect("an answer or an end").ok()? == 0 {
                return None;
            }
        }
        std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
    }
}

/// Beyond the time that an app may take to end.
const DEADLINE: Duration = Duration::from_secs(20);
