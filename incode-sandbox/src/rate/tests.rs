use super::*;

#[test]
fn a_bucket_gives_its_burst_then_its_rate() {
    let mut limiter = RateLimiter::default();
    let limits = [RateLimit::new(2.0, 3)];
    let mut admit = |now| limiter.admit(&limits, Some(Route::Userinfo), None, now);
    for _ in 0..3 {
        assert_eq!(admit(1_000), Ok(()));
    }
    assert_eq!(admit(1_000), Err(OverLimit { retry_after: Some(1) }));
    assert_eq!(admit(1_499), Err(OverLimit { retry_after: Some(1) }), "half a call");
    assert_eq!(admit(1_500), Ok(()), "a refused call costs nothing");
    assert!(admit(500).is_err(), "a clock set back fills nothing");
    for _ in 0..3 {
        assert_eq!(admit(1_000_000), Ok(()));
    }
    assert!(admit(1_000_000).is_err(), "never more than the burst");
}

#[test]
fn limits_are_by_route_and_by_token_and_the_longest_wait_counts() {
    let mut limiter = RateLimiter::default();
    let limits = [RateLimit::new(0.1, 1).on(Route::Authenticate), RateLimit::new(0.5, 1).per_token()];
    assert_eq!(limiter.admit(&limits, Some(Route::Authenticate), Some("a"), 0), Ok(()));
    let over = limiter.admit(&limits, Some(Route::Authenticate), Some("a"), 0);
    assert_eq!(over, Err(OverLimit { retry_after: Some(10) }));
    assert!(limiter.admit(&limits, Some(Route::Userinfo), Some("a"), 0).is_err());
    assert_eq!(limiter.admit(&limits, Some(Route::Userinfo), Some("b"), 0), Ok(()));

    let mut limiter = RateLimiter::default();
    let limits = [RateLimit::new(1.0, 1), RateLimit::new(0.0, 1)];
    assert_eq!(limiter.admit(&limits, None, None, 0), Ok(()));
    assert_eq!(limiter.admit(&limits, None, None, 0), Err(OverLimit { retry_after: None }));
    limiter.reset();
    assert_eq!(limiter.admit(&limits, None, None, 0), Ok(()));
}
