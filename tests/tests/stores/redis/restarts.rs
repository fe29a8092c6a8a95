use std::time::{Duration, Instant, SystemTime};

use incode_core::Timestamp;
use incode_core::store::EventState;
use incode_core::testing::ManualClock;
use incode_tests::servers::RedisServer;

use super::options;
use crate::load::Load;

/// SIGKILL to the server while deliveries come in and are applied, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_what_was_acknowledged_is_applied() {
    let Some(server) = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await else { return };
    let clock = ManualClock::new(Timestamp::from(SystemTime::now()));
    let (shown, url) = (clock.clone(), server.url());
    let load = Load::start(move |builder| builder.redis(options(&url, "load").strict()).clock(shown)).await;
    for round in 0..5_u64 {
        let senders = load.run(8);
        tokio::time::sleep(Duration::from_millis(150 + 70 * round)).await;
        server.kill();
        // Some find it gone.
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.resume().await;
        load.stop(senders).await;
    }
    let (acknowledged, refused) = load.settle().await;
    assert!(acknowledged > 50 && refused > 0, "{acknowledged} acknowledged, {refused} sent away");
    let begun = Instant::now();
    while load.counts().await.pending > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "still pending: {:?}", load.counts().await);
        // What was in hand when the server went is under a lease of two minutes, unless it could be settled.
        clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut admin = server.connect().await;
    let ids: Vec<String> =
        redis::cmd("ZRANGE").arg("{load}:events").arg(0).arg(-1).query_async(&mut admin).await.unwrap();
    let mut rows = std::collections::HashMap::new();
    for id in ids {
        let mut ask = redis::cmd("HMGET");
        let (object, state): (String, String) =
            ask.arg(format!("{{load}}:e:{id}")).arg(&["object_id", "state"]).query_async(&mut admin).await.unwrap();
        let row = rows.entry(object).or_insert((0, state.clone()));
        row.0 += 1;
        assert_eq!(row.1, state);
    }
    let rows = rows.into_iter().map(|(object, (rows, state))| (object, rows, state)).collect();
    load.is_applied_once_each(rows, EventState::Done.as_str());
    println!("{acknowledged} acknowledged and applied once each, {refused} sent away, 5 kills");
}
