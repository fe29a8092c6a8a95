use std::cell::Cell;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use super::{Round, SharedClock};
use crate::store::{StoreError, StoreErrorKind, StoreFuture};
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
        assert!(clock.look(|| Box::pin(ready(Ok(Some(ms(50_000)))))).await);
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
    assert!(!clock.look(|| Box::pin(ready(Ok(None)))).await);
    assert_eq!(clock.now(), ms(1_000));
}

#[tokio::test]
async fn the_last_good_answer_stands_when_the_store_is_away_or_slow() {
    let machine = ManualClock::new(ms(1_000));
    let clock = SharedClock::new(Arc::new(machine.clone()));
    clock.look(|| Box::pin(ready(Ok(Some(ms(50_000)))))).await;
    assert!(clock.look(|| Box::pin(ready(Err(StoreError::new(StoreErrorKind::Unavailable))))).await);
    assert_eq!(clock.now(), ms(50_000));
    // What is slow says little: these would have it a fifth of a second late.
    let late = |machine: &ManualClock| ms(50_200).after(machine.elapsed() + Duration::from_millis(200));
    assert!(clock.look(|| answer(&machine, 400, 0, late(&machine))).await);
    assert_eq!(clock.now(), ms(50_000).after(machine.elapsed()));
    // Unless it can't be both: the store's clock is another one.
    assert!(clock.look(|| answer(&machine, 400, 0, ms(90_000))).await);
    assert!(clock.now() > ms(89_000), "{:?}", clock.now());
}

/// Two clocks drift apart, so what was known well long ago is known less well than what a slower answer says today.
#[tokio::test]
async fn what_is_known_grows_old() {
    let machine = ManualClock::new(ms(0));
    let clock = SharedClock::new(Arc::new(machine.clone()));
    clock.look(|| Box::pin(ready(Ok(Some(ms(50_000)))))).await;
    let lag = Duration::from_millis(4);
    let slow = |machine: &ManualClock| answer(machine, 5, 5, ms(50_000).after(machine.elapsed() + lag));
    clock.look(|| slow(&machine)).await;
    assert_eq!(clock.now(), ms(50_000).after(machine.elapsed()), "what was known is better");
    machine.advance(Duration::from_secs(60));
    clock.look(|| slow(&machine)).await;
    assert_eq!(clock.now(), ms(49_999).after(machine.elapsed()), "and is not any more");
}

/// The steady clock of a machine that is suspended stands still.
#[tokio::test]
async fn a_machine_that_was_suspended_looks_at_once() {
    let machine = ManualClock::new(ms(0));
    let clock = SharedClock::new(Arc::new(machine.clone()));
    clock.look(|| Box::pin(ready(Ok(Some(ms(50_000)))))).await;
    let mut round = Round { lead: clock.lead(), seconds: 0 };
    let dues = [(); 61].map(|()| {
        machine.advance(Duration::from_secs(1));
        clock.is_due(&mut round)
    });
    let looks: Vec<_> = (1..).zip(dues).filter_map(|(second, is_due)| is_due.then_some(second)).collect();
    assert_eq!(looks, [30, 60], "every half minute while nothing happens");
    machine.set(clock.machine.now().after(Duration::from_secs(120)));
    assert!(clock.is_due(&mut round));
    assert!(!clock.is_due(&mut round), "once");
    // The first answer is taken, though it may be half a minute off.
    clock.look(|| answer(&machine, 0, 60_000, ms(300_000))).await;
    assert!(clock.now() > ms(300_000), "{:?}", clock.now());
}

/// Of several answers the quickest says best when it was given: the first waits for a connection, say.
#[tokio::test]
async fn the_quickest_answer_counts() {
    let machine = ManualClock::new(ms(0));
    let clock = SharedClock::new(Arc::new(machine.clone()));
    let asked = Cell::new(0);
    let look = || {
        let nth = asked.replace(asked.get() + 1);
        // The store's own clock is ahead by 50 s, and is read at the end of what the first call takes.
        let [before, after] = [[180, 0], [40, 0], [3, 3], [30, 10], [90, 0], [20, 20]][nth];
        let read = ms(50_000).after(machine.elapsed() + Duration::from_millis(before));
        answer(&machine, before, after, read)
    };
    assert!(clock.look(look).await);
    assert_eq!(asked.get(), 6);
    assert_eq!(clock.now(), ms(50_000).after(machine.elapsed()));
}

fn answer(machine: &ManualClock, before: u64, after: u64, read: Timestamp) -> StoreFuture<'static, Option<Timestamp>> {
    let machine = machine.clone();
    Box::pin(async move {
        machine.advance(Duration::from_millis(before + after));
        Ok(Some(read))
    })
}
