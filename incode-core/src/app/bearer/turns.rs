use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Which tokens may be asked about at the vendor now, and which may wait for that.
///
/// Tokens that look like the vendor's go first. All the others together have half of the turns and half of the places, so
/// a flood of them leaves room for genuine ones, however long the vendor takes for each.
pub(super) struct Turns {
    all: Share,
    /// Taken besides, by a token that does not look like the vendor's.
    odd: Share,
}

struct Share {
    /// Tokens that are asked about: the vendor counts each question as ours.
    asking: Semaphore,
    /// Tokens that wait for a turn, those under way included: bounds the memory that a flood takes.
    places: Semaphore,
}

/// A turn at the vendor, until it is dropped.
pub(super) struct Turn<'a> {
    _permits: [Option<SemaphorePermit<'a>>; 4],
}

impl Turns {
    pub(super) fn new(at_once: usize) -> Self {
        let places = MOST_WAITING.max(at_once);
        Self { all: Share::new(at_once, places), odd: Share::new(at_once.div_ceil(2), places / 2) }
    }

    /// Waits for a turn, for [`LONGEST_WAIT`] at most. `None`: there was none, or too many wait.
    pub(super) async fn take(&self, is_plausible: bool) -> Option<Turn<'_>> {
        let odd = if is_plausible { None } else { Some(&self.odd) };
        let odd_place = odd.map(|odd| odd.places.try_acquire()).transpose().ok()?;
        let place = self.all.places.try_acquire().ok()?;
        let turns = async {
            // The smaller share first: a token that waits for it holds no permit of the larger one.
            let odd_turn = match odd {
                Some(odd) => Some(odd.asking.acquire().await.ok()?),
                None => None,
            };
            Some((odd_turn, self.all.asking.acquire().await.ok()?))
        };
        let (odd_turn, turn) = timeout(LONGEST_WAIT, turns).await.ok()??;
        Some(Turn { _permits: [odd_place, Some(place), odd_turn, Some(turn)] })
    }
}

impl Share {
    fn new(asking: usize, places: usize) -> Self {
        Self { asking: Semaphore::new(asking), places: Semaphore::new(places) }
    }
}

/// How long a token waits for its turn to be asked about.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How many tokens may wait at once.
const MOST_WAITING: usize = 256;
