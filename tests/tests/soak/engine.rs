//! The store that the replicas share, and what is in it at the end.

use std::collections::BTreeMap;

use incode_core::identity::transition::JobCause;
use incode_core::store::{JobFilter, JobState, Store};
use incode_postgres::PostgresStore;
use incode_redis::RedisStore;
use incode_tests::servers::{PostgresServer, RedisServer};

/// A server of one's own: it is killed now and then.
pub(crate) enum Engine {
    Postgres(PostgresServer),
    Redis(RedisServer),
}

/// An event as the store has it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) kind: String,
    pub(crate) object: String,
    pub(crate) state: String,
    pub(crate) reason: String,
    /// Milliseconds since the epoch; 0 while it is pending.
    pub(crate) settled_at: i64,
}

impl Engine {
    pub(crate) async fn postgres() -> Option<Self> {
        PostgresServer::start().await.map(Self::Postgres)
    }

    /// Which has written everything down before it answers.
    pub(crate) async fn redis() -> Option<Self> {
        RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await.map(Self::Redis)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "PostgreSQL",
            Self::Redis(_) => "Redis",
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Postgres(server) => server.port(),
            Self::Redis(server) => server.port(),
        }
    }

    /// What `INCODE_STORE` is set to, by way of this port.
    pub(crate) fn url_at(&self, port: u16) -> String {
        match self {
            Self::Postgres(server) => server.url_at(port, SCHEMA),
            Self::Redis(server) => server.url_at(port),
        }
    }

    pub(crate) fn kill(&self) {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::Redis(server) => server.kill(),
        }
    }

    pub(crate) async fn resume(&self) {
        match self {
            Self::Postgres(server) => server.resume().await,
            Self::Redis(server) => server.resume().await,
        }
    }

    /// Whatever is pending is due now: as when the leases of the dead have ended, and every wait is over.
    pub(crate) async fn hasten(&self) {
        match self {
            Self::Postgres(server) => {
                let sql = "UPDATE event SET due_at = 0 WHERE state = 'pending';
                    UPDATE job SET due_at = 0 WHERE state = 'pending'";
                server.connect(SCHEMA).await.batch_execute(sql).await.unwrap();
            }
            Self::Redis(server) => {
                let mut admin = server.connect().await;
                for due in ["{incode}:due", "{incode}:due:implausible", "{incode}:xd:journal"] {
                    let waiting: Vec<Vec<u8>> =
                        redis::cmd("ZRANGE").arg(due).arg(0).arg(-1).query_async(&mut admin).await.unwrap();
                    for member in waiting {
                        let mut add = redis::cmd("ZADD");
                        add.arg(due).arg("XX").arg(0).arg(member).query_async::<()>(&mut admin).await.unwrap();
                    }
                }
            }
        }
    }

    /// Every event.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        match self {
            Self::Postgres(server) => {
                let sql = "SELECT kind, object_id, state, coalesce(reason, ''), coalesce(settled_at, 0) FROM event";
                let rows = server.connect(SCHEMA).await.query(sql, &[]).await.unwrap();
                let row = |row: tokio_postgres::Row| Row {
                    kind: row.get(0),
                    object: row.get(1),
                    state: row.get(2),
                    reason: row.get(3),
                    settled_at: row.get(4),
                };
                rows.into_iter().map(row).collect()
            }
            Self::Redis(server) => {
                let fields = ["kind", "object_id", "state", "reason", "settled_at"];
                let rows = hashes(server, "{incode}:events", "{incode}:e:", &fields).await;
                let row = |row: Vec<Option<String>>| {
                    let mut row = row.into_iter().map(Option::unwrap_or_default);
                    let mut next = || row.next().unwrap();
                    Row {
                        kind: next(),
                        object: next(),
                        state: next(),
                        reason: next(),
                        settled_at: next().parse().unwrap_or(0),
                    }
                };
                rows.into_iter().map(row).collect()
            }
        }
    }

    /// How many jobs each object had, by kind and object, and how many of all are not done.
    pub(crate) async fn jobs(&self) -> (BTreeMap<(String, String), u64>, u64) {
        let store: Box<dyn Store> = match self {
            Self::Postgres(_) => Box::new(PostgresStore::open(&self.url_at(self.port())).await.unwrap()),
            Self::Redis(_) => Box::new(RedisStore::open(&self.url_at(self.port())).await.unwrap()),
        };
        let (mut jobs, mut open, mut before) = (BTreeMap::new(), 0, None);
        loop {
            let rows = store.jobs(JobFilter { state: None, handler: None, before, limit: 1_000 }).await.unwrap();
            let Some(last) = rows.last() else { break };
            before = Some(last.id);
            for row in rows {
                let Some(JobCause::Event { kind, object_id, .. }) = row.cause else { panic!("no event: {row:?}") };
                *jobs.entry((kind.as_str().to_owned(), object_id.as_str().to_owned())).or_default() += 1;
                open += u64::from(row.state != JobState::Done);
            }
        }
        store.close().await.unwrap();
        (jobs, open)
    }
}

/// These fields of each hash whose number is in the sorted set.
async fn hashes(server: &RedisServer, all: &str, prefix: &str, fields: &[&str]) -> Vec<Vec<Option<String>>> {
    let mut admin = server.connect().await;
    let ids: Vec<String> = redis::cmd("ZRANGE").arg(all).arg(0).arg(-1).query_async(&mut admin).await.unwrap();
    let mut rows = Vec::new();
    for lot in ids.chunks(1_000) {
        let mut pipe = redis::pipe();
        for id in lot {
            pipe.cmd("HMGET").arg(format!("{prefix}{id}")).arg(fields);
        }
        rows.extend(pipe.query_async::<Vec<Vec<Option<String>>>>(&mut admin).await.unwrap());
    }
    rows
}

const SCHEMA: &str = "soak";
