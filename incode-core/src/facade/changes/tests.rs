use super::{Changed, Feed, KEPT};
use crate::identity::Change;
use crate::{IdentityId, Subject};

fn change(person: usize) -> Change {
    let identity_id = IdentityId::new(format!("person-{person}")).unwrap();
    Change { identity_id, subjects: vec![Subject::new("alice").unwrap()] }
}

#[tokio::test]
async fn every_reader_gets_what_came_after_it_opened_then_the_end() {
    let feed = Feed::new();
    feed.publish(&change(0));
    let mut early = feed.subscribe();
    feed.publish(&change(1));
    let mut late = feed.subscribe();
    feed.publish(&change(2));
    feed.close();
    feed.publish(&change(3));
    assert_eq!(early.next().await, Some(Changed::Identity(change(1))));
    assert_eq!(early.next().await, Some(Changed::Identity(change(2))));
    assert_eq!(late.next().await, Some(Changed::Identity(change(2))));
    for reader in [&mut early, &mut late, &mut feed.subscribe()] {
        assert_eq!(reader.next().await, None);
        assert_eq!(reader.next().await, None, "and stays there");
    }
}

#[tokio::test]
async fn a_slow_reader_is_told_how_much_it_missed() {
    let feed = Feed::new();
    let mut slow = feed.subscribe();
    (0..KEPT + 3).for_each(|person| feed.publish(&change(person)));
    assert_eq!(slow.next().await, Some(Changed::Missed(3)));
    assert_eq!(slow.next().await, Some(Changed::Identity(change(3))));
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
    feed.publish(&change(1));
    assert_eq!(reader.next().await, Some(Changed::Identity(change(1))));
}
