//! How a role proves itself to a server that asks for it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a panic is how it fails")]

mod common;

use std::error::Error;
use std::process::Command;

use incode_core::store::{InboxStore, LifeCycle, StoreError, StoreErrorKind};
use incode_core::testing::store_suite::pending;
use incode_postgres::PostgresStore;
use incode_test_servers::{Certificates, PostgresServer};

/// The store opens and writes.
async fn works(url: &str) {
    let store = PostgresStore::open(url).await.unwrap_or_else(|error| panic!("{error}: {}", cause(&error)));
    store.accept(pending("object", "token", 10)).await.unwrap();
    store.close().await.unwrap();
}

async fn refused(url: &str) -> String {
    let refused = PostgresStore::open(url).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    cause(&refused)
}

fn cause(error: &StoreError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_comes_from_the_url_or_from_the_environment() {
    let rule = "host all guarded 127.0.0.1/32 scram-sha-256";
    let Some(server) = PostgresServer::start_guarded(rule, &Certificates::new()).await else { return };
    let base = format!("127.0.0.1:{}/postgres?schema=", server.port());
    works(&format!("postgres://guarded:a%20password%3A%20%25%40%2F@{base}by_url")).await;
    let said = refused(&format!("postgres://guarded@{base}by_nothing")).await;
    assert!(said.contains("asks for a password"), "{said}");
    let wrong = refused(&format!("postgres://guarded:canary@{base}by_nothing")).await;
    assert!(!wrong.contains("canary"), "{wrong}");

    // A process of its own: the environment of this one is shared by its tests.
    let opens = |password: &str, url: String| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "opens_as_the_environment_says", "--ignored", "--nocapture"]);
        let output = child.env("PGPASSWORD", password).env(URL, url).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (is_open, output) = opens("a password: %@/", format!("postgres://guarded@{base}by_environment"));
    assert!(is_open && output.contains("1 passed"), "{output}");
    let (is_open, output) = opens("another", format!("postgres://guarded@{base}by_environment"));
    assert!(!is_open && output.contains("0 passed"), "{output}");
    // What the URL says counts.
    let (is_open, output) = opens("another", format!("postgres://guarded:a%20password%3A%20%25%40%2F@{base}by_both"));
    assert!(is_open && output.contains("1 passed"), "{output}");
}

const URL: &str = "INCODE_TEST_STORE";

#[tokio::test]
#[ignore = "run by the test above, in a process with another environment"]
async fn opens_as_the_environment_says() {
    works(&std::env::var(URL).expect("set by the test above")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_is_named_by_its_folder() {
    let Some(server) = PostgresServer::shared().await else { return };
    let (folder, port, schema) = (server.socket_folder().display(), server.port(), server.fresh().1);
    works(&format!("postgres://incode@/postgres?host={folder}&port={port}&schema={schema}")).await;
    let sql = "SELECT count(*) FROM event";
    assert_eq!(server.connect(&schema).await.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 1);
    let encoded = server.socket_folder().display().to_string().replace('/', "%2F");
    works(&format!("postgres://incode@{encoded}:{port}/postgres?schema={}", server.fresh().1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_shown_to_a_server_that_asks_for_one() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let rules = "hostssl all guarded all cert\nhostnossl all guarded all reject";
    let Some(server) = PostgresServer::start_guarded(rules, &certificates).await else { return };
    let authority = certificates.authority();
    let base = format!("postgres://guarded@localhost:{}/postgres?sslmode=verify-full&sslrootcert=", server.port());
    let base = format!("{base}{}", authority.display());
    let with = |[certificate, key]: [std::path::PathBuf; 2], schema: &str| {
        format!("{base}&sslcert={}&sslkey={}&schema={schema}", certificate.display(), key.display())
    };
    let client = certificates.client("guarded");
    works(&with(client.clone(), "by_certificate")).await;
    // None, one of another authority, and one of another name.
    for url in [
        format!("{base}&schema=by_nothing"),
        with(others.client("guarded"), "by_nothing"),
        with(certificates.client("another"), "by_nothing"),
    ] {
        let said = refused(&url).await;
        assert!(!said.is_empty() && !said.contains(".pem") && !said.contains(".key"), "{said}");
    }
    // Of version 3, and so compared with the key. Its name is that of no role.
    let [certificate, key] = certificates.server();
    let said = refused(&with([certificate.clone(), key], "by_nothing")).await;
    assert!(!said.contains("do not belong together"), "{said}");
    let said = refused(&with([certificate, client[1].clone()], "by_nothing")).await;
    assert!(said.contains("do not belong together"), "{said}");
}
