mod gauges;
mod refusals;

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::Watchers;
use super::apply::VendorSignal;
use super::at_rest::{AtRest, Unreadable};
use super::circuit_breaker::CircuitBreaker;
use super::schedule::{
    TokenTimes, Unclaimed, claims, expiry_hint, gives_up_at, handler_waits, next_wait, token_times, wait_after,
};
use crate::store::EventId;
use crate::{Secret, Timestamp, Token};

fn jwt(claims: &str) -> Token {
    Token::new(format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(claims.as_bytes()))).unwrap()
}

#[test]
fn the_schedule_is_front_loaded_and_jitter_only_shortens() {
    let waits: Vec<_> = (1..=9).map(|attempts| wait_after(attempts, 0.0).as_secs()).collect();
    assert_eq!(waits, [1, 2, 5, 10, 20, 40, 60, 60, 60]);
    assert_eq!(wait_after(u32::MAX, 0.0).as_secs(), 60);
    assert_eq!(wait_after(4, 1.0), Duration::from_millis(7500));
    let within_token: u64 = (1..=18).map(|attempts| wait_after(attempts, 0.0).as_secs()).sum();
    assert!(within_token < 900, "eighteen attempts fit into a token's life");
}

#[test]
fn a_handler_is_tried_for_a_day_and_jitter_only_shortens() {
    let waits = handler_waits();
    let seconds: Vec<_> =
        (1..).map_while(|attempts| next_wait(&waits, attempts, 0.0)).map(|wait| wait.as_secs()).collect();
    assert_eq!(seconds[..7], [1, 5, 30, 120, 600, 3600, 3600]);
    assert_eq!(seconds.len(), 29);
    assert_eq!(next_wait(&waits, 5, 1.0), Some(Duration::from_secs(450)));
    assert_eq!(next_wait(&waits, u32::MAX, 0.0), None);
    assert_eq!(next_wait(&[], 1, 0.0), None, "once, then dead");
}

