//! What is said when a store can't be opened, or stops taking writes.

mod common;

use std::error::Error;

use common::PATIENCE;
use common::calls::open;
use incode_core::store::{
    Accepted, IdentityStore, InboxStore, LifeCycle, SecretCheck, StoreError, StoreErrorKind, StoreNotice,
};
use incode_core::testing::store_suite::{observe, pending, seen};
use incode_postgres::{PostgresOptions, PostgresStore};
use incode_test_servers::{Certificates, PostgresServer, free_port};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_open_a_new_schema_at_once() {
    let Some(server) = PostgresServer::shared().await else { return };
    for is_made in [false, true] {
        let (url, schema) = server.fresh();
        if is_made {
            server.connect(&schema).await.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
        }
        let mut all = JoinSet::new();
        for n in 0..8 {
            let url = url.clone();
            all.spawn(async move {
                let store = open(&url).await;
                let event = pending(&format!("object-{n}"), "token", 10);
                assert!(matches!(store.accept(event).await.unwrap(), Accepted::New(_)));
                assert_ne!(store.check_secret("key", [7; 16]).await.unwrap(), SecretCheck::Other);
                store.close().await.unwrap();
            });
        }
        all.join_all().await;
        assert_eq!(open(&url).await.counts().await.unwrap().inbox.pending, 8);
    }
}

#[tokio::test]
async fn another_version_and_another_program_are_refused_and_left_alone() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    open(&url).await.close().await.unwrap();
    let admin = server.connect(&schema).await;
    admin.batch_execute("UPDATE meta SET value = '7' WHERE name = 'version'").await.unwrap();
    let refused = PostgresStore::open(&url).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Incompatible);
    assert_eq!(cause(&refused), "the schema is of version 7, this program needs version 1");

    let (url, schema) = server.fresh();
    let theirs = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.theirs (id int)");
    admin.batch_execute(&theirs).await.unwrap();
    let refused = PostgresStore::open(&url).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Incompatible);
    assert_eq!(cause(&refused), "the schema belongs to another program");
    let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = $1";
    assert_eq!(admin.query_one(sql, &[&schema]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_role_is_told_which_right_it_lacks() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let admin = server.connect(&schema).await;
    let role = format!("app_{schema}");
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let theirs = url.replace("incode@", &format!("{role}@"));
    let refused = async || {
        let refused = PostgresStore::open(&theirs).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Failed);
        cause(&refused)
    };
    assert!(refused().await.contains("42501): CREATE on the database"));
    admin.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    assert!(refused().await.contains("42501): USAGE and CREATE on the schema"));
    let store = open(&url).await;
    assert!(refused().await.contains("42501): USAGE on the schema"));
    admin.batch_execute(&format!("GRANT USAGE ON SCHEMA {schema} TO {role}")).await.unwrap();
    assert!(refused().await.contains("42501) on the table"));
    let grant = format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
    );
    admin.batch_execute(&grant).await.unwrap();
    let granted = open(&theirs).await;
    assert!(matches!(granted.accept(pending("object", "token", 10)).await.unwrap(), Accepted::New(_)));
    granted.time().await.unwrap();

    // Taken away while it runs: no delivery can be kept.
    admin.batch_execute(&format!("REVOKE INSERT ON event FROM {role}")).await.unwrap();
    assert!(cause(&granted.time().await.unwrap_err()).contains("42501"));
    let refused = granted.accept(pending("another", "token", 10)).await.unwrap_err();
    assert_eq!(cause(&refused), "SQLSTATE 42501: the role lacks a right");
    store.time().await.unwrap();
}

