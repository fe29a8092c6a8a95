use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use incode_core::Timestamp;
use incode_core::store::{EventState, IdentityStore, LifeCycle};
use incode_core::testing::ManualClock;
use incode_core::testing::store_suite::{observe, seen};
use incode_postgres::PostgresOptions;
use incode_tests::servers::{PostgresServer, Proxy};
use tokio::net::{TcpSocket, TcpStream};

use super::open;
use crate::engine::rows;
use crate::load::Load;

/// The primary is killed under load, and its standby takes its place: nothing that was acknowledged is lost or doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_is_killed_under_load_and_what_was_acknowledged_is_applied() {
    let Some(primary) = PostgresServer::start().await else { return };
    let standby = primary.standby().await;
    let schema = "failover";
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let url = format!("postgres://incode@{hosts}/postgres?schema={schema}");
    let clock = ManualClock::new(Timestamp::from(SystemTime::now()));
    let shown = clock.clone();
    let load = Load::start(move |builder| builder.open_store(PostgresOptions::new(&url).unwrap()).clock(shown)).await;
    let senders = load.run(8);
    tokio::time::sleep(Duration::from_millis(700)).await;
    primary.kill();
    // Some find neither: the one is gone, and the other takes no writes yet.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = load.acknowledged();
    standby.promote().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    load.stop(senders).await;
    let (acknowledged, refused) = load.settle().await;
    assert!(before > 10 && acknowledged > before && refused > 0, "{before}, {acknowledged}, {refused} sent away");
    load.drain(&clock).await;
    load.is_applied_once_each(rows(&standby, schema).await, EventState::Done.as_str());
    println!("{before} acknowledged by the primary, {} by its standby, {refused} sent away", acknowledged - before);
}

/// A machine that is gone refuses no connection: its host accepts it and is silent, or does not even accept it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_silent_holds_up_no_other() {
    let Some(server) = PostgresServer::shared().await else { return };
    let silent = Proxy::to(server.port()).await;
    silent.half_open();
    // No process accepts, and once one connection waits for that, the system answers no other.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let deaf = deaf.listen(0).unwrap();
    let address = deaf.local_addr().unwrap();
    let waiting: Vec<_> = (0..4).map(|_| tokio::spawn(TcpStream::connect(address))).collect();
    for gone in [silent.port(), address.port()] {
        let (_, schema) = server.fresh();
        let hosts = format!("127.0.0.1:{gone},127.0.0.1:{}", server.port());
        let begun = Instant::now();
        let store = open(&format!("postgres://incode@{hosts}/postgres?schema={schema}")).await;
        store.change(observe(seen("person", 10))).await.unwrap();
        store.time().await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    }
    assert!(waiting.iter().any(|connect| !connect.is_finished()), "it was not deaf");
}
