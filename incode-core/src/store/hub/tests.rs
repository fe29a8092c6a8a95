use futures_util::{FutureExt, StreamExt};
use tokio::task::unconstrained;

use super::{ChangeHub, NOTICES_KEPT};
use crate::identity::Change;
use crate::store::{StoreFeed, StoreNotice};
use crate::{IdentityId, Subject};

/// All notices that are there by now.
fn notices(feed: &mut StoreFeed) -> Vec<StoreNotice> {
    std::iter::from_fn(|| unconstrained(feed.next()).now_or_never().flatten()).collect()
}

fn change(subjects: usize) -> Change {
    let subjects = (0..subjects).map(|n| Subject::new(format!("subject-{n}")).unwrap()).collect();
    Change { identity_id: IdentityId::new("identity-one").unwrap(), subjects }
}

/// A server that goes away under load leaves the outcome of every call unknown, at once.
#[tokio::test]
async fn a_reader_that_is_behind_still_learns_whether_notices_arrive() {
    let hub = ChangeHub::new(&[7; 32]).unwrap();
    let mut feed = hub.feed(|_| tokio::spawn(async {}).abort_handle());
    hub.pass_on(StoreNotice::Up);
    assert_eq!(notices(&mut feed), [StoreNotice::Up]);
    for now in [StoreNotice::Down, StoreNotice::Up] {
        hub.pass_on(now.clone());
        (0..=NOTICES_KEPT).for_each(|_| hub.outcome_unknown());
        let seen = notices(&mut feed);
        assert_eq!(seen[..2], [StoreNotice::Gap, now.clone()]);
        assert!(seen.len() > NOTICES_KEPT && seen[2..].iter().all(|notice| *notice == StoreNotice::Gap));
    }
    // Both ways in between: nothing cached before counts, and nothing else has changed.
    hub.pass_on(StoreNotice::Down);
    hub.pass_on(StoreNotice::Up);
    (0..=NOTICES_KEPT).for_each(|_| hub.outcome_unknown());
    assert!(notices(&mut feed).iter().all(|notice| *notice == StoreNotice::Gap));
    hub.close();
    assert_eq!(feed.next().await, None);
}

#[tokio::test]
async fn a_payload_names_no_one_and_opens_with_the_key_alone() {
    let (one, other) = (ChangeHub::new(&[7; 32]).unwrap(), ChangeHub::new(&[7; 32]).unwrap());
    let foreign = ChangeHub::new(&[8; 32]).unwrap();
    assert_eq!(one.channel(), other.channel());
    assert_ne!(one.channel(), foreign.channel());
    assert!(one.channel().len() <= 63 && one.channel().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));

    let payload = one.payload(&change(2), 8_000).unwrap();
    assert!(!payload.contains("identity-one") && !payload.contains("subject"));
    let listen = |_| tokio::spawn(async {}).abort_handle();
    let (mut own, mut others, mut strangers) = (one.feed(listen), other.feed(listen), foreign.feed(listen));
    for hub in [&one, &other, &foreign] {
        assert!(!hub.received(&payload));
        assert!(!hub.received("forged"));
        assert!(!hub.received(&payload[1..]));
    }
    assert_eq!(notices(&mut own), [], "what this process changed it knows from the call that did it");
    assert_eq!(notices(&mut others), [StoreNotice::Changed(change(2))]);
    assert_eq!(notices(&mut strangers), [], "a notice that does not open changes nothing");
}

#[tokio::test]
async fn a_change_that_is_too_long_to_publish_is_a_gap() {
    let (one, other) = (ChangeHub::new(&[7; 32]).unwrap(), ChangeHub::new(&[7; 32]).unwrap());
    let mut feed = other.feed(|_| tokio::spawn(async {}).abort_handle());
    let payload = one.payload(&change(1_000), 8_000).unwrap();
    assert!(payload.len() <= 8_000);
    other.received(&payload);
    assert_eq!(notices(&mut feed), [StoreNotice::Gap]);
}

#[tokio::test]
async fn a_pulse_is_for_its_own_process_alone() {
    let (one, other) = (ChangeHub::new(&[7; 32]).unwrap(), ChangeHub::new(&[7; 32]).unwrap());
    let mut feed = other.feed(|_| tokio::spawn(async {}).abort_handle());
    let pulse = one.pulse().unwrap();
    assert!(one.received(&pulse));
    assert!(!other.received(&pulse));
    assert_eq!(notices(&mut feed), []);
}

/// A neighbour on the channel captures notices and sends them again, in any order: each counts once.
#[tokio::test]
async fn a_notice_that_is_sent_again_changes_nothing() {
    let (one, other) = (ChangeHub::new(&[7; 32]).unwrap(), ChangeHub::new(&[7; 32]).unwrap());
    let mut feed = other.feed(|_| tokio::spawn(async {}).abort_handle());
    let gap = one.payload(&change(1_000), 8_000).unwrap();
    let captured: Vec<_> = (0..100).map(|_| one.payload(&change(1), 8_000).unwrap()).collect();
    // Processes on one server commit in another order than they begin.
    for payload in captured.iter().rev() {
        other.received(payload);
    }
    other.received(&gap);
    let seen = notices(&mut feed);
    assert_eq!(seen.len(), 101);
    assert_eq!(seen.last(), Some(&StoreNotice::Gap), "what came late counts");
    for _ in 0..3 {
        other.received(&gap);
        for payload in &captured {
            other.received(payload);
        }
    }
    assert_eq!(notices(&mut feed), []);
    // However many came since.
    for _ in 0..10_000 {
        other.received(&one.payload(&change(0), 8_000).unwrap());
    }
    notices(&mut feed);
    other.received(&gap);
    assert_eq!(notices(&mut feed), [], "an old one empties no cache");
    other.received(&captured[0]);
    assert_eq!(notices(&mut feed), [StoreNotice::Changed(change(1))], "one identity's entry may go, whenever it comes");
}

/// Old notices of many senders, which this process has not seen: they empty the cache at a rate, and none is lost.
#[tokio::test(start_paused = true)]
async fn gaps_from_outside_have_a_rate() {
    let hub = ChangeHub::new(&[7; 32]).unwrap();
    let mut feed = hub.feed(|_| tokio::spawn(async {}).abort_handle());
    let flood = || {
        for _ in 0..1_000 {
            let sender = ChangeHub::new(&[7; 32]).unwrap();
            hub.received(&sender.payload(&change(1_000), 8_000).unwrap());
        }
    };
    flood();
    assert_eq!(notices(&mut feed), vec![StoreNotice::Gap; 4]);
    for _ in 0..3 {
        tokio::time::sleep(std::time::Duration::from_millis(1_001)).await;
        assert_eq!(notices(&mut feed), [StoreNotice::Gap], "what exceeded it comes as one");
        flood();
        assert!(notices(&mut feed).len() <= 1);
    }
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    notices(&mut feed);
    flood();
    assert_eq!(notices(&mut feed).len(), 4);
}