#[tokio::test]
async fn a_schema_of_its_own_is_enough() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (url, schema) = server.fresh();
    let admin = server.connect(&schema).await;
    let role = format!("app_{schema}");
    let make = format!("CREATE ROLE {role} LOGIN; CREATE SCHEMA {schema} AUTHORIZATION {role}");
    admin.batch_execute(&make).await.unwrap();
    let store = open(&url.replace("incode@", &format!("{role}@"))).await;
    assert!(matches!(store.accept(pending("object", "token", 10)).await.unwrap(), Accepted::New(_)));
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused_in_words() {
    let Some(server) = PostgresServer::start_encoded("LATIN1").await else { return };
    let refused = PostgresStore::open(&server.url("incode")).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Failed);
    assert_eq!(cause(&refused), "the database's encoding is LATIN1: create one with ENCODING 'UTF8'");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_no_writes_is_refused_at_start_and_while_it_runs() {
    let Some(server) = PostgresServer::start().await else { return };
    let standby = server.standby().await;
    let refused = PostgresStore::open(&standby.url("incode")).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    assert_eq!(cause(&refused), format!("127.0.0.1:{}: a standby, it takes no writes", standby.port()));

    let store = open(&server.url("incode")).await;
    assert!(store.time().await.unwrap().is_some());
    let admin = server.connect("incode").await;
    admin.batch_execute("ALTER DATABASE postgres SET default_transaction_read_only = on").await.unwrap();
    let refused = PostgresStore::open(&server.url("incode")).await.unwrap_err();
    assert!(cause(&refused).ends_with("the database takes no writes (default_transaction_read_only is on)"));
    admin.batch_execute("ALTER DATABASE postgres RESET default_transaction_read_only").await.unwrap();

    admin.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let begun = std::time::Instant::now();
    let error = loop {
        assert!(begun.elapsed() < PATIENCE, "the setting is not read");
        match store.time().await {
            Err(error) => break error,
            Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let refused = store.accept(pending("object", "token", 10)).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    assert!(cause(&refused).contains("takes no writes"), "{}", cause(&refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_hosts_the_one_that_takes_writes_is_used() {
    let Some(primary) = PostgresServer::start().await else { return };
    let standby = primary.standby().await;
    for (n, hosts) in [[primary.port(), standby.port()], [standby.port(), primary.port()]].into_iter().enumerate() {
        let [first, second] = hosts.map(|port| format!("127.0.0.1:{port}"));
        let store = open(&format!("postgres://incode@{first},{second}/postgres?schema=of_{n}")).await;
        let other = open(&primary.url(&format!("of_{n}"))).await;
        let mut feed = store.feed().unwrap();
        assert_eq!(common::calls::next(&mut feed).await, StoreNotice::Up);
        other.change(observe(seen("person", 10))).await.unwrap();
        while !matches!(common::calls::next(&mut feed).await, StoreNotice::Changed(_)) {}
        store.change(observe(seen("person", 11))).await.unwrap();
    }
}

#[tokio::test]
async fn what_can_not_be_reached_says_why_and_nothing_secret() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (port, unused) = (server.port(), free_port());
    for (url, said) in [
        (format!("postgres://incode:canary@127.0.0.1:{port}/canary"), format!("127.0.0.1:{port}: SQLSTATE 3D000: ")),
        (format!("postgres://canary:canary@127.0.0.1:{port}/postgres"), "SQLSTATE 28000: ".to_owned()),
        (format!("postgres://canary:canary@127.0.0.1:{unused}/canary"), format!(":{unused}: connection refused")),
        ("postgres://canary:canary@no-such-host.invalid/canary?sslmode=disable".to_owned(), "(DNS)".to_owned()),
        (format!("postgres://canary@127.0.0.1:{port}/postgres?sslmode=require"), "TLS: server does not".to_owned()),
        ("postgres://canary@/postgres?host=/no/such/folder".to_owned(), "there is no such socket".to_owned()),
    ] {
        let error = PostgresStore::open(&url).await.unwrap_err();
        let all = format!("{error} {error:?} {}", cause(&error));
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{url}: {all}");
        assert!(all.contains(&said), "{url}: {all}");
        assert!(!all.contains("canary"), "{url}: {all}");
    }
}

#[test]
fn what_can_not_be_read_says_why_and_nothing_secret() {
    for (url, said) in [
        ("mysql://canary@127.0.0.1/postgres", "starts with postgres://"),
        ("postgres://canary@127.0.0.1/postgres?schema=Canary", "the schema's name"),
        ("postgres://canary@127.0.0.1/postgres?sslmode=canary", "sslmode"),
        ("postgres://canary@127.0.0.1/postgres?pool_size=canary", "the parameter pool_size is unknown"),
        ("postgres://user:can?ary@127.0.0.1/postgres", "the parameter (not a plain name) is unknown"),
        ("postgres://canary@127.0.0.1/postgres?passfile=canary", "the parameter passfile is not supported"),
        ("postgres://canary@127.0.0.1/postgres?sslcert=canary", "sslcert and sslkey"),
        ("postgres:///canary", "names no host"),
    ] {
        let error = PostgresOptions::new(url).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Failed);
        assert!(cause(&error).contains(said), "{url}: {}", cause(&error));
        assert!(!format!("{error:?}").to_lowercase().contains("canary"), "{url}: {error:?}");
    }
    let options = PostgresOptions::new("postgres://canary:canary@canary/canary").unwrap();
    assert!(!format!("{options:?}").contains("canary"));
    assert!(incode_postgres::from_url("redis://localhost").is_none());
    assert!(incode_postgres::from_url("postgresql://localhost/app").unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_is_encrypted_to_a_server_that_shows_who_it_is() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let Some(server) = PostgresServer::start_with_tls(&certificates).await else { return };
    let (port, ours, theirs) = (server.port(), certificates.authority(), others.authority());
    let (ours, theirs) = (ours.display(), theirs.display());
    for mode in ["require", "verify-ca", "verify-full", "prefer"] {
        let schema = server.fresh().1;
        let base = format!("/postgres?schema={schema}&sslmode={mode}");
        for (said, url) in [
            ("invalid peer certificate", format!("postgres://incode@localhost:{port}{base}&sslrootcert={theirs}")),
            ("invalid peer certificate", format!("postgres://incode@localhost:{port}{base}&sslrootcert=system")),
            ("not valid for name", format!("postgres://incode@127.0.0.1:{port}{base}&sslrootcert={ours}")),
        ] {
            let refused = PostgresStore::open(&url).await.expect_err(said);
            assert_eq!(refused.kind(), StoreErrorKind::Unavailable, "{mode}");
            let cause = cause(&refused);
            assert!(cause.contains("TLS: ") && cause.contains(said), "{mode}, {said}: {cause}");
        }
        let store = open(&format!("postgres://incode@localhost:{port}{base}&sslrootcert={ours}")).await;
        let mut feed = store.feed().unwrap();
        assert_eq!(common::calls::next(&mut feed).await, StoreNotice::Up);
        store.accept(pending("object", "token", 10)).await.unwrap();
        let sql = "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'incode'";
        let row = server.connect(&schema).await.query_one(sql, &[]).await.unwrap();
        let (all, encrypted) = (row.get::<_, i64>(0), row.get::<_, i64>(1));
        assert!(all >= 2 && all == encrypted, "{mode}: {encrypted} of {all}");
        store.close().await.unwrap();
    }
}

fn cause(error: &StoreError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}
