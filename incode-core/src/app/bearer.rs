//! Bearer mode: a client that holds an Incode token presents it, and the layer redeems it at userinfo.

mod key_refusals;
mod on_demand;
mod presented;
mod settings;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::client::{Client, Error, ErrorKind};
use crate::flow::ExpectedClaims;
use crate::gate::{CacheKey, CacheKeyRef, Context, Join, LeaderGuard, NearCache, PendingVisitor, SingleFlight};
use crate::http::RequestHead;
use crate::identity::transition::Command;
use crate::identity::{Cause, Directory, Observer};
use crate::inbox::{expiry_hint, is_plausible};
use crate::{IdentityId, Token, TokenHash};

use super::Resolved;

use key_refusals::KeyRefusals;
pub use on_demand::OnDemandVisitor;
use presented::Presented;
pub use settings::BearerTokens;
use turns::Turns;

/// Caches token hash -> identity id. The standing is cached by identity, so a revocation takes effect while the token is
/// still cached.
pub(super) struct Bearer {
    pub(super) settings: BearerTokens,
    pub(super) client: Client,
    pub(super) directory: Directory,
    pub(super) observer: Arc<Observer>,
    pub(super) context: Arc<Context>,
    pub(super) near: Arc<NearCache>,
    claims: ExpectedClaims,
    memory: Memory,
    /// Questions under way: each token is asked about once, however many requests bring it.
    flights: SingleFlight<TokenHash, Found>,
    /// Shared by all questions: who may ask the vendor.
    turns: Turns,
    key_refusals: KeyRefusals,
    /// Where questions run: on the runtime of `build`, so that a request that ends takes none along.
    runtime: Handle,
}

/// What a token was found to be.
#[derive(Clone)]
enum Found {
    /// The vendor said whose it is.
    Belongs(IdentityId),
    /// The vendor does not accept it.
    Refused,
    /// The vendor answered 403 or 429 about this token: it is not asked about again for this long.
    NotNow(Duration),
    /// There was no answer that could be trusted. Never remembered.
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
    pub(super) claims: ExpectedClaims,
}

impl Bearer {
    pub(super) fn new(settings: BearerTokens, parts: Parts) -> Arc<Self> {
        let Parts { client, directory, observer, context, near, claims } = parts;
        let turns = Turns::new(settings.at_once);
        let runtime = near.runtime().clone();
        Arc::new(Self {
            settings,
            client,
            directory,
            observer,
            context,
            near,
            claims,
            memory: Memory::default(),
            flights: SingleFlight::default(),
            turns,
            key_refusals: KeyRefusals::default(),
            runtime,
        })
    }

    /// The visitor of a request in which no subject was found. Of a token that is not known the vendor is not asked yet.
    pub(super) fn visit(self: &Arc<Self>, head: &dyn RequestHead) -> Resolved {
        match self.on_demand(head) {
            Some(visitor) => self.known(&visitor).unwrap_or(Resolved::OnDemand(visitor)),
            None => Resolved::Ready(self.near.no_subject()),
        }
    }

    /// What the request presents, for when it is known whether it is wanted. `None` on a path whose tokens are not looked
    /// at, and where there is no token.
    pub(super) fn on_demand(self: &Arc<Self>, head: &dyn RequestHead) -> Option<OnDemandVisitor> {
        if !self.settings.takes(head) {
            return None;
        }
        match Presented::of(head) {
            Presented::Nothing => None,
            presented => Some(OnDemandVisitor { bearer: Arc::clone(self), presented }),
        }
    }

    /// The visitor, where it does not take the vendor to know it.
    fn known(self: &Arc<Self>, visitor: &OnDemandVisitor) -> Option<Resolved> {
        let Presented::Token(token) = &visitor.presented else { return Some(Resolved::Ready(self.near.refused())) };
        match self.recall(&token.hash()) {
            Some(found) => Some(self.arrive(found)),
            // A token of another issuer, as far as it shows. It is refused, and not sent to the vendor.
            None if !self.claims.are_met_by(token) => {
                metrics::counter!("incode_bearer_tokens_total", "outcome" => "not_sent").increment(1);
                Some(Resolved::Ready(self.near.refused()))
            }
            None => None,
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
            Found::NotNow(_) | Found::Unknown => Resolved::Ready(near.out_of_reach()),
        }
    }

    fn find_out(self: &Arc<Self>, token: Token, hash: TokenHash) -> PendingVisitor {
        let waiter = match self.flights.join(hash, || self.recall(&hash)) {
            Join::Ready(found) => {
                let bearer = Arc::clone(self);
                return PendingVisitor::new(async move { bearer.arrive(found).visitor().await });
            }
            Join::Waiting(waiter) => waiter,
            Join::Leader(waiter, guard) => {
                self.runtime.spawn(Arc::clone(self).redeem(token, guard));
                waiter
            }
        };
        let bearer = Arc::clone(self);
        PendingVisitor::new(async move {
            // By the caller's own timer: those of the question stand still with its runtime.
            let found = timeout(LONGEST_REDEMPTION, waiter.wait()).await.unwrap_or_else(|_| {
                tracing::error!("bearer token not redeemed: nothing drives the tokio runtime that built Incode");
                None
            });
            let found = found.unwrap_or(Found::Unknown);
            bearer.arrive(found).visitor().await
        })
    }

