//! The two servers, as one: what holds for both is said once.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use incode_core::Builder;
use incode_core::store::Store;
use incode_core::testing::{Hook, HookedStore};
use incode_postgres::{PostgresOptions, PostgresStore};
use incode_tests::servers::{PostgresServer, RedisServer};

/// Makes a test on each engine out of `async fn name(engine: Engine)`: on the server that all share, or `alone` on one that
/// may be killed.
macro_rules! on_both_engines {
    (@postgres) => { $crate::engine::Engine::postgres() };
    (@postgres alone) => { $crate::engine::Engine::postgres_alone() };
    (@redis) => { $crate::engine::Engine::redis() };
    (@redis alone) => { $crate::engine::Engine::redis_alone() };
    ($($name:ident $($alone:ident)?),+ $(,)?) => {
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let Some(engine) = on_both_engines!(@postgres $($alone)?).await else { return };
                    super::$name(engine).await;
                }
            )+
        }
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let Some(engine) = on_both_engines!(@redis $($alone)?).await else { return };
                    super::$name(engine).await;
                }
            )+
        }
    };
}

/// The store of a world.
type Chosen = Box<dyn FnOnce(Builder) -> Builder + Send>;

/// A database that no test had before.
pub(crate) enum Engine {
    Postgres { server: Arc<PostgresServer>, schema: String },
    Redis { server: Arc<RedisServer>, name: String },
}

impl Engine {
    pub(crate) async fn postgres() -> Option<Self> {
        Some(Self::on_postgres(PostgresServer::shared().await?))
    }

    pub(crate) async fn redis() -> Option<Self> {
        Some(Self::on_redis(RedisServer::shared().await?))
    }

    pub(crate) async fn postgres_alone() -> Option<Self> {
        Some(Self::on_postgres(Arc::new(PostgresServer::start().await?)))
    }

    pub(crate) async fn redis_alone() -> Option<Self> {
        Some(Self::on_redis(Arc::new(RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await?)))
    }

    fn on_postgres(server: Arc<PostgresServer>) -> Self {
        Self::Postgres { schema: server.fresh().1, server }
    }

    fn on_redis(server: Arc<RedisServer>) -> Self {
        Self::Redis { name: server.fresh(), server }
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Postgres { server, .. } => server.port(),
            Self::Redis { server, .. } => server.port(),
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        match self {
            Self::Postgres { server, .. } => server.kill(),
            Self::Redis { server, .. } => server.kill(),
        }
    }

    pub(crate) async fn resume(&self) {
        match self {
            Self::Postgres { server, .. } => server.resume().await,
            Self::Redis { server, .. } => server.resume().await,
        }
    }

    /// The engine for a test without a worker.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        self.store_at(self.port()).await
    }

    /// The same by way of another port of this machine.
    pub(crate) async fn store_at(&self, port: u16) -> Arc<dyn Store> {
        match self {
            Self::Postgres { server, schema } => {
                Arc::new(PostgresStore::open(&server.url_at(port, schema)).await.unwrap())
            }
            Self::Redis { server, name } => {
                Arc::new(crate::redis::options(&server.url_at(port), name).open().await.unwrap())
            }
        }
    }

    /// Has a world keep everything here.
    pub(crate) fn choose(&self) -> Chosen {
        self.choose_at(self.port())
    }

    /// The same by way of another port of this machine.
    pub(crate) fn choose_at(&self, port: u16) -> Chosen {
        match self {
            Self::Postgres { server, schema } => {
                let options = PostgresOptions::new(&server.url_at(port, schema)).unwrap();
                Box::new(|builder| builder.open_store(options))
            }
            Self::Redis { server, name } => {
                let options = crate::redis::options(&server.url_at(port), name).strict();
                Box::new(|builder| builder.open_store(options))
            }
        }
    }

    /// Has a world keep everything here, behind a hook.
    pub(crate) async fn choose_behind<H: Hook + Debug>(&self, hook: H) -> Chosen {
        match self {
            Self::Postgres { server, schema } => {
                let store = PostgresStore::open(&server.url(schema)).await.unwrap();
                Box::new(|builder| builder.store(HookedStore::new(store, hook)))
            }
            Self::Redis { server, name } => {
                let store = crate::redis::options(&server.url(), name).open().await.unwrap();
                Box::new(|builder| builder.store(HookedStore::new(store, hook)))
            }
        }
    }

    /// Ends the connections that listen, and nothing else; how many there were.
    pub(crate) async fn end_listeners(&self) -> i64 {
        match self {
            Self::Postgres { server, schema } => {
                let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE application_name = 'incode' AND query LIKE 'LISTEN %'";
                server.connect(schema).await.query_one(sql, &[]).await.unwrap().get(0)
            }
            Self::Redis { server, .. } => {
                let mut kill = redis::cmd("CLIENT");
                let kill = kill.arg("KILL").arg("TYPE").arg("pubsub");
                kill.query_async(&mut server.connect().await).await.unwrap()
            }
        }
    }

    /// What a client says when it writes an identity, and nothing else.
    pub(crate) fn commits(&self) -> &'static str {
        match self {
            // With its end: `synchronous_commit` is named before.
            Self::Postgres { .. } => "COMMIT\0",
            // The row of an identity: no script that only reads names this command.
            Self::Redis { .. } => "\r\nSET\r\n",
        }
    }

    /// All events: object, how many, state.
    pub(crate) async fn rows(&self) -> Vec<(String, i64, String)> {
        match self {
            Self::Postgres { server, schema } => rows(server, schema).await,
            Self::Redis { server, name } => {
                let mut admin = server.connect().await;
                let mut ask = redis::cmd("ZRANGE");
                let ask = ask.arg(format!("{{{name}}}:events")).arg(0).arg(-1);
                let ids: Vec<String> = ask.query_async(&mut admin).await.unwrap();
                let mut rows = HashMap::new();
                for id in ids {
                    let mut ask = redis::cmd("HMGET");
                    let ask = ask.arg(format!("{{{name}}}:e:{id}")).arg(&["object_id", "state"]);
                    let (object, state): (String, String) = ask.query_async(&mut admin).await.unwrap();
                    let row = rows.entry(object).or_insert((0, state.clone()));
                    row.0 += 1;
                    assert_eq!(row.1, state);
                }
                rows.into_iter().map(|(object, (rows, state))| (object, rows, state)).collect()
            }
        }
    }
}

/// All events of a schema: object, how many, state.
pub(crate) async fn rows(server: &PostgresServer, schema: &str) -> Vec<(String, i64, String)> {
    let sql = "SELECT object_id, count(*), string_agg(DISTINCT state, ',') FROM event GROUP BY 1";
    let rows = server.connect(schema).await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}
