use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use super::SharedClock;
use crate::store::{StoreError, StoreErrorKind};
use crate::testing::ManualClock;
use crate::{Clock, Timestamp};

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[tokio::test]
async fn replicas_agree_however_their_machines_are_set() {
    let (slow, fast) = (ManualClock::new(ms(1_000)), ManualClock::new(ms(900_000)));
    fast.advance(Duration::from_secs(7));
    let clocks = [slow.clone(), fast.clone()].map(|machine| SharedClock::new(Arc::new(machine)));
    for clock in &clocks {
        assert!(clock.look(Box::pin(ready(Ok(Some(ms(50_000)))))).await);
        assert_eq!(clock.now(), ms(50_000));
    }
    slow.advance(Duration::from_millis(250));
    slow.set(ms(0));
    assert_eq!(clocks[0].now(), ms(50_250), "a wall clock set back is not noticed");
}

#[tokio::test]
async fn a_store_without_a_time_leaves_the_machine_its_own() {
    let machine = ManualClock::new(ms(1_000));
    let clock = SharedClock::new(Arc::new(machine));
    assert!(!clock.look(Box::pin(ready(Ok(None)))).await);
    assert_eq!(clock.now(), ms(1_000));
}

#[tokio::test]
async fn the_last_good_answer_stands_when_the_store_is_away_or_slow() {
    let machine = ManualClock::new(ms(1_000));
    let clock = SharedClock::new(Arc::new(machine.clone()));
    clock.look(Box::pin(ready(Ok(Some(ms(50_000)))))).await;
    assert!(clock.look(Box::pin(ready(Err(StoreError::new(StoreErrorKind::Unavailable))))).await);
    assert_eq!(clock.now(), ms(50_000));
    let slow = async {
        machine.advance(Duration::from_secs(2));
        Ok(Some(ms(90_000)))
    };
    assert!(clock.look(Box::pin(slow)).await);
    assert_eq!(clock.now(), ms(52_000), "an answer of two seconds says little");
}
