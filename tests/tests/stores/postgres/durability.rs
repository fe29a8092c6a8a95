use incode_core::store::Store;
use incode_core::testing::store_suite::{new_link, pending, seen};
use incode_tests::servers::PostgresServer;

use super::open;

/// Where the server would answer before it wrote, our sessions wait all the same; where it waits for more, they do too.
#[tokio::test]
async fn every_write_waits_for_the_disk_whatever_the_server_does_by_itself() {
    for (set, kept) in [("off", "on"), ("local", "local"), ("on", "on"), ("remote_apply", "remote_apply")] {
        let setting = format!("synchronous_commit={set}");
        let Some(server) = PostgresServer::start_with(&[&setting]).await else { return };
        let (url, schema) = server.fresh();
        open(&url).await.close().await.unwrap();
        let admin = server.connect(&schema).await;
        admin
            .batch_execute(
                "CREATE TABLE waits (how text);
                CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                    $$BEGIN INSERT INTO waits VALUES (current_setting('synchronous_commit')); RETURN NULL; END$$;
                CREATE TRIGGER note AFTER INSERT ON event EXECUTE FUNCTION note();
                CREATE TRIGGER note AFTER INSERT ON identity EXECUTE FUNCTION note();
                CREATE TRIGGER note AFTER INSERT ON link EXECUTE FUNCTION note()",
            )
            .await
            .unwrap();
        let store = open(&url).await;
        store.accept(pending("object", "token", 10)).await.unwrap();
        store.observe(seen("person", 10)).await.unwrap();
        store.link(new_link("alice", "other", 10, None)).await.unwrap();
        let rows = admin.query("SELECT how FROM waits", &[]).await.unwrap();
        let ways: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(ways.len() >= 4 && ways.iter().all(|way| way == kept), "{set}: {ways:?}");
    }
}
