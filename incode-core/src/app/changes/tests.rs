use super::{ChangeEvent, ChangeNotice, Feed, KEPT};
use crate::identity::{Cause, Change};
use crate::{IdentityId, Subject};

fn news(person: usize) -> ChangeEvent {
    let identity_id = IdentityId::new(format!("person-{person}")).unwrap();
    let change = Change { identity_id, subjects: vec![Subject::new("alice").unwrap()] };
    ChangeEvent::new(&change, Cause::Event, None)
}

#[tokio::test]
async fn every_reader_gets_what_came_after_it_opened_then_the_end() {
    let feed = Feed::new();
    feed.publish(|| news(0));
    let mut early = feed.subscribe();
    feed.publish(|| news(1));
    let mut late = feed.subscribe();
    feed.publish(|| news(2));
    feed.close();
    feed.publish(|| news(3));
    assert_eq!(early.next().await, Some(ChangeNotice::Identity(news(1))));
    assert_eq!(early.next().await, Some(ChangeNotice::Identity(news(2))));
    assert_eq!(late.next().await, Some(ChangeNotice::Identity(news(2))));
    for reader in [&mut early, &mut late, &mut feed.subscribe()] {
        assert_eq!(reader.next().await, None);
        assert_eq!(reader.next().await, None, "and stays there");
    }
}

#[tokio::test]
async fn a_slow_reader_learns_how_much_it_missed() {
    let feed = Feed::new();
    let mut slow = feed.subscribe();
    (0..KEPT + 3).for_each(|person| feed.publish(|| news(person)));
    assert_eq!(slow.next().await, Some(ChangeNotice::Missed(3)));
    assert_eq!(slow.next().await, Some(ChangeNotice::Identity(news(3))));
}

#[tokio::test]
async fn a_wait_that_was_given_up_loses_nothing() {
    let feed = Feed::new();
    let mut reader = feed.subscribe();
    tokio::select! {
        biased;
        _ = reader.next() => panic!("nothing was published"),
        () = tokio::task::yield_now() => {}
    }
    feed.publish(|| news(1));
    assert_eq!(reader.next().await, Some(ChangeNotice::Identity(news(1))));
}
