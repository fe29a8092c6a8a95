use std::time::{Duration, Instant, SystemTime};

use incode_core::Timestamp;
use incode_core::store::{EventState, PostgresOptions};
use incode_core::testing::ManualClock;
use incode_tests::servers::PostgresServer;

use crate::load::Load;

/// SIGKILL to the whole server while deliveries come in and are applied, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_what_was_acknowledged_is_applied() {
    let Some(server) = PostgresServer::start().await else { return };
    let (url, schema) = server.fresh();
    let clock = ManualClock::new(Timestamp::from(SystemTime::now()));
    let shown = clock.clone();
    let load = Load::start(move |builder| builder.postgres(PostgresOptions::new(&url).unwrap()).clock(shown)).await;
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
    let client = server.connect(&schema).await;
    let begun = Instant::now();
    loop {
        let waiting = client.query_one("SELECT count(*) FROM event WHERE state = 'pending'", &[]).await.unwrap();
        if waiting.get::<_, i64>(0) == 0 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "still pending: {}", waiting.get::<_, i64>(0));
        // What was in hand when the server went is under a lease of two minutes, unless it could be settled.
        clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rows = client.query("SELECT object_id, count(*), min(state) FROM event GROUP BY 1", &[]).await.unwrap();
    let rows = rows.iter().map(|row| (row.get::<_, String>(0), row.get::<_, i64>(1), row.get::<_, String>(2)));
    load.is_applied_once_each(rows.collect(), EventState::Done.as_str());
    println!("{acknowledged} acknowledged and applied once each, {refused} sent away, 5 kills");
}
