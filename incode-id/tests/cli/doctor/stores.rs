//! The stores, each with the real server.

use incode_sandbox::Sandbox;

use super::Found;
use crate::application::{KEY, Settings};
use crate::postgres::bouncer::Bouncer;
use crate::redis::Server as Redis;
use crate::world::open_file;
use incode_test_servers::PostgresServer;

async fn vendor() -> Sandbox {
    Sandbox::builder().start().await.unwrap()
}

async fn found(vendor: &Sandbox, store: &str) -> Found {
    Found::with(&Settings::of(vendor, "http://127.0.0.1:9", store), &["--no-public"]).await
}

#[tokio::test]
async fn sqlite_that_is_in_use_missing_or_elsewhere() {
    let (vendor, folder) = (vendor().await, tempfile::tempdir().unwrap());
    let file = folder.path().join("incode.db");
    let url = format!("sqlite:{}", file.display());
    found(&vendor, &url).await.assert("store", "pass", "not there yet", "");
    let store = open_file(&file).await;
    found(&vendor, &url).await.assert("store", "pass", "open in another process", "");
    store.close().await.unwrap();
    let looked = found(&vendor, &url).await;
    looked.assert("feed", "pass", "not needed", "");
    looked.assert_green(&[]);
    let away = format!("sqlite:{}/none/incode.db", folder.path().display());
    found(&vendor, &away).await.assert("store", "fail", "its folder", "make the folder");
    std::fs::write(folder.path().join("text"), "no database, and longer than the head of one: 0123456789").unwrap();
    let text = format!("sqlite:{}/text", folder.path().display());
    found(&vendor, &text).await.assert("store", "fail", "", "");
    found(&vendor, "memory:").await.assert("store", "fail", "in memory", "sqlite:PATH");
}

#[tokio::test]
async fn postgres_that_is_right() {
    let Some(server) = PostgresServer::shared().await else { return };
    let looked = found(&vendor().await, &server.fresh().0).await;
    looked.assert("feed", "pass", "arrive", "");
    looked.assert("keys", "pass", "", "");
    looked.assert_green(&[]);
}

#[tokio::test]
async fn a_replica_with_another_key() {
    let Some(server) = PostgresServer::shared().await else { return };
    let vendor = vendor().await;
    let first = Settings::of(&vendor, "http://127.0.0.1:9", &server.fresh().0);
    Found::with(&first, &["--no-public"]).await.assert_green(&[]);
    let other = first.clone().with("INCODE_STORE_KEY", KEY);
    let looked = Found::with(&other, &["--no-public"]).await;
    looked.assert("keys", "fail", "another store key", "every replica");
    let other = first.clone().with("INCODE_FLOW_SECRET", crate::application::OTHER_KEY);
    let looked = Found::with(&other, &["--no-public"]).await;
    looked.assert("keys", "fail", "another flow secret", "every replica");
    Found::with(&first, &["--no-public"]).await.assert_green(&[]);
}

#[tokio::test]
async fn a_transaction_pooler() {
    let Some(server) = PostgresServer::shared().await else { return };
    let Some(bouncer) = Bouncer::before(&server, &["pool_mode = transaction", "default_pool_size = 4"]).await else {
        return;
    };
    let vendor = vendor().await;
    let (direct, schema) = server.fresh();
    let through = format!("postgres://incode@127.0.0.1:{}/postgres?schema={schema}", bouncer.port());
    let pooled = found(&vendor, &through).await;
    pooled.assert("feed", "warn", "pooler", "INCODE_STORE_LISTEN");
    let both = Settings::of(&vendor, "http://127.0.0.1:9", &through).with("INCODE_STORE_LISTEN", &direct);
    Found::with(&both, &["--no-public"]).await.assert_green(&[]);
}

#[tokio::test]
async fn postgres_without_a_right_an_encoding_or_fsync() {
    let Some(server) = PostgresServer::start_with(&["fsync=off"]).await else { return };
    let vendor = vendor().await;
    let (url, schema) = server.fresh();
    found(&vendor, &url).await.assert("store", "warn", "fsync", "fsync = on");
    let client = server.connect(&schema).await;
    client.batch_execute("CREATE ROLE guest LOGIN").await.unwrap();
    client.batch_execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'").await.unwrap();
    let at = |user: &str, base: &str| format!("postgres://{user}@127.0.0.1:{}/{base}?schema=mine", server.port());
    found(&vendor, &at("guest", "postgres")).await.assert("store", "fail", "lacks a right", "grant");
    found(&vendor, &at("incode", "latin")).await.assert("store", "fail", "encoding is LATIN1", "UTF8");
    server.kill();
    found(&vendor, &url).await.assert("store", "fail", "", "start the server");
}

#[tokio::test]
async fn redis_without_channels_durability_or_memory_that_stays() {
    let vendor = vendor().await;
    let Some(server) = Redis::start(&[]).await else { return };
    found(&vendor, &server.url()).await.assert_green(&[]);
    server.admin("ACL SETUSER app on >password allkeys allcommands resetchannels").await;
    let user = format!("redis://app:password@127.0.0.1:{}/", server.port);
    let mute = found(&vendor, &user).await;
    mute.assert("store", "warn", "no right to the channel", "&incode_*");
    mute.assert("feed", "warn", "", "incode_*");
    let wrong = format!("redis://app:wrong@127.0.0.1:{}/", server.port);
    found(&vendor, &wrong).await.assert("store", "fail", "WRONGPASS", "password");
    server.admin("CONFIG SET maxmemory-policy allkeys-lru").await;
    let evicting = found(&vendor, &server.url()).await;
    evicting.assert("store", "warn", "maxmemory-policy", "noeviction");
    evicting.assert("store writes", "fail", "", "noeviction");
    server.admin("CONFIG SET maxmemory-policy noeviction").await;
    server.admin("CONFIG SET appendfsync everysec").await;
    found(&vendor, &server.url()).await.assert("store", "warn", "appendfsync", "appendfsync always");
}
