//! A user with few rights: what is missing is named, and nothing that was written is undone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a panic is how it fails")]

mod common;

use common::{Server, apply, cause, claim, event, identity, keep, link, next, observe, seen, subject};
use futures_util::StreamExt;
use incode_core::identity::transition::{Command, Outcome};
use incode_core::model::IdentityStatus;
use incode_core::store::{IdentityStore, InboxStore, LifeCycle, Settled, Settlement, StoreErrorKind, StoreNotice};
use incode_redis::{RedisOptions, RedisStore};

/// As the documentation of the crate says.
const MINIMAL: &str = "ACL SETUSER incode on >password resetkeys ~{incode}:* resetchannels &incode_* -@all +@connection \
    +evalsha +eval +get +set +del +exists +@hash +@sortedset +time +publish +subscribe +config|get +info";

async fn as_user(server: &Server) -> Result<RedisStore, incode_core::store::StoreError> {
    RedisOptions::new(&format!("redis://incode:password@127.0.0.1:{}/", server.port)).unwrap().strict().open().await
}

/// Everything that a store does, with few events.
async fn works(store: &RedisStore, person: &str) {
    let active = IdentityStatus::Active;
    store.change(observe(person, active.clone(), 1)).await.unwrap();
    assert_eq!(store.change(link(person, person, 2)).await.unwrap().outcome, Outcome::Linked);
    let id = keep(store, event(person, "token", 3)).await;
    let lease = claim(store, 4).await.events.first().unwrap().lease;
    let apply = Some(Box::new(apply(id, person, person, active, 5)));
    let settled = store.settle(lease, Settlement::Done { apply, at: common::at(5) }).await.unwrap();
    assert!(matches!(settled, Settled::Written(Some(_))), "{settled:?}");
    assert!(store.subject(subject(person)).await.unwrap().linked.is_some());
    let forget = Command::Forget { identity: identity(person), by: common::actor() };
    assert_eq!(store.change(common::request(forget, 6)).await.unwrap().outcome, Outcome::Forgotten(true));
    store.time().await.unwrap();
    store.counts().await.unwrap();
}

#[tokio::test]
async fn the_documented_rights_are_enough() {
    let Some(server) = Server::start(&[]).await else { return };
    server.admin(MINIMAL).await;
    let store = as_user(&server).await.unwrap();
    works(&store, "person").await;
    assert_eq!(next(&mut store.feed().unwrap()).await, StoreNotice::Up);
}

/// The default of Redis 7 for a new user is no channel at all.
#[tokio::test]
async fn without_a_channel_all_works_and_the_feed_stays_down() {
    let Some(server) = Server::start(&[]).await else { return };
    server.admin("ACL SETUSER incode on >password allkeys allcommands resetchannels").await;
    let store = as_user(&server).await.unwrap();
    let mut feed = store.feed().unwrap();
    works(&store, "person").await;
    // The right is granted while the store is open: the feed comes up by itself, and had not been up before.
    server.admin("ACL SETUSER incode allchannels").await;
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
}

/// A right that is taken away later: the change is written, and the call says so.
#[tokio::test]
async fn a_notice_that_is_refused_does_not_undo_the_change() {
    let Some(server) = Server::start(&[]).await else { return };
    server.admin("ACL SETUSER incode on >password allkeys allcommands allchannels").await;
    let store = as_user(&server).await.unwrap();
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    for taken in ["resetchannels", "-publish"] {
        server.admin(&format!("ACL SETUSER incode {taken}")).await;
        works(&store, taken).await;
    }
    assert_eq!(next(&mut feed).await, StoreNotice::Down);
}

#[tokio::test]
async fn rights_that_are_missing_are_named_at_start() {
    let Some(server) = Server::start(&[]).await else { return };
    for (take, words) in [
        ("-zadd -hincrby", "HINCRBY ZADD"),
        ("-evalsha -eval", "the command eval"),
        ("resetkeys ~other:*", "(keys start with {incode}:)"),
    ] {
        server.admin(&format!("{MINIMAL} {take}")).await;
        let refused = as_user(&server).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Unavailable, "{take}: {}", cause(&refused));
        assert!(cause(&refused).contains(words), "{take}: {}", cause(&refused));
        assert!(!cause(&refused).contains("password"));
        server.admin("ACL DELUSER incode").await;
    }
    // Without the right to read settings there is nothing to be strict about, and the store opens.
    server.admin(&format!("{MINIMAL} -config|get -info")).await;
    assert!(cause(&as_user(&server).await.unwrap_err()).contains("can't be read"));
    let url = format!("redis://incode:password@127.0.0.1:{}/", server.port);
    works(&RedisStore::open(&url).await.unwrap(), "person").await;
}

/// A stranger on the channel empties no cache: what does not open is not passed on.
#[tokio::test]
async fn forged_notices_change_nothing() {
    let Some(server) = Server::start(&[]).await else { return };
    let (store, other) = (server.open().await, server.open().await);
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    let mut stranger = server.connect().await;
    let channels: Vec<String> = redis::cmd("PUBSUB").arg("CHANNELS").query_async(&mut stranger).await.unwrap();
    let [channel] = channels.as_slice() else { panic!("one channel: {channels:?}") };
    for forged in ["", "forged", "{\"from\":\"x\",\"identity\":\"person\"}", "AAAA"] {
        redis::cmd("PUBLISH").arg(channel).arg(forged).exec_async(&mut stranger).await.unwrap();
    }
    let seen = Command::Observe(seen("person", IdentityStatus::Active, 1));
    let changed = other.change(common::request(seen, 1)).await.unwrap().change.unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Changed(changed), "the next notice is the genuine one");
}

/// A neighbour with all channels captures sealed notices and sends them again: each counts once.
#[tokio::test]
async fn captured_notices_change_nothing() {
    let Some(server) = Server::start(&[]).await else { return };
    let (store, other) = (server.open().await, server.open().await);
    let mut feed = store.feed().unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Up);
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/", server.port)).unwrap();
    let mut spy = client.get_async_pubsub().await.unwrap();
    spy.psubscribe("*").await.unwrap();
    let seen_as = |status, at| common::request(Command::Observe(seen("person", status, at)), at);
    let first = other.change(seen_as(IdentityStatus::Active, 1)).await.unwrap().change.unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Changed(first));
    // Whatever was sent until the mark: the notice is among it, and pulses of the listener.
    let mut stranger = server.connect().await;
    redis::cmd("PUBLISH").arg("mark").arg("").exec_async(&mut stranger).await.unwrap();
    let mut messages = spy.on_message();
    let mut captured = Vec::new();
    loop {
        let message = messages.next().await.unwrap();
        if message.get_channel_name() == "mark" {
            break;
        }
        captured.push((message.get_channel_name().to_owned(), message.get_payload::<String>().unwrap()));
    }
    assert!(!captured.is_empty());
    for (channel, payload) in captured.iter().cycle().take(100 * captured.len()) {
        redis::cmd("PUBLISH").arg(channel).arg(payload).exec_async(&mut stranger).await.unwrap();
    }
    let second = Command::Observe(seen("another", IdentityStatus::Active, 2));
    let second = other.change(common::request(second, 2)).await.unwrap().change.unwrap();
    assert_eq!(next(&mut feed).await, StoreNotice::Changed(second), "the next notice is the genuine one");
}
