use std::time::Duration;

use super::{Limit, Limiter};

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Limit = Limit { burst: 3, interval: Duration::from_secs(10) };

#[test]
fn a_burst_passes_and_then_one_each_interval() {
    let limiter = Limiter::new(LIMIT, 100);
    for _ in 0..3 {
        assert_eq!(limiter.take(&"ana", SECOND), Ok(()));
    }
    assert_eq!(limiter.take(&"ana", SECOND), Err(10 * SECOND));
    assert_eq!(limiter.take(&"ana", 4 * SECOND), Err(7 * SECOND), "a refusal takes nothing");
    assert_eq!(limiter.take(&"ben", SECOND), Ok(()), "each key has a bucket of its own");
    assert_eq!(limiter.take(&"ana", 11 * SECOND), Ok(()));
    assert_eq!(limiter.take(&"ana", 11 * SECOND), Err(10 * SECOND));
    for _ in 0..3 {
        assert_eq!(limiter.take(&"ana", 1000 * SECOND), Ok(()), "full again");
    }
    assert!(limiter.take(&"ana", 1000 * SECOND).is_err());
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    let limiter = Limiter::new(Limit { burst: 1, ..LIMIT }, 100);
    assert_eq!(limiter.take(&"ana", SECOND), Ok(()));
    assert!(limiter.take(&"ana", SECOND).is_err());
    limiter.give_back(&"ana", SECOND);
    assert_eq!(limiter.take(&"ana", SECOND), Ok(()));
    limiter.give_back(&"ben", SECOND);
    assert_eq!(limiter.take(&"ben", SECOND), Ok(()));
    assert!(limiter.take(&"ben", SECOND).is_err(), "a full bucket holds no more");
}

#[test]
fn an_interval_of_zero_limits_nothing() {
    let limiter = Limiter::new(Limit { burst: 1, interval: Duration::ZERO }, 1);
    assert!((0..100).all(|_| limiter.take(&"ana", SECOND).is_ok()));
}

#[test]
fn memory_is_bounded_and_the_busiest_key_is_remembered() {
    let limiter = Limiter::new(LIMIT, 10);
    for _ in 0..3 {
        assert_eq!(limiter.take(&0, SECOND), Ok(()));
    }
    for key in 1..1000 {
        assert_eq!(limiter.take(&key, SECOND), Ok(()));
        assert!(limiter.lock().len() <= 10);
    }
    assert!(limiter.take(&0, SECOND).is_err(), "not pushed out by keys that took less");
    assert_eq!(limiter.take(&1000, 1000 * SECOND), Ok(()));
    assert_eq!(limiter.lock().len(), 1, "full buckets are no entries");
}
