use std::time::Duration;

/// How fast pending events are taken up: as fast as the vendor answers, and no faster.
///
/// The vendor's limit is not documented and may change, so it is searched for. The rate doubles until the vendor refuses
/// a call (429), fails, or slows down. Then it falls to nine tenths of what got through. It returns to that mark within
/// fifteen seconds, slowly near it and faster beyond it: the curve of CUBIC (RFC 9438). Several processes that search in this
/// way share the limit.
#[derive(Debug)]
pub(super) struct Pace {
    /// Most events under way, at any rate.
    ceiling: u32,
    /// Events a second.
    rate: f64,
    /// How many events may be taken up now. It grows by `rate` a second, and is below zero after a refusal.
    tokens: f64,
    /// When `tokens` was computed, in elapsed time, as all instants here.
    filled_at: Duration,
    search: Search,
    window: Window,
    /// How many events were answered in the window before, and its length in seconds.
    before: (u32, f64),
    /// The mean time of an answer, in seconds, in the quickest windows.
    usual: Option<f64>,
    /// A refusal of an event that was taken up earlier says nothing of the present rate.
    cut_at: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Search {
    /// No limit is known.
    Doubling,
    /// The limit was found at about `mark` events a second.
    Around { mark: f64, since: Duration },
}

/// What happened since the rate was set last.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    since: Duration,
    answered: u32,
    /// The time of all answers, in seconds.
    took: f64,
    /// Events waited for the rate.
    was_full: bool,
}

impl Pace {
    pub(super) fn new(ceiling: u32) -> Self {
        Self {
            ceiling,
            rate: FIRST_RATE,
            tokens: burst(FIRST_RATE),
            filled_at: Duration::ZERO,
            search: Search::Doubling,
            window: Window::default(),
            before: (0, 0.0),
            usual: None,
            cut_at: Duration::ZERO,
        }
    }

    /// How long nothing shall be taken up, and how many events may be taken up where that is no time at all.
    pub(super) fn room(&mut self, now: Duration, under_way: u32) -> (Duration, u32) {
        self.look(now);
        self.fill(now);
        let batch = (self.rate * BATCH_SECS).clamp(1.0, burst(self.rate));
        if self.tokens < batch {
            self.window.was_full = true;
            return (seconds((batch - self.tokens) / self.rate).max(SHORTEST_WAIT), 0);
        }
        // A positive number of at most MOST_BURST.
        (Duration::ZERO, self.ceiling.saturating_sub(under_way).min(self.tokens as u32))
    }

    /// So many events were taken up.
    pub(super) fn took(&mut self, events: usize) {
        self.tokens -= events as f64;
    }

    /// An event was answered that was taken up at `begun`.
    pub(super) fn answered(&mut self, now: Duration, begun: Duration) {
        self.window.answered = self.window.answered.saturating_add(1);
        self.window.took += now.saturating_sub(begun).as_secs_f64();
    }

    /// The vendor refused a call for an event that was taken up at `begun`, or gave no answer.
    pub(super) fn refused(&mut self, now: Duration, begun: Duration) {
        if begun < self.cut_at {
            return;
        }
        let (answered, length) = self.before;
        let length = length + now.saturating_sub(self.window.since).as_secs_f64();
        // In a shorter time the vendor may have allowed a burst, or no answer may be back yet.
        let through =
            if length < SHORTEST_MEASURE { self.rate } else { f64::from(answered + self.window.answered) / length };
        let mark = self.rate.min(through).max(self.rate * DEEPEST_CUT).max(LEAST_RATE);
        self.search = Search::Around { mark, since: now };
        self.rate = self.rate_at(now);
        self.tokens = -self.rate * HOLD_SECS;
        (self.filled_at, self.cut_at) = (now, now);
        (self.before, self.window) = ((0, 0.0), Window { since: now, ..Window::default() });
    }

    /// Sets the rate when the window is over.
    fn look(&mut self, now: Duration) {
        let length = now.saturating_sub(self.window.since);
        if length < WINDOW {
            return;
        }
        self.fill(now);
        let window = std::mem::replace(&mut self.window, Window { since: now, ..Window::default() });
        self.before = (window.answered, length.as_secs_f64());
        let is_slow = self.is_slow(&window);
        let may_grow = window.was_full && !is_slow;
        match &mut self.search {
            Search::Doubling if may_grow => self.rate = (self.rate * 2.0).min(MOST_RATE),
            Search::Doubling if is_slow => self.search = Search::Around { mark: self.rate, since: now },
            Search::Doubling => {}
            // A rate that is not used proves nothing: time stands still for it.
            Search::Around { since, .. } if !may_grow => *since = (*since + length).min(now),
            Search::Around { since, .. } if now.saturating_sub(*since) > QUIET => self.search = Search::Doubling,
            Search::Around { .. } => {}
        }
        self.rate = self.rate_at(now);
    }

    /// Whether the vendor took much longer than usual.
    fn is_slow(&mut self, window: &Window) -> bool {
        if window.answered == 0 {
            return false;
        }
        let mean = window.took / f64::from(window.answered);
        // It follows slowly where all answers take longer now.
        let usual = self.usual.map_or(mean, |usual| mean.min(usual * USUAL_GROWTH));
        self.usual = Some(usual);
        mean > 2.0 * usual + SLACK_SECS
    }

    fn rate_at(&self, now: Duration) -> f64 {
        match self.search {
            Search::Doubling => self.rate,
            Search::Around { mark, since } => {
                let way = now.saturating_sub(since).as_secs_f64() / RETURN_SECS - 1.0;
                (mark * (1.0 + CUT * way.powi(3))).clamp(LEAST_RATE, MOST_RATE)
            }
        }
    }

    fn fill(&mut self, now: Duration) {
        let gained = now.saturating_sub(self.filled_at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(burst(self.rate));
        self.filled_at = now;
    }
}

/// How many events may be taken up at once after a time without any.
fn burst(rate: f64) -> f64 {
    (rate * BURST_SECS).clamp(1.0, MOST_BURST)
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(WINDOW)
}

/// An event costs two calls: this is the hundred calls a second that the vendor is known to allow.
const FIRST_RATE: f64 = 50.0;
/// With less an inbox would never be worked off, and refusals that a stranger provokes would stop it.
const LEAST_RATE: f64 = 5.0;
const MOST_RATE: f64 = 10_000.0;
const BURST_SECS: f64 = 0.1;
const MOST_BURST: f64 = 64.0;
/// Events that come within this time are taken up together: a claim for each would keep the store busy.
const BATCH_SECS: f64 = 0.01;
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// How often the rate is set.
const WINDOW: Duration = Duration::from_millis(500);
/// Over a shorter time nothing is measured, in seconds.
const SHORTEST_MEASURE: f64 = 0.5;
/// The share by which the rate falls below what got through.
const CUT: f64 = 0.1;
/// The smallest share of the rate that is left after one refusal.
const DEEPEST_CUT: f64 = 0.25;
/// How long nothing is taken up after a refusal, in seconds.
const HOLD_SECS: f64 = 0.5;
/// How long the rate takes to return to its mark, in seconds.
const RETURN_SECS: f64 = 15.0;
/// After so long without a refusal the mark is out of date.
const QUIET: Duration = Duration::from_secs(30);
/// By which factor the usual time of an answer may grow in one window.
const USUAL_GROWTH: f64 = 1.01;
/// Answers may take this much longer than usual, in seconds, without a meaning.
const SLACK_SECS: f64 = 0.02;

#[cfg(test)]
mod tests;
