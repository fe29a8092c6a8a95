use std::time::{Duration, SystemTime};

use incode_core::Timestamp;
use incode_core::store::EventState;
use incode_core::testing::ManualClock;

use crate::engine::Engine;
use crate::load::Load;

on_both_engines!(killed_under_load_what_was_acknowledged_is_applied alone);

/// SIGKILL to the whole server while deliveries come in and are applied, again and again.
async fn killed_under_load_what_was_acknowledged_is_applied(engine: Engine) {
    let clock = ManualClock::new(Timestamp::from(SystemTime::now()));
    let (shown, store) = (clock.clone(), engine.choose());
    let load = Load::start(move |builder| store(builder).clock(shown)).await;
    for round in 0..5_u64 {
        let senders = load.run(8);
        tokio::time::sleep(Duration::from_millis(150 + 70 * round)).await;
        engine.kill();
        // Some find it gone.
        tokio::time::sleep(Duration::from_millis(100)).await;
        engine.resume().await;
        load.stop(senders).await;
    }
    let (acknowledged, refused) = load.settle().await;
    assert!(acknowledged > 50 && refused > 0, "{acknowledged} acknowledged, {refused} sent away");
    load.drain(&clock).await;
    load.is_applied_once_each(engine.rows().await, EventState::Done.as_str());
    println!("{acknowledged} acknowledged and applied once each, {refused} sent away, 5 kills");
}
