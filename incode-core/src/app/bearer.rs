//! Bearer mode: a client that holds an Incode token presents it, and the layer redeems it at userinfo.

mod presented;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::client::{Client, Error, ErrorKind};
use crate::gate::{
    CacheKey, CacheKeyRef, Context, Join, LeaderGuard, NearCache, PendingVisitor, SingleFlight, Visitor,
};
use crate::http::RequestHead;
use crate::identity::transition::Command;
use crate::identity::{Cause, Directory, Observer};
use crate::inbox::expiry_hint;
use crate::{IdentityId, Token, TokenHash};

use super::Resolved;

use presented::Presented;
pub use settings::BearerTokens;

/// What bearer tokens were found to be. How their people stand is the near cache's to know, under their identity: so a
/// revocation learned from anywhere closes the door although the token is still taken for theirs.
pub(super) struct Bearer {
    pub(super) settings: BearerTokens,
    pub(super) client: Client,
    pub(super) directory: Directory,
    pub(super) observer: Arc<Observer>,
    pub(super) context: Arc<Context>,
    pub(super) near: Arc<NearCache>,
    memory: Memory,
    flights: SingleFlight<TokenHash, Found>,
    /// Questions under way at the vendor.
    asking: Semaphore,
    /// Tokens that wait for their turn, those under way included.
    places: Arc<Semaphore>,
    /// Until then the vendor is left alone: it refused the API key, or asked for patience. Nanoseconds, as the ages.
    paused_until: AtomicU64,
    runtime: Handle,
}

/// What a token was found to be.
#[derive(Clone)]
enum Found {
    /// The vendor said whose it is.
    Belongs(IdentityId),
    /// The vendor takes it for nobody's.
    Refused,
    /// Nobody said anything that could be trusted. Never remembered.
    Unknown,
}

/// Two maps, so that a flood of junk pushes out junk.
#[derive(Default)]
struct Memory {
    good: papaya::HashMap<TokenHash, Remembered>,
    refused: papaya::HashMap<TokenHash, Remembered>,
}

struct Remembered {
    found: Found,
    until: u64,
}

/// What a bearer works with.
pub(super) struct Parts {
    pub(super) client: Client,
    pub(super) directory: Directory,
    pub(super) observer: Arc<Observer>,
    pub(super) context: Arc<Context>,
    pub(super) near: Arc<NearCache>,
}

impl Bearer {
    /// Must be called inside the tokio runtime that is to ask the vendor.
    pub(super) fn new(settings: BearerTokens, parts: Parts) -> Arc<Self> {
        let Parts { client, directory, observer, context, near } = parts;
        let asking = Semaphore::new(settings.at_once);
        let places = Arc::new(Semaphore::new(MOST_WAITING.max(settings.at_once)));
        Arc::new(Self {
            settings,
            client,
            directory,
            observer,
            context,
            near,
            memory: Memory::default(),
            flights: SingleFlight::default(),
            asking,
            places,
            paused_until: AtomicU64::new(0),
            runtime: Handle::current(),
        })
    }

    /// Of a request in which nobody was found otherwise.
    pub(super) fn visit(self: &Arc<Self>, head: &dyn RequestHead) -> Resolved {
        let near = &self.near;
        if !self.settings.takes(head) {
            return Resolved::Ready(near.nobody());
        }
        let token = match Presented::of(head) {
            Presented::Nothing => return Resolved::Ready(near.nobody()),
            Presented::Illegible => return Resolved::Ready(near.refused()),
            Presented::Token(token) => token,
        };
        let hash = token.hash();
        match self.recall(&hash) {
            Some(found) => self.arrive(found),
            None => Resolved::Pending(self.find_out(token, hash)),
        }
    }

    fn recall(&self, hash: &TokenHash) -> Option<Found> {
        let now = self.context.aging.nanos();
        let recall = |map: &papaya::HashMap<TokenHash, Remembered>| {
            map.pin().get(hash).filter(|known| now < known.until).map(|known| known.found.clone())
        };
        recall(&self.memory.good).or_else(|| recall(&self.memory.refused))
    }

    fn arrive(&self, found: Found) -> Resolved {
        let near = &self.near;
        match found {
            Found::Belongs(id) => match near.hit(CacheKeyRef::Identity(id.as_str())) {
                Some(visitor) => Resolved::Ready(visitor),
                None => Resolved::Pending(near.load(CacheKey::Identity(id))),
            },
            Found::Refused => Resolved::Ready(near.refused()),
            Found::Unknown => Resolved::Ready(near.out_of_reach()),
        }
    }

    fn find_out(self: &Arc<Self>, token: Token, hash: TokenHash) -> PendingVisitor {
        let landing = match self.flights.join(hash, || self.recall(&hash)) {
            Join::Ready(found) => {
                let bearer = Arc::clone(self);
                return PendingVisitor::new(async move { bearer.arrive(found).visitor().await });
            }
            Join::Waiting(landing) => landing,
            Join::Leader(landing, ticket) => {
                self.runtime.spawn(Arc::clone(self).redeem(token, ticket));
                landing
            }
        };
        let bearer = Arc::clone(self);
        PendingVisitor::new(async move {
            let found = landing.wait().await.unwrap_or(Found::Unknown);
            bearer.arrive(found).visitor().await
        })
    }

