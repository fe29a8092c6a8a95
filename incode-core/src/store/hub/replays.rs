use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// Notices that were seen before, and how often the whole cache may be emptied from outside.
///
/// Another database user can't read or make a notice, but can capture one and send it again. So each sender counts its
/// notices, the number is sealed in, and a number counts once.
#[derive(Default)]
pub(super) struct Replays {
    senders: HashMap<Box<str>, Window>,
    /// Counts up with each notice. Shows which sender has been silent for longest.
    last_notice: u64,
}

/// The numbers of one sender that were seen: of the newest [`WINDOW`], since notices may arrive in another order.
struct Window {
    newest: u64,
    /// Bit `n % WINDOW`: number `n` was seen.
    seen: [u64; WORDS],
    last_notice: u64,
}

/// What is known of a notice's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is the first time.
    New,
    /// It was seen before.
    Again,
    /// Too long ago to know.
    Old,
}

impl Replays {
    pub(super) fn check(&mut self, sender: &str, number: u64) -> Seen {
        self.last_notice = self.last_notice.saturating_add(1);
        let last_notice = self.last_notice;
        if let Some(window) = self.senders.get_mut(sender) {
            window.last_notice = last_notice;
            return window.check(number);
        }
        if self.senders.len() >= MOST_SENDERS {
            let silent =
                self.senders.iter().min_by_key(|(_, window)| window.last_notice).map(|(sender, _)| sender.clone());
            silent.map(|silent| self.senders.remove(&silent));
        }
        let mut window = Window { newest: number, seen: [0; WORDS], last_notice };
        window.mark(number);
        self.senders.insert(sender.into(), window);
        Seen::New
    }
}

impl Window {
    fn check(&mut self, number: u64) -> Seen {
        if number > self.newest {
            if number - self.newest >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                (self.newest + 1..number).for_each(|skipped| self.clear(skipped));
            }
            self.newest = number;
            self.mark(number);
            return Seen::New;
        }
        if self.newest - number >= WINDOW {
            return Seen::Old;
        }
        if self.mark(number) { Seen::Again } else { Seen::New }
    }

    /// True when it was marked before.
    fn mark(&mut self, number: u64) -> bool {
        let (word, bit) = place(number);
        let Some(word) = self.seen.get_mut(word) else { return false };
        let was_marked = *word & bit != 0;
        *word |= bit;
        was_marked
    }

    fn clear(&mut self, number: u64) {
        let (word, bit) = place(number);
        if let Some(word) = self.seen.get_mut(word) {
            *word &= !bit;
        }
    }
}

/// The word and the bit of a number.
fn place(number: u64) -> (usize, u64) {
    let at = number % WINDOW;
    (usize::try_from(at / 64).unwrap_or(0), 1 << (at % 64))
}

/// How often the cache is emptied because of a notice of another process. Each time costs a question to the store for
/// every visitor.
pub(super) struct GapRate {
    left: u32,
    since: Instant,
    /// One is scheduled already. It also covers all requests until then.
    is_scheduled: bool,
}

impl GapRate {
    pub(super) fn new() -> Self {
        Self { left: GAPS_AT_ONCE, since: Instant::now(), is_scheduled: false }
    }

    /// When the cache is to be emptied: at once, after a wait, or not, because that is scheduled already.
    pub(super) fn next(&mut self) -> Option<Duration> {
        if self.is_scheduled {
            return None;
        }
        let earned = u32::try_from(self.since.elapsed().as_millis() / GAP_EVERY.as_millis()).unwrap_or(u32::MAX);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(GAPS_AT_ONCE);
            self.since = Instant::now();
        }
        if self.left > 0 {
            self.left -= 1;
            return Some(Duration::ZERO);
        }
        self.is_scheduled = true;
        Some(GAP_EVERY)
    }

    /// The scheduled one was passed on.
    pub(super) fn ran(&mut self) {
        self.is_scheduled = false;
    }
}

/// More notices than one process sends while one of them is under way. With [`MOST_SENDERS`]: 128 KiB.
const WINDOW: u64 = 4_096;
const WORDS: usize = 64;
/// More processes than share a store. One that was forgotten is taken for a new one.
const MOST_SENDERS: usize = 256;
/// Changes with too many subjects for a notice are rare: this many empty the cache at once.
const GAPS_AT_ONCE: u32 = 4;
/// And then one in this time.
const GAP_EVERY: Duration = Duration::from_secs(1);
