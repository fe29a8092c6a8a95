use std::error::Error;

use incode_core::store::{Accepted, EventFilter, PostgresOptions, PostgresStore, Store, StoreError, StoreErrorKind};
use incode_core::testing::store_suite::pending;
use incode_tests::servers::PostgresServer;
use tokio::task::JoinSet;

use super::open;

#[tokio::test]
async fn eight_open_a_new_schema_at_once() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let mut all = JoinSet::new();
    for n in 0..8 {
        let url = url.clone();
        all.spawn(async move {
            let store = open(&url).await;
            let event = pending(&format!("object-{n}"), "token", 10);
            assert!(matches!(store.accept(event).await.unwrap(), Accepted::New(_)));
            store.close().await.unwrap();
        });
    }
    all.join_all().await;
    assert_eq!(open(&url).await.counts().await.unwrap().pending, 8);
    let steps = server.connect(&schema).await.query_one("SELECT count(*) FROM version", &[]).await.unwrap();
    assert_eq!(steps.get::<_, i64>(0), 1);
}

/// A rolling deploy, forwards and back: the newer version only added, and says so.
#[tokio::test]
async fn a_version_that_only_added_is_worked_beside() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let running = open(&url).await;
    running.accept(pending("before", "token", 10)).await.unwrap();
    let newer = server.connect(&schema).await;
    newer
        .batch_execute(
            "ALTER TABLE event ADD COLUMN novelty text NOT NULL DEFAULT 'of the next version';
            CREATE TABLE novelties (id bigint); UPDATE version SET version = version + 1",
        )
        .await
        .unwrap();
    running.accept(pending("beside", "token", 11)).await.unwrap();
    let restarted = open(&url).await;
    restarted.accept(pending("after", "token", 12)).await.unwrap();
    assert_eq!(running.events(EventFilter::default()).await.unwrap().len(), 3);
    let version = newer.query_one("SELECT version FROM version", &[]).await.unwrap().get::<_, i32>(0);
    open(&url).await;
    let after = newer.query_one("SELECT version FROM version", &[]).await.unwrap().get::<_, i32>(0);
    assert_eq!(version, after, "what is newer is left as it is");
}

#[tokio::test]
async fn a_version_that_cannot_be_worked_beside_is_refused_and_left_alone() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    open(&url).await.close().await.unwrap();
    let newer = server.connect(&schema).await;
    newer.batch_execute("UPDATE version SET version = 1000, oldest = 999").await.unwrap();
    let refused = PostgresStore::open(&url).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Incompatible);
    assert_eq!(cause(&refused), "the schema was written by a newer version");
}

#[tokio::test]
async fn a_schema_of_others_is_refused_and_left_alone() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let theirs = server.connect(&schema).await;
    theirs.batch_execute(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.theirs (id int)")).await.unwrap();
    let refused = PostgresStore::open(&url).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Incompatible);
    assert_eq!(cause(&refused), "the schema belongs to another program");
    let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = $1";
    assert_eq!(theirs.query_one(sql, &[&schema]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_user_without_rights_on_the_database_needs_a_schema_of_his_own_only() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let admin = server.connect(&schema).await;
    let role = format!("app_{schema}");
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let url = url.replace("incode@", &format!("{role}@"));
    let refused = PostgresStore::open(&url).await.unwrap_err();
    assert_eq!((refused.kind(), cause(&refused).as_str()), (StoreErrorKind::Failed, "the user lacks a right"));
    admin.batch_execute(&format!("CREATE SCHEMA {schema} AUTHORIZATION {role}")).await.unwrap();
    let store = open(&url).await;
    assert!(matches!(store.accept(pending("object", "token", 10)).await.unwrap(), Accepted::New(_)));
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_and_nothing_of_the_url() {
    let Some(server) = PostgresServer::shared().await else { return };
    let port = server.port();
    for (url, kind) in [
        (format!("postgres://incode:canary@127.0.0.1:{port}/canary"), StoreErrorKind::Unavailable),
        (format!("postgres://canary:canary@127.0.0.1:{port}/postgres"), StoreErrorKind::Unavailable),
        ("postgres://canary:canary@127.0.0.1:9/canary".to_owned(), StoreErrorKind::Unavailable),
        // Elsewhere nothing is said in the clear unless told to, and this server has no TLS.
        (format!("postgres://canary@127.0.0.1:{port}/postgres?sslmode=require"), StoreErrorKind::Unavailable),
        (
            "postgres://canary@/postgres?sslrootcert=canary&host=127.0.0.1&sslmode=require".to_owned(),
            StoreErrorKind::Unavailable,
        ),
        ("mysql://canary@127.0.0.1/postgres".to_owned(), StoreErrorKind::Failed),
        ("postgres://canary@127.0.0.1/postgres?schema=Canary".to_owned(), StoreErrorKind::Failed),
        ("postgres://canary@127.0.0.1/postgres?sslmode=canary".to_owned(), StoreErrorKind::Failed),
        ("postgres://canary@127.0.0.1/postgres?canary=1".to_owned(), StoreErrorKind::Failed),
        ("postgres:///canary".to_owned(), StoreErrorKind::Failed),
    ] {
        let error = PostgresStore::open(&url).await.unwrap_err();
        let told = format!("{error} {error:?} {}", cause(&error));
        assert_eq!(error.kind(), kind, "{url}: {told}");
        assert!(!told.contains("canary"), "{url}: {told}");
    }
    let options = PostgresOptions::new("postgres://canary:canary@canary/canary").unwrap();
    assert!(!format!("{options:?}").contains("canary"));
}

fn cause(error: &StoreError) -> String {
    error.source().unwrap().to_string()
}
