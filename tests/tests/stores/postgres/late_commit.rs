use std::time::Duration;

use incode_core::Subject;
use incode_postgres::PostgresOptions;
use incode_tests::servers::{PostgresServer, Proxy};
use incode_tests::{Adapter, Plan, World, event, eventually};
use tokio_postgres::Client;

use crate::is_kept;

/// The network goes while the server commits, and is back before it has: no process knows of a change when it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_committed_after_its_caller_gave_up_is_noticed() {
    let Some(cluster) = Cluster::start("DELETE ON link").await else { return };
    let incode = cluster.world.incode.clone();
    let unlinking =
        tokio::spawn(async move { incode.unlink(&Subject::new("ana").unwrap(), &incode_core::Actor::unknown()).await });
    cluster.loses_the_network_while_the_server_commits().await;
    // Kept by the near cache from here on, unless a notice comes.
    eventually("asked again", async || cluster.status().await == 200 && is_kept(&cluster.world, "ana")).await;
    cluster.ends_the_commit().await;
    eventually("the notice came", async || cluster.status().await == 403).await;
    assert_eq!(cluster.world.get("ana", "/vault").await.code(), "verification_required");
    assert!(unlinking.await.unwrap().is_err(), "its caller gave up");
}

/// The same with a revocation. The process that received it closes its gate at once, whether it was written or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_whose_commit_is_unknown_closes_the_gate_at_once() {
    let Some(cluster) = Cluster::start("INSERT OR UPDATE ON identity").await else { return };
    let again = cluster.world.sandbox.verify(&cluster.identity).unwrap();
    cluster.world.sandbox.revoke(&cluster.identity).unwrap();
    cluster.world.deliver(&event("verification.completed", &again.verification_id, &again.token)).await;
    cluster.loses_the_network_while_the_server_commits().await;
    eventually("shut", async || cluster.status().await != 200).await;
    eventually("asked again", async || {
        let status = cluster.status().await;
        assert_ne!(status, 200, "open after the vendor said that the person is revoked");
        status == 403
    })
    .await;
    cluster.ends_the_commit().await;
    cluster.world.settles(1, 0, 0).await;
    assert_eq!(cluster.world.get("ana", "/vault").await.code(), "identity_revoked");
}

/// A world behind a network, in which Ana stands in an open door, and whose server goes on committing one kind of change
/// until the test ends it.
struct Cluster {
    /// Of this test alone: another test's commit would be taken for its own.
    _server: PostgresServer,
    proxy: Proxy,
    world: World,
    identity: String,
    admin: Client,
    /// The number of the lock that a commit waits for.
    lock: i64,
}

impl Cluster {
    async fn start(change: &str) -> Option<Self> {
        let server = PostgresServer::start().await?;
        let proxy = Proxy::to(server.port()).await;
        let (_, schema) = server.fresh();
        let url = server.url_at(proxy.port(), &schema);
        let store = move |builder: incode_core::Builder| {
            // What is not pushed stays unknown for as long as this test runs.
            builder.open_store(PostgresOptions::new(&url).unwrap()).near_cache_lifetime(Duration::from_secs(600))
        };
        let world = Plan::new(Adapter::Axum).incode(store).start().await;
        let identity = world.person("Ana Flores").identity_id;
        world.link("ana", &identity).await;
        let admin = server.connect(&schema).await;
        let lock = schema.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap();
        let cluster = Self { _server: server, proxy, world, identity, admin, lock };
        eventually("open", async || cluster.status().await == 200).await;
        // Tried again and again: what waits for a lock is given up by the server after a while.
        let slow = format!(
            "SELECT pg_advisory_lock({lock});
            CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                WHILE NOT pg_try_advisory_xact_lock({lock}) LOOP PERFORM pg_sleep(0.05); END LOOP;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER dawdle AFTER {change} DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION dawdle()"
        );
        cluster.admin.batch_execute(&slow).await.unwrap();
        Some(cluster)
    }

    async fn status(&self) -> u16 {
        self.world.status("ana", "/vault").await
    }

    async fn loses_the_network_while_the_server_commits(&self) {
        eventually("the server commits", async || self.commits().await).await;
        self.proxy.cut();
        eventually("cut off", async || self.status().await == 503).await;
        self.proxy.mend();
    }

    async fn commits(&self) -> bool {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'";
        self.admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) >= 1
    }

    async fn ends_the_commit(&self) {
        let unlocked = self.admin.query_one("SELECT pg_advisory_unlock($1)", &[&self.lock]).await.unwrap();
        assert!(unlocked.get::<_, bool>(0));
    }
}