#[test]
fn the_expiry_of_a_token_is_a_hint_and_nonsense_is_none() {
    let token = jwt(r#"{"exp":1687963226,"iat":1687962326}"#);
    assert_eq!(expiry_hint(&token), Some(Timestamp::from_secs(1_687_963_226)));
    assert_eq!(gives_up_at(&token, Timestamp::from_secs(1_687_962_326)), Timestamp::from_secs(1_687_963_286));
    let forged = jwt(r#"{"exp":253402300799}"#);
    assert_eq!(gives_up_at(&forged, Timestamp::from_secs(0)), Timestamp::from_secs(86_400), "not for ever");
    for odd in [r#"{"exp":"soon"}"#, r#"{"exp":-1}"#, r#"{"exp":1e400}"#, "[]", ""] {
        assert_eq!(expiry_hint(&jwt(odd)), None, "{odd}");
    }
    let opaque = Token::new("opaque").unwrap();
    assert_eq!(expiry_hint(&opaque), None);
    assert_eq!(gives_up_at(&opaque, Timestamp::from_secs(0)), Timestamp::from_secs(2400));
    assert_eq!(expiry_hint(&jwt(r#"{"exp":9223372036854775807}"#)), None, "no calendar reaches it");
}

#[test]
fn the_times_of_a_token_are_read_however_they_are_written() {
    let at = Timestamp::from_millis(1_700_000_000_500);
    for written in ["1700000000.5", "\"1700000000.5\"", "1700000000500", "\"2023-11-14T22:13:20.500Z\""] {
        let times = token_times(&jwt(&format!(r#"{{"iat":{written},"exp":{written}}}"#)));
        assert_eq!((times.issued_at, times.expires_at), (Some(at), Some(at)), "{written}");
        assert!(times.may_be_issued_since(at) && !times.may_be_issued_since(at.after(Duration::from_millis(1))));
    }
    for unknown in ["null", "\"\"", "{}", "[1700000000]", "-1", "0", "1e300", "true"] {
        let times = token_times(&jwt(&format!(r#"{{"iat":{unknown},"exp":{unknown}}}"#)));
        assert_eq!(times, TokenTimes::default(), "{unknown}");
        assert!(times.may_be_issued_since(at), "unknown is unknown");
    }
}

/// Two readers of such a token may read two times: it is fresh for no flow, and no claim of it counts.
#[test]
fn a_token_with_a_claim_twice_is_fresh_for_no_flow() {
    for twice in [r#"{"iat":1,"iat":1700000000}"#, r#"{"iat":1700000000,"exp":2,"exp":1700000000}"#] {
        let times = token_times(&jwt(twice));
        assert_eq!((times.issued_at, times.expires_at), (None, None), "{twice}");
        assert!(!times.may_be_issued_since(Timestamp::from_secs(0)), "{twice}");
        assert_eq!(claims(&jwt(twice)).unwrap_err(), Unclaimed::Twice);
    }
    assert_eq!(claims(&Token::new("opaque").unwrap()).unwrap_err(), Unclaimed::Nothing);
}

#[test]
fn a_token_at_rest_opens_in_its_row_with_its_keys_only() {
    let token = Token::new("secret-token").unwrap();
    let (one, other) =
        (Secret::from("0123456789abcdef0123456789abcdef"), Secret::from("another secret of 32 bytes or more"));
    let (key, row) = (AtRest::new(std::slice::from_ref(&one)), [1; 16]);
    let sealed = key.seal(&token, &row).unwrap();
    assert!(!sealed.windows(6).any(|bytes| bytes == b"secret"));
    assert_eq!(key.open(&sealed, &row).unwrap().expose(), "secret-token");
    assert_eq!(key.open(&sealed, &[2; 16]).unwrap_err(), Unreadable::Sealed, "moved to another row");
    let without = AtRest::new(std::slice::from_ref(&other));
    assert_eq!(without.open(&sealed, &row).unwrap_err(), Unreadable::Sealed);
    let rotated = AtRest::new(&[other, one]);
    assert_eq!(rotated.open(&sealed, &row).unwrap().expose(), "secret-token", "an older key still opens");
    assert_eq!(without.open(&rotated.seal(&token, &row).unwrap(), &row).unwrap().expose(), "secret-token");
    assert_eq!(key.open(b"", &row).unwrap_err(), Unreadable::Wiped);
    assert_eq!(key.open(b"secret-token", &row).unwrap_err(), Unreadable::Sealed, "a plain row is not taken");
}

#[test]
fn events_refused_together_pause_the_worker_once() {
    let mut pause = CircuitBreaker::default();
    let begun = Duration::from_secs(100);
    for event in 0..16 {
        pause.record(begun, EventId(event), VendorSignal::KeyRefused);
    }
    assert_eq!((pause.room(begun, 16), pause.left(begun)), (0, Duration::from_secs(5)));
    let probed = begun + Duration::from_secs(5);
    assert_eq!(pause.room(probed, 16), 1, "one goes ahead");
    pause.record(probed, EventId(0), VendorSignal::KeyRefused);
    assert_eq!(pause.left(probed), Duration::from_secs(10), "and each that is refused alone doubles the wait");
    pause.record(probed, EventId(0), VendorSignal::Unknown);
    assert_eq!(pause.left(probed), Duration::from_secs(10), "only an answer ends it");
    pause.record(probed, EventId(0), VendorSignal::Answered);
    assert_eq!((pause.room(probed, 16), pause.left(probed)), (16, Duration::ZERO));
}

#[test]
fn a_vendor_that_is_down_for_several_events_pauses_the_worker_and_one_event_alone_does_not() {
    let mut pause = CircuitBreaker::default();
    let begun = Duration::from_secs(100);
    for _ in 0..100 {
        pause.record(begun, EventId(1), VendorSignal::Down);
    }
    assert_eq!(pause.room(begun, 16), 16, "a poison event");
    for event in 2..8 {
        pause.record(begun, EventId(event), VendorSignal::Down);
    }
    assert_eq!(pause.room(begun, 16), 16);
    pause.record(begun, EventId(8), VendorSignal::Down);
    assert_eq!((pause.room(begun, 16), pause.left(begun)), (0, Duration::from_secs(1)));
    let probed = begun + Duration::from_secs(1);
    assert_eq!(pause.room(probed, 16), 1);
    pause.record(probed, EventId(9), VendorSignal::Down);
    assert_eq!(pause.left(probed), Duration::from_secs(2));
    pause.record(probed, EventId(9), VendorSignal::Answered);
    assert_eq!(pause.room(probed, 16), 16);
    pause.record(probed, EventId(9), VendorSignal::Down);
    assert_eq!(pause.room(probed, 16), 16, "what was before the answer is forgotten");
}

#[test]
fn a_caller_that_stops_waiting_for_an_event_leaves_nothing_behind() {
    let watchers = Watchers::default();
    drop(watchers.watch(EventId(1)));
    let _told = watchers.watch(EventId(2));
    assert!(!watchers.is_watched(EventId(1)) && watchers.is_watched(EventId(2)));
}
