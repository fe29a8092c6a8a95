use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::Pace;

/// A vendor that allows so many calls a second, and answers each after the same time.
struct Vendor {
    calls_a_second: f64,
    answers_in: Duration,
    allowed: f64,
    at: Duration,
}

impl Vendor {
    fn new(calls_a_second: f64, answers_in: Duration) -> Self {
        Self { calls_a_second, answers_in, allowed: calls_a_second, at: Duration::ZERO }
    }

    fn allows(&mut self, now: Duration) -> bool {
        let gained = (now - self.at).as_secs_f64() * self.calls_a_second;
        (self.allowed, self.at) = ((self.allowed + gained).min(self.calls_a_second), now);
        let is_allowed = self.allowed >= 1.0;
        self.allowed -= if is_allowed { 1.0 } else { 0.0 };
        is_allowed
    }
}

/// What came of an endless backlog.
#[derive(Debug, Default)]
struct Drained {
    applied: u32,
    calls: u32,
    refused: u32,
}

/// Works on an endless backlog from `from` to `until`; each event is two calls.
fn drain(pace: &mut Pace, vendor: &mut Vendor, from: Duration, until: Duration) -> Drained {
    let (mut now, mut drained) = (from, Drained::default());
    // When each event ends, when it began, whether it is answered.
    let mut under_way: BinaryHeap<Reverse<(Duration, Duration, bool)>> = BinaryHeap::new();
    while now < until {
        while under_way.peek().is_some_and(|Reverse((ends, ..))| *ends <= now) {
            let Reverse((ends, begun, is_answered)) = under_way.pop().unwrap();
            if is_answered {
                pace.answered(ends, begun);
                drained.applied += 1;
            } else {
                pace.refused(ends, begun);
            }
        }
        let (wait, room) = pace.room(now, u32::try_from(under_way.len()).unwrap());
        pace.took(room as usize);
        for _ in 0..room {
            let allowed = [vendor.allows(now), vendor.allows(now)];
            drained.calls += 2;
            drained.refused += allowed.iter().map(|is_allowed| u32::from(!is_allowed)).sum::<u32>();
            under_way.push(Reverse((now + vendor.answers_in, now, allowed == [true, true])));
        }
        if room == 0 {
            let ended = under_way.peek().map_or(until, |Reverse((ends, ..))| *ends);
            now = if wait.is_zero() { ended } else { ended.min(now + wait) };
        }
    }
    drained
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn the_vendors_limit_is_found_and_hardly_passed() {
    for calls_a_second in [20.0, 100.0, 1000.0] {
        for millis in [5, 50, 300] {
            let (mut pace, answers_in) = (Pace::new(256), Duration::from_millis(millis));
            let mut vendor = Vendor::new(calls_a_second, answers_in);
            let found = drain(&mut pace, &mut vendor, Duration::ZERO, MINUTE);
            let held = drain(&mut pace, &mut vendor, MINUTE, 3 * MINUTE);
            let share =
                |drained: &Drained, minutes: f64| f64::from(drained.applied) / (calls_a_second * 30.0 * minutes);
            let case = format!("{calls_a_second} calls a second, {millis} ms: {found:?}, {held:?}");
            assert!(share(&found, 1.0) > 0.9, "{case}");
            assert!(share(&held, 2.0) > 0.9, "{case}");
            assert!(f64::from(found.refused) < 0.05 * f64::from(found.calls), "{case}");
            assert!(f64::from(held.refused) < 0.01 * f64::from(held.calls), "{case}");
        }
    }
}

#[test]
fn two_processes_share_the_limit() {
    let mut paces = [Pace::new(256), Pace::new(256)];
    let mut vendor = Vendor::new(200.0, Duration::from_millis(50));
    let mut applied = [0, 0];
    // In turns of 10 ms: the second process starts after a minute.
    for step in 0..30_000_u32 {
        let from = Duration::from_millis(10) * step;
        let running = if from < MINUTE { 1 } else { 2 };
        for turn in 0..running {
            // Neither is always first.
            let which = (turn + step as usize) % running;
            let (pace, applied) = (&mut paces[which], &mut applied[which]);
            let (_, room) = pace.room(from, 0);
            pace.took(room as usize);
            for _ in 0..room {
                if vendor.allows(from) && vendor.allows(from) {
                    pace.answered(from + vendor.answers_in, from);
                    *applied += u32::from(from > 4 * MINUTE);
                } else {
                    pace.refused(from + vendor.answers_in, from);
                }
            }
        }
    }
    let [first, second] = applied.map(f64::from);
    assert!(first + second > 0.85 * 100.0 * 60.0, "{first} {second}");
    assert!(first.min(second) > 0.25 * first.max(second), "{first} {second}");
}

#[test]
fn a_vendor_that_slows_down_is_asked_no_faster() {
    let (mut pace, mut now) = (Pace::new(256), Duration::ZERO);
    let mut rates = Vec::new();
    for second in 0..20_u64 {
        // From the fifth second on the answers take five times as long.
        let answers_in = Duration::from_millis(if second < 5 { 50 } else { 250 });
        for _ in 0..100 {
            // Twice: the second time it has to wait.
            for _ in 0..2 {
                let (_, room) = pace.room(now, 0);
                pace.took(room as usize);
                (0..room).for_each(|_| pace.answered(now + answers_in, now));
            }
            now += Duration::from_millis(10);
        }
        rates.push(pace.rate);
    }
    assert!(rates[4] > 200.0, "{rates:?}");
    assert!(rates.iter().skip(6).all(|rate| *rate <= rates[5]), "{rates:?}");
}

#[test]
fn the_ceiling_holds_at_any_rate_and_refusals_leave_some() {
    let mut pace = Pace::new(3);
    assert_eq!(pace.room(Duration::ZERO, 1), (Duration::ZERO, 2));
    assert_eq!(pace.room(Duration::ZERO, 3), (Duration::ZERO, 0));
    for second in 1..1000 {
        pace.refused(Duration::from_secs(second), Duration::from_secs(second));
    }
    assert!(pace.rate >= 4.5, "{}", pace.rate);
    let (wait, room) = pace.room(Duration::from_secs(1001), 0);
    assert!(room > 0 || wait < Duration::from_secs(1), "{wait:?} {room}");
}

#[test]
fn what_was_taken_up_before_a_refusal_says_nothing_of_the_rate_after_it() {
    let mut pace = Pace::new(16);
    pace.refused(Duration::from_millis(300), Duration::from_millis(200));
    let rate = pace.rate;
    for _ in 0..20 {
        pace.refused(Duration::from_millis(310), Duration::from_millis(250));
    }
    assert!((pace.rate - rate).abs() < f64::EPSILON);
}
