use std::sync::Arc;
use std::time::Duration;

use super::{Clock, SteadyClock, StoreTime, Timestamp};
use crate::testing::ManualClock;

#[test]
fn a_steady_clock_follows_forward_and_goes_on_when_set_back() {
    let wall = ManualClock::new(Timestamp::from_secs(10_000));
    let steady = SteadyClock::new(Arc::new(wall.clone()));
    wall.advance(Duration::from_secs(1));
    assert_eq!(steady.now(), Timestamp::from_secs(10_001));
    wall.set(Timestamp::from_secs(20_000));
    assert_eq!(steady.now(), Timestamp::from_secs(20_000));
    wall.set(Timestamp::from_secs(5_000));
    assert_eq!(steady.now(), Timestamp::from_secs(20_000));
    wall.advance(Duration::from_secs(7));
    assert_eq!((steady.now(), wall.now()), (Timestamp::from_secs(20_007), Timestamp::from_secs(5_007)));
}

#[test]
fn what_is_received_is_dated_by_the_stores_clock_as_last_read() {
    let own = ManualClock::new(Timestamp::from_secs(1_000));
    let time = StoreTime::new(Arc::new(own.clone()));
    assert_eq!(time.now(), Timestamp::from_secs(1_000), "never asked");
    for ahead in [600, -600, 0] {
        time.learned(Timestamp::from_secs(1_000 + ahead));
        assert_eq!(time.now(), Timestamp::from_secs(1_000 + ahead));
        own.advance(Duration::from_secs(5));
        assert_eq!(time.now(), Timestamp::from_secs(1_005 + ahead));
        own.set(Timestamp::from_secs(1_000));
    }
    time.learned(Timestamp::from_millis(i64::MAX));
    own.set(Timestamp::from_millis(i64::MAX));
    assert_eq!(time.now(), Timestamp::from_millis(i64::MAX), "no overflow");
}