    /// A task of its own, to the end: what the vendor says is recorded even if the request is gone.
    async fn redeem(self: Arc<Self>, token: Token, guard: LeaderGuard<TokenHash, Found>) {
        let found = self.ask(&token).await;
        let outcome = match &found {
            Found::Belongs(_) => "accepted",
            Found::Refused => "refused",
            Found::NotNow(_) | Found::Unknown => "unavailable",
        };
        metrics::counter!("incode_bearer_tokens_total", "outcome" => outcome).increment(1);
        let hash = guard.key;
        self.flights.finish(guard, |_| {
            self.remember(hash, &token, found.clone());
            found
        });
    }

    async fn ask(&self, token: &Token) -> Found {
        // The tokens that wait are bounded; one more gets 503. Claims that are expected were met before.
        let is_plausible = is_plausible(token, None, self.context.clock.now());
        let Some(_turn) = self.turns.take(is_plausible).await else { return Found::Unknown };
        let asked = self.client.userinfo_at(&self.directory, token);
        let asked = match timeout(LONGEST_ANSWER, asked).await {
            Ok(Ok(asked)) => asked,
            Ok(Err(error)) => return self.refused(token, &error),
            Err(_) => {
                tracing::warn!(error.kind = "deadline", "bearer token not redeemed");
                return Found::Unknown;
            }
        };
        self.key_refusals.clear();
        let seen = self.directory.observe(&self.observer, &asked.person, asked.sent_at, Cause::BearerToken);
        let id = seen.identity_id.clone();
        // Recorded before it counts: the newest answer stands, and what was revoked stays revoked.
        match self.directory.change(Command::Observe(seen), Cause::BearerToken).await {
            Ok(_) => Found::Belongs(id),
            Err(error) => {
                let (kind, cause) = (error.kind(), error.cause());
                tracing::warn!(error.kind = ?kind, error.cause = %cause, "bearer token redeemed, but not recorded");
                Found::Unknown
            }
        }
    }

    fn refused(&self, token: &Token, error: &Error) -> Found {
        let found = match error.kind() {
            // 401 is what the vendor documents; the others, too, say that it is no person's token.
            ErrorKind::Unauthorized | ErrorKind::BadRequest | ErrorKind::NotFound => return Found::Refused,
            ErrorKind::TooManyRequests => {
                Found::NotNow(error.retry_after().unwrap_or(NOT_NOW_FOR).clamp(NOT_NOW_FOR, LONGEST_NOT_NOW))
            }
            ErrorKind::Forbidden => {
                if self.key_refusals.add(token.hash(), self.context.aging.nanos()) {
                    tracing::error!("the vendor answers 403 to every bearer token: is the API key right?");
                }
                Found::NotNow(NOT_NOW_FOR)
            }
            _ => Found::Unknown,
        };
        tracing::warn!(error.kind = ?error.kind(), "bearer token not redeemed");
        found
    }

    fn remember(&self, hash: TokenHash, token: &Token, found: Found) {
        let now = self.context.aging.nanos();
        let (map, span, capacity) = match &found {
            Found::Belongs(_) => (&self.memory.good, self.believed(token), self.settings.capacity),
            Found::Refused => (&self.memory.refused, REFUSED_FOR, MOST_REFUSED),
            Found::NotNow(span) => (&self.memory.refused, *span, MOST_REFUSED),
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

    /// Up to the token's own `exp` if it shows one: a hint, which can only shorten. By our clock it may be over already.
    /// The vendor took the token, so it counts for a moment all the same, or each request would ask.
    fn believed(&self, token: &Token) -> Duration {
        let left = expiry_hint(token).map(|exp| exp.since(self.context.clock.now()));
        let left = left.map(|left| if left.is_zero() { OVER_BUT_TAKEN } else { left });
        left.map_or(self.settings.believed, |left| left.min(self.settings.believed))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// How long the vendor may take to say whose a token is, retries included.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// How long a request waits for all of it: its turn, a pause, the answer, and the store that records it. Longer than they
/// take together, so it ends only what would not end by itself.
const LONGEST_REDEMPTION: Duration = Duration::from_secs(15);

/// How long a refusal is remembered.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// How many refusals are remembered.
const MOST_REFUSED: usize = 10_000;

/// How long a token counts that the vendor took after its end.
const OVER_BUT_TAKEN: Duration = Duration::from_secs(5);

/// How long one token is not asked about after a 403, and at least after a 429.
const NOT_NOW_FOR: Duration = Duration::from_secs(5);

/// A vendor that names a longer wait is asked again all the same.
const LONGEST_NOT_NOW: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
