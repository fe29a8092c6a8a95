//! What a commit waits for, and what the death of the server leaves.

mod common;

use common::calls::open;
use common::eventually;
use incode_core::store::{IdentityStore, InboxStore, LifeCycle};
use incode_core::testing::store_suite::{link, observe, pending, seen};
use incode_test_servers::PostgresServer;

/// Where the server would answer before it wrote, our transactions wait all the same. Where it waits for more, they do.
#[tokio::test]
async fn every_write_waits_for_the_disk_whatever_the_server_does_by_itself() {
    for (set, kept) in [("off", "on"), ("local", "local"), ("on", "on"), ("remote_apply", "remote_apply")] {
        let setting = format!("synchronous_commit={set}");
        let Some(server) = PostgresServer::start_with(&[&setting]).await else { return };
        let store = open(&server.url("incode")).await;
        let admin = server.connect("incode").await;
        let notes = "CREATE TABLE waits (how text);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO incode.waits VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
            CREATE TRIGGER note AFTER INSERT ON event EXECUTE FUNCTION note();
            CREATE TRIGGER note AFTER INSERT ON identity EXECUTE FUNCTION note();
            CREATE TRIGGER note AFTER INSERT ON link EXECUTE FUNCTION note()";
        admin.batch_execute(notes).await.unwrap();
        store.accept(pending("object", "token", 10)).await.unwrap();
        store.change(observe(seen("person", 10))).await.unwrap();
        store.change(link("alice", "other", 10)).await.unwrap();
        let rows = admin.query("SELECT how FROM waits", &[]).await.unwrap();
        let ways: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(ways.len() >= 4 && ways.iter().all(|way| way == kept), "{set}: {ways:?}");
    }
}

/// The server is killed and started again: what was acknowledged is there, and the store works on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_the_servers_death() {
    let Some(server) = PostgresServer::start().await else { return };
    let store = open(&server.url("incode")).await;
    for n in 0..20 {
        store.accept(pending(&format!("object-{n}"), "token", 10)).await.unwrap();
        store.change(observe(seen(&format!("person-{n}"), 10))).await.unwrap();
    }
    server.kill();
    assert!(store.accept(pending("refused", "token", 10)).await.is_err());
    assert!(store.time().await.is_err());
    server.resume().await;
    eventually("it answers again", async || store.time().await.is_ok()).await;
    assert_eq!(store.counts().await.unwrap().inbox.pending, 20);
    store.accept(pending("after", "token", 10)).await.unwrap();
}

/// Every task and connection of a store ends with it, also when it is dropped without being closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_dropped_leaves_no_connection() {
    let Some(server) = PostgresServer::start().await else { return };
    let store = open(&server.url("incode")).await;
    let mut feed = store.feed().unwrap();
    common::calls::next(&mut feed).await;
    store.accept(pending("object", "token", 10)).await.unwrap();
    drop((store, feed));
    let admin = server.connect("incode").await;
    eventually("no connection is left", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'incode'";
        admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
}
