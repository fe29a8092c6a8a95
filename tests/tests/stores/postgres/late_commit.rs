use std::time::{Duration, Instant};

use incode_postgres::PostgresOptions;
use incode_tests::servers::{PostgresServer, Proxy};
use incode_tests::{Adapter, Plan, event, eventually};

/// The network goes while the server commits, and is back before it has: nobody here knows of a change when it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_is_committed_after_its_caller_gave_up_is_heard_of() {
    let Some(server) = PostgresServer::shared().await else { return };
    let proxy = Proxy::to(server.port()).await;
    let (_, schema) = server.fresh();
    let url = server.url_at(proxy.port(), &schema);
    let store = move |builder: incode_core::Builder| {
        // What is not pushed stays unknown for as long as this test runs.
        builder.open_store(PostgresOptions::new(&url).unwrap()).near_cache_lifetime(Duration::from_secs(600))
    };
    let world = Plan::new(Adapter::Axum).incode(store).start().await;
    let ana = world.person("Ana Flores");
    world.link("ana", &ana.identity_id).await;
    eventually("open", async || world.status("ana", "/vault").await == 200).await;

    let admin = server.connect(&schema).await;
    let slow = "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(3); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT OR UPDATE ON identity DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION dawdle()";
    admin.batch_execute(slow).await.unwrap();
    let again = world.sandbox.verify(&ana.identity_id).unwrap();
    world.sandbox.revoke(&ana.identity_id).unwrap();
    world.deliver(&event("verification.completed", &again.verification_id, &again.token)).await;
    let committing = async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'";
        admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 1
    };
    eventually("the server commits", committing).await;
    let began = Instant::now();
    proxy.cut();
    eventually("cut off", async || world.status("ana", "/vault").await == 503).await;
    proxy.mend();
    eventually("asked again", async || world.status("ana", "/vault").await == 200).await;
    assert!(committing().await, "the server was done after {:?} already", began.elapsed());
    // Kept by the near cache from here on, unless it is told.
    eventually("told", async || world.status("ana", "/vault").await == 403).await;
    assert_eq!(world.get("ana", "/vault").await.code(), "identity_revoked");
}
