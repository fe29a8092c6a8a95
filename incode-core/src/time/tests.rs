use std::sync::Arc;
use std::time::Duration;

use super::{Clock, SteadyClock, Timestamp};
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
