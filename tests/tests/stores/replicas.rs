//! Three replicas on one database and one vendor, each with a server of its own: a request may reach any of them.

use std::sync::Arc;
use std::time::Duration;

use incode_core::Builder;
use incode_core::Secret;
use incode_core::client::Client;
use incode_core::flow::HostedFlow;
use incode_core::store::{PostgresOptions, PostgresStore, Store};
use incode_tests::servers::{PostgresServer, RedisServer};
use incode_tests::{Adapter, Auth, FLOW_SECRET, Plan, World};

/// Makes a test on each engine out of `async fn name(engine: Engine)`.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let Some(engine) = crate::replicas::Engine::postgres().await else { return };
                    super::$name(engine).await;
                }
            )+
        }
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let Some(engine) = crate::replicas::Engine::redis().await else { return };
                    super::$name(engine).await;
                }
            )+
        }
    };
}

mod inbox;
mod revocation;
mod tokens;

/// A database that no test had before.
pub(crate) enum Engine {
    Postgres { url: String, _server: Arc<PostgresServer> },
    Redis { name: String, server: Arc<RedisServer> },
}

impl Engine {
    pub(crate) async fn postgres() -> Option<Self> {
        let server = PostgresServer::shared().await?;
        Some(Self::Postgres { url: server.fresh().0, _server: server })
    }

    pub(crate) async fn redis() -> Option<Self> {
        let server = RedisServer::shared().await?;
        Some(Self::Redis { name: server.fresh(), server })
    }

    /// What somebody holds who has no worker.
    async fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Postgres { url, .. } => Arc::new(PostgresStore::open(url).await.unwrap()),
            Self::Redis { name, server } => Arc::new(crate::redis::open(server, name).await),
        }
    }

    fn choose(&self) -> impl FnOnce(Builder) -> Builder + Send + 'static + use<> {
        let (postgres, redis) = match self {
            Self::Postgres { url, .. } => (Some(PostgresOptions::new(url).unwrap()), None),
            Self::Redis { name, server } => (None, Some(crate::redis::options(&server.url(), name))),
        };
        move |builder| match (postgres, redis) {
            (Some(options), _) => builder.postgres(options),
            (_, Some(options)) => builder.redis(options),
            (None, None) => builder,
        }
    }
}

/// Three replicas as behind a balancer: one public address, one vendor. The vendor is the first one's sandbox.
pub(crate) async fn three(engine: &Engine, auth: Auth) -> [World; 3] {
    let first = plan(engine, auth).start().await;
    let (second, third) = (beside(&first, engine, auth).await, beside(&first, engine, auth).await);
    [first, second, third]
}

async fn beside(first: &World, engine: &Engine, auth: Auth) -> World {
    let sandbox = &first.sandbox;
    let client = Client::builder(&sandbox.url(), sandbox.api_key()).retries(0).build().unwrap();
    let public = format!("http://{}", first.address);
    let flow = HostedFlow::new(sandbox.client_id(), &sandbox.web_url(), &public, Secret::from(FLOW_SECRET)).unwrap();
    plan(engine, auth).incode(move |builder| builder.client(client).hosted_flow(flow)).start().await
}

/// What is known is believed for long, unless news says otherwise.
fn plan(engine: &Engine, auth: Auth) -> Plan {
    let choose = engine.choose();
    let lifetime = Duration::from_secs(600);
    Plan::new(Adapter::Axum).auth(auth).incode(move |builder| choose(builder).near_cache_lifetime(lifetime))
}
