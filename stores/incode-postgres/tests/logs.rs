//! What the client library logs of a store's work: a file of its own, for a logger is for a whole process.

mod common;

use std::sync::{Mutex, PoisonError};

use common::calls::{applied, claimed, next, open};
use incode_core::store::{InboxStore, LifeCycle, StoreNotice};
use incode_core::testing::store_suite::pending;
use incode_test_servers::PostgresServer;

/// Everything that is logged at any level, as `tracing-log` would pass it on.
struct Lines(Mutex<String>);

static LINES: Lines = Lines(Mutex::new(String::new()));

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_str(&format!("{} {}\n", record.target(), record.args()));
    }

    fn flush(&self) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_parameter_is_logged() {
    let Some(server) = PostgresServer::start_with(&["log_statement=none"]).await else { return };
    log::set_logger(&LINES).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let store = open(&server.url("incode")).await;
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    store.accept(pending("canary-object", "canary-token", 10)).await.unwrap();
    assert_eq!(claimed(&*store).await.token, b"canary-token");
    applied(&*store, "canary-second", "canary-person", Some("canary-subject"), 20).await;
    store.check_secret("key", *b"canary-canary-ca").await.unwrap();

    let admin = server.connect("incode").await;
    let sql = "SELECT value FROM meta WHERE name = 'channel key'";
    let key: Vec<u8> = admin.query_one(sql, &[]).await.unwrap().get(0);
    let lines = LINES.0.lock().unwrap_or_else(PoisonError::into_inner).to_lowercase();
    assert!(lines.contains("tokio_postgres") && lines.contains("begin isolation level"), "nothing was logged");
    let (bytes, hex) = (format!("{key:?}"), key.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    // As text, as the bytes of a `Debug`, and as hex digits.
    for secret in ["canary", "99, 97, 110, 97, 114, 121", "63616e617279", &bytes, &hex, "listen \""] {
        assert!(!lines.contains(secret), "{secret} is logged");
    }
}
