//! Instants and the clock that gives them. Time is always an argument or a [`Clock`], so tests never wait for it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z. Serialises as RFC 3339 (`2023-06-29T17:30:47Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the epoch; saturates.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This instant moved later; saturates.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(millis(wait)))
    }

    /// This instant moved earlier; saturates.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long from `earlier` to this instant; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(span) => Self(millis(span)),
            Err(before) => Self(-millis(before.duration())),
        }
    }
}

/// RFC 3339 in UTC; an instant no calendar reaches is shown as its number of milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => self.0.fmt(f),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where "now" comes from.
pub trait Clock: Send + Sync + 'static {
    /// The present instant. May go backwards, as wall clocks do; what decides by it says how it copes.
    fn now(&self) -> Timestamp;

    /// Time since some fixed instant; never goes backwards. What expires in memory goes by it, so that a wall clock
    /// set back keeps nothing alive.
    fn elapsed(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// A time that has to be asked for: the store's.
pub(crate) trait TimeSource: Send + Sync {
    /// The present; `None` when the source does not answer.
    fn ask(&self) -> TimeFuture<'_>;
}

/// What [`TimeSource::ask`] returns.
pub(crate) type TimeFuture<'a> = Pin<Box<dyn Future<Output = Option<Timestamp>> + Send + 'a>>;

/// A random number in 0..1, so that what failed together does not come back together. Without randomness it is 0, which
/// is harmless.
pub(crate) fn jitter() -> f64 {
    getrandom::u32().map_or(0.0, |random| f64::from(random) / f64::from(u32::MAX))
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

/// A wall clock that is never seen to go back: when the one it follows is set back, time goes on from where it was.
///
/// What is due later goes by it. Otherwise everything that waits would wait longer by as much as the clock moved, and
/// the vendor's tokens die meanwhile. Not for comparing with instants of others: it may run ahead of them.
pub(crate) struct SteadyClock {
    clock: Arc<dyn Clock>,
    /// The latest instant shown, with the [`Clock::elapsed`] of then.
    shown: Mutex<(Timestamp, Duration)>,
}

impl SteadyClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let shown = Mutex::new((clock.now(), clock.elapsed()));
        Self { clock, shown }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, then) = *shown;
        *shown = (now.max(last.after(elapsed.saturating_sub(then))), elapsed.max(then));
        shown.0
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
}

mod store_time;

pub(crate) use store_time::StoreTime;

#[cfg(test)]
mod tests;
