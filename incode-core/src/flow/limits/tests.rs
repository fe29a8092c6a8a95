use std::sync::Arc;
use std::time::Duration;

use super::{FaceLimit, FlowLimits, LimitSettings};
use crate::model::Face;
use crate::testing::ManualClock;
use crate::{Subject, Timestamp};

fn limits() -> (FlowLimits, ManualClock) {
    let clock = ManualClock::new(Timestamp::from_millis(0));
    (FlowLimits::new(LimitSettings::default(), Arc::new(clock.clone())), clock)
}

fn ana() -> Subject {
    Subject::new("ana").unwrap()
}

fn image(number: u32) -> Face {
    Face::Base64Image(format!("image {number}"))
}

#[test]
fn one_flow_makes_few_calls_and_the_answer_says_when_to_come_again() {
    let (limits, clock) = limits();
    let taken = (0..60).filter(|_| limits.count_callback([1; 24], &ana()).is_ok()).count();
    assert_eq!(taken, 4);
    let problem = limits.count_callback([1; 24], &ana()).unwrap_err();
    assert_eq!((problem.status, problem.code), (429, "too_many_requests"));
    assert!(problem.headers.contains(&("retry-after", "15".into())), "{problem:?}");
    clock.advance(Duration::from_secs(15));
    assert!(limits.count_callback([1; 24], &ana()).is_ok());
}

#[test]
fn one_subject_makes_few_calls_however_many_flows_it_starts() {
    let (limits, clock) = limits();
    let taken = (0..60).filter(|number| limits.count_callback([*number; 24], &ana()).is_ok()).count();
    assert_eq!(taken, 8);
    assert!(limits.count_callback([0; 24], &Subject::new("ben").unwrap()).is_ok());
    clock.set(Timestamp::from_secs(1_000_000));
    assert!(limits.count_callback([61; 24], &ana()).is_err(), "a wall clock that is set gives nothing back");
}

#[test]
fn a_subject_sends_few_faces() {
    let (limits, clock) = limits();
    let taken = (0..120).filter(|number| limits.count_face(&ana(), &image(*number)).is_ok()).count();
    assert_eq!(taken, 5);
    assert_eq!(limits.count_face(&ana(), &image(120)), Err(FaceLimit::TooMany(Duration::from_secs(12))));
    clock.advance(Duration::from_secs(12));
    assert!(limits.count_face(&ana(), &image(120)).is_ok(), "an image that was not sent is not used up");
}

#[test]
fn the_same_image_is_sent_once() {
    let (limits, clock) = limits();
    let sent = limits.count_face(&ana(), &image(1)).unwrap();
    assert_eq!(limits.count_face(&ana(), &image(1)), Err(FaceLimit::SameImage));
    assert!(limits.count_face(&Subject::new("ben").unwrap(), &image(1)).is_ok());
    limits.allow_again(&sent);
    assert!(limits.count_face(&ana(), &image(1)).is_ok(), "the vendor decided nothing about it");
    clock.advance(LimitSettings::default().same_image_after);
    assert!(limits.count_face(&ana(), &image(1)).is_ok());
}
