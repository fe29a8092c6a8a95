use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::store::EventId;

use super::apply::VendorSignal;

/// Holds claiming back while every event would fare the same: the vendor refuses the API key, or is down. Now and then
/// one event goes ahead to find out whether that is over. Every event is kept.
#[derive(Debug, Default)]
pub(super) struct CircuitBreaker {
    /// When the next one goes ahead, in elapsed time.
    until: Option<Duration>,
    /// How many were sent ahead in vain.
    refusals: u32,
    /// The events that found the vendor down since it last answered. One event may be the vendor's trouble; several are
    /// the vendor in trouble.
    down: HashSet<EventId>,
    /// The events that were refused as if for the API key and not answered since.
    refused: HashMap<EventId, Refused>,
}

/// An event that was refused as if for the API key.
#[derive(Debug, Default)]
struct Refused {
    /// How often the vendor took the key after it, for another event or for a token that it never made.
    contradicted: u32,
    /// It was refused since that was last so.
    again: bool,
    /// When it was refused last, in elapsed time.
    at: Duration,
}

impl CircuitBreaker {
    /// How many events may be under way.
    pub(super) fn room(&self, now: Duration, concurrency: u32) -> u32 {
        match self.until {
            None => concurrency,
            Some(until) if now >= until => 1,
            Some(_) => 0,
        }
    }

    /// How long nothing shall be claimed.
    pub(super) fn left(&self, now: Duration) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_sub(now))
    }

    /// Whether the event itself causes the refusal, and not the API key: after its refusal the vendor took the key, and so
    /// often that it is no accident. Any sender can cause an event that the vendor refuses,
    /// and it must delay no other event.
    pub(super) fn is_its_own_trouble(&self, event: EventId) -> bool {
        self.refused.get(&event).is_some_and(|refused| refused.contradicted >= CONTRADICTIONS)
    }

    /// The event is settled for good.
    pub(super) fn forget(&mut self, event: EventId) {
        self.refused.remove(&event);
    }

    pub(super) fn record(&mut self, now: Duration, event: EventId, signal: VendorSignal) {
        match signal {
            VendorSignal::Unknown | VendorSignal::Busy => {}
            VendorSignal::Answered => {
                self.refused.remove(&event);
                self.contradict();
            }
            VendorSignal::TokenRefused => {
                self.remember(now, event);
                self.contradict();
            }
            VendorSignal::KeyRefused => {
                self.remember(now, event);
                self.hold(now, "the vendor refuses the API key", KEY_PAUSES);
            }
            VendorSignal::Down => {
                if self.down.len() < DOWN_EVENTS {
                    self.down.insert(event);
                }
                if self.until.is_some() || self.down.len() >= DOWN_EVENTS {
                    self.hold(now, "the vendor is down", DOWN_PAUSES);
                }
            }
        }
    }

    /// The vendor takes the key.
    fn contradict(&mut self) {
        for refused in self.refused.values_mut().filter(|refused| refused.again) {
            (refused.contradicted, refused.again) = (refused.contradicted + 1, false);
        }
        self.end();
    }

    fn remember(&mut self, now: Duration, event: EventId) {
        if self.refused.len() >= REFUSED_EVENTS {
            // Some are settled elsewhere by now.
            self.refused.retain(|_, refused| now.saturating_sub(refused.at) < REMEMBERED);
        }
        if self.refused.len() < REFUSED_EVENTS || self.refused.contains_key(&event) {
            let refused = self.refused.entry(event).or_default();
            (refused.again, refused.at) = (true, now);
        }
    }

    fn hold(&mut self, now: Duration, why: &'static str, (first, longest): (Duration, Duration)) {
        match self.until {
            None => tracing::error!(why, "applying events is paused, all are kept"),
            // Events that were asked about together fail together: only the first adds information.
            Some(until) if now < until => return,
            Some(_) => {}
        }
        metrics::gauge!("incode_worker_paused").set(1.0);
        let wait = first * 2_u32.saturating_pow(self.refusals.min(6));
        self.until = Some(now + wait.min(longest));
        self.refusals += 1;
    }

    fn end(&mut self) {
        self.down.clear();
        if self.until.take().is_some() {
            self.refusals = 0;
            metrics::gauge!("incode_worker_paused").set(0.0);
            tracing::info!("the vendor answers again: applying events goes on");
        }
    }
}

/// First and longest pause for a refused key: an operator has to renew it.
const KEY_PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(5 * 60));
/// The same for a vendor that is down. Short, because tokens expire meanwhile.
const DOWN_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// How many events have to find the vendor down.
const DOWN_EVENTS: usize = 8;
/// How often a key has to be good for others after an event was refused. A key that is being replaced may be refused by
/// one of the vendor's servers and taken by the next.
const CONTRADICTIONS: u32 = 3;
/// How many refused events are remembered, and for how long at least.
const REFUSED_EVENTS: usize = 4096;
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