    /// A task of its own, to the end: what the vendor says is recorded although who asked may have hung up.
    async fn redeem(self: Arc<Self>, token: Token, ticket: LeaderGuard<TokenHash, Found>) {
        let found = self.ask(&token).await;
        let outcome = match &found {
            Found::Belongs(_) => "accepted",
            Found::Refused => "refused",
            Found::Unknown => "unavailable",
        };
        metrics::counter!("incode_bearer_tokens_total", "outcome" => outcome).increment(1);
        let hash = ticket.key;
        self.flights.land(ticket, |_| {
            self.remember(hash, &token, found.clone());
            found
        });
    }

    async fn ask(&self, token: &Token) -> Found {
        // A crowd that waits is bounded; whoever comes on top is told to come again.
        let Ok(_place) = self.places.try_acquire() else { return Found::Unknown };
        let Ok(Ok(_turn)) = timeout(LONGEST_WAIT, self.asking.acquire()).await else { return Found::Unknown };
        if self.context.aging.nanos() < self.paused_until.load(Ordering::Relaxed) {
            return Found::Unknown;
        }
        let asked = self.client.userinfo_at(&self.directory, token);
        let asked = match timeout(LONGEST_ANSWER, asked).await {
            Ok(Ok(asked)) => asked,
            Ok(Err(error)) => return self.refused(&error),
            Err(_) => {
                tracing::warn!(error.kind = "deadline", "bearer token not redeemed");
                return Found::Unknown;
            }
        };
        let seen = self.observer.observe(&asked.person, asked.sent_at);
        let id = seen.identity_id.clone();
        // Recorded before it counts: the newest answer stands, and what was revoked stays revoked.
        match self.directory.change(Command::Observe(seen), Cause::BearerToken).await {
            Ok(_) => Found::Belongs(id),
            Err(error) => {
                tracing::warn!(error.kind = ?error.kind(), "bearer token redeemed, but not recorded");
                Found::Unknown
            }
        }
    }

    fn refused(&self, error: &Error) -> Found {
        match error.kind() {
            // 401 is what the vendor documents; the others, too, say that nobody has this token.
            ErrorKind::Unauthorized | ErrorKind::BadRequest | ErrorKind::NotFound => return Found::Refused,
            ErrorKind::TooManyRequests => self.pause(error.retry_after().unwrap_or(PAUSE)),
            ErrorKind::Forbidden => self.pause(PAUSE),
            _ => {}
        }
        tracing::warn!(error.kind = ?error.kind(), "bearer token not redeemed");
        Found::Unknown
    }

    fn pause(&self, span: Duration) {
        let until = self.context.aging.nanos().saturating_add(nanos(span.min(LONGEST_PAUSE)));
        self.paused_until.fetch_max(until, Ordering::Relaxed);
    }

    fn remember(&self, hash: TokenHash, token: &Token, found: Found) {
        let now = self.context.aging.nanos();
        let (map, span, capacity) = match &found {
            Found::Belongs(_) => (&self.memory.good, self.believed(token), self.settings.capacity),
            Found::Refused => (&self.memory.refused, REFUSED_FOR, MOST_REFUSED),
            Found::Unknown => return,
        };
        let map = map.pin();
        if map.len() >= capacity {
            map.retain(|_, known| now < known.until);
            // None has ended: a sixteenth goes, whichever the map names first, so that this sweep is rare.
            if map.len() >= capacity {
                let surplus: Vec<_> = map.keys().take(capacity / 16 + 1).copied().collect();
                for hash in &surplus {
                    map.remove(hash);
                }
            }
        }
        map.insert(hash, Remembered { found, until: now.saturating_add(nanos(span)) });
    }

    /// Up to the token's own `exp` if it shows one: a hint, which can only shorten. By a clock that disagrees it may be
    /// over already; the vendor took the token, so it counts for a moment all the same, or each request would ask.
    fn believed(&self, token: &Token) -> Duration {
        let left = expiry_hint(token).map(|exp| exp.since(self.context.clock.now()));
        let left = left.map(|left| if left.is_zero() { OVER_BUT_TAKEN } else { left });
        left.map_or(self.settings.believed, |left| left.min(self.settings.believed))
    }
}

impl Resolved {
    async fn visitor(self) -> Visitor {
        match self {
            Self::Ready(visitor) => visitor,
            Self::Pending(load) => load.await,
        }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// How long a token waits for its turn to be asked about.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long the vendor may take to say whose a token is, retries included.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// How many tokens may wait at once.
const MOST_WAITING: usize = 256;

/// How long a refusal is remembered.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// How many refusals are remembered.
const MOST_REFUSED: usize = 10_000;

/// How long a token counts that the vendor took after its end.
const OVER_BUT_TAKEN: Duration = Duration::from_secs(5);

/// When the vendor does not say how long to wait.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
