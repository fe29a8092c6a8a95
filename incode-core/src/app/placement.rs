//! Notices a layer in the wrong place: once in the log, with what to move.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;

use crate::http::RequestHead;

/// What the layer has seen of its requests.
///
/// A request that passes pays for two relaxed loads and one comparison. Everything else is apart.
pub(super) struct Placement {
    routes: Box<[Watched]>,
    /// One bit for each ASCII character that a mounted path ends with, and for the slash. The last character is enough
    /// to see that most paths are not mounted.
    ends: u128,
    /// The path of the public URL, without a slash at its end: `/app`, or empty.
    base: Box<str>,
    /// The mounted paths with the base before them, but for one that is mounted so already. Empty without a base.
    below_public_url: Box<[Box<str>]>,
    /// Nothing is left to find out: each webhook was reached, or the warning is logged.
    is_settled: AtomicBool,
    /// A mounted route was reached, so the layer is where requests come by.
    is_seen: AtomicBool,
    /// Requests that were no mounted route, until it is settled.
    visitors: AtomicU32,
    /// When the first of them came.
    first_visitor: OnceLock<Instant>,
    said_prefix: AtomicBool,
    said_nested: AtomicBool,
}

/// A mounted path, and whether a near miss of it was logged. It is logged once, so requests can't fill the log.
struct Watched {
    path: Box<str>,
    /// The vendor sends here. One that is never reached is silent: nothing else shows it.
    is_webhook: bool,
    is_reached: AtomicBool,
    is_said: AtomicBool,
}

/// How a path differs from a mounted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NearMiss {
    /// `/api/incode/webhook`.
    Prefix,
    /// `/incode/webhook/`, `//incode/webhook`.
    Slash,
    /// `/Incode/Webhook`.
    Case,
    /// `/incode/%77ebhook`.
    Encoding,
}

impl Placement {
    /// Of paths, each with whether it is a webhook.
    pub(super) fn new<'a>(paths: impl Iterator<Item = (&'a str, bool)>, base: &str) -> Self {
        let watched = |(path, is_webhook): (&str, bool)| Watched {
            path: path.into(),
            is_webhook,
            is_reached: AtomicBool::new(false),
            is_said: AtomicBool::new(false),
        };
        let routes: Box<[Watched]> = paths.map(watched).collect();
        let with_base = paths_with_base(&routes, base);
        let ends = routes.iter().filter_map(|route| route.path.bytes().last()).chain([b'/']);
        let ends = ends.flat_map(|end| [bit(end.to_ascii_lowercase()), bit(end.to_ascii_uppercase())]);
        Self {
            ends: ends.fold(0, |ends, bit| ends | bit),
            routes,
            base: base.into(),
            below_public_url: with_base,
            is_settled: AtomicBool::new(false),
            is_seen: AtomicBool::new(false),
            visitors: AtomicU32::new(0),
            first_visitor: OnceLock::new(),
            said_prefix: AtomicBool::new(false),
            said_nested: AtomicBool::new(false),
        }
    }

    /// What is left of a path below the public URL's own: a proxy that does not take that off sends it along.
    #[inline]
    pub(super) fn below_base<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.base.is_empty() {
            return None;
        }
        path.strip_prefix(&*self.base)
    }

    /// The mounted paths as a proxy sends them that does not take the public URL's own path off.
    pub(super) fn below_public_url(&self) -> impl Iterator<Item = &str> {
        self.below_public_url.iter().map(|path| &**path)
    }

    /// A request that is no mounted route reached the layer.
    #[inline]
    pub(super) fn visitor_came(&self, head: &dyn RequestHead) {
        if !self.is_settled.load(Ordering::Relaxed) {
            self.count();
        }
        let path = head.path();
        if path.len() > 1 && path.bytes().last().is_some_and(|end| bit(end) & self.ends != 0) {
            self.look_for_near_miss(path);
        }
    }

    /// A request reached the route that is mounted at `mounted`.
    pub(super) fn route_reached(&self, mounted: &str, head: &dyn RequestHead) {
        self.is_seen.store(true, Ordering::Relaxed);
        if let Some(route) = self.routes.iter().find(|route| *route.path == *mounted)
            && !route.is_reached.swap(true, Ordering::Relaxed)
            && self.silent_webhooks().next().is_none()
        {
            self.is_settled.store(true, Ordering::Relaxed);
        }
        let (sent_to, path) = (head.sent_to().0, head.path());
        let Some(prefix) = sent_to.strip_suffix(path).filter(|prefix| !prefix.is_empty()) else { return };
        if prefix != &*self.base && !self.said_prefix.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the layer is inside a nested router, so its routes are below the prefix of that router: move the layer to \
                 the outermost router, or end PUBLIC_URL with the prefix and give the vendor the URLs with it"
            );
        }
    }

    /// Another layer outside of this one has resolved the visitor already.
    pub(super) fn has_outer(&self) {
        if !self.said_nested.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "two incode layers are around the same route, and each request is resolved twice: remove one of them"
            );
        }
    }

    #[cold]
    fn count(&self) {
        let first = *self.first_visitor.get_or_init(Instant::now);
        let visitors = self.visitors.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let is_seen = self.is_seen.load(Ordering::Relaxed);
        if is_overdue(visitors, first.elapsed(), is_seen) && !self.is_settled.swap(true, Ordering::Relaxed) {
            self.warn(visitors, is_seen);
        }
    }

    fn warn(&self, visitors: u32, is_seen: bool) {
        let routes: Vec<&str> = self.silent_webhooks().collect();
        if is_seen {
            tracing::warn!(
                visitors,
                ?routes,
                "no delivery has reached this webhook, and other mounted routes were reached: compare the URL that the \
                 vendor has with the public one, and look for a proxy or firewall that answers in its place"
            );
        } else {
            tracing::warn!(
                visitors,
                ?routes,
                "no request has reached the webhook or another mounted route: if the vendor sends already, the layer does \
                 not see it. Put the layer around the whole application and its fallback, as the last `layer` or `wrap` \
                 (not `route_layer`), or mount the routes of the adapter (`routes`, `configure`)"
            );
        }
    }

    fn silent_webhooks(&self) -> impl Iterator<Item = &str> {
        let silent = self.routes.iter().filter(|route| route.is_webhook && !route.is_reached.load(Ordering::Relaxed));
        silent.map(|route| &*route.path)
    }

    #[cold]
    fn look_for_near_miss(&self, path: &str) {
        for route in &self.routes {
            if route.is_said.load(Ordering::Relaxed) {
                continue;
            }
            let Some(miss) = near_miss(path, &route.path) else { continue };
            if !route.is_said.swap(true, Ordering::Relaxed) {
                // Nothing of the request's own path: before the end that is known, it may hold anything.
                tracing::warn!(
                    route = &*route.path,
                    differs_in = miss.as_str(),
                    "a request came to a path that is nearly a mounted one, and the application answered it: have it sent \
                     to the route exactly, or mount the route there"
                );
            }
        }
    }
}

impl NearMiss {
    fn as_str(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Slash => "slash",
            Self::Case => "case",
            Self::Encoding => "percent-encoding",
        }
    }
}

fn near_miss(path: &str, route: &str) -> Option<NearMiss> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let segments = |path: &str| path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    let (plain, route_plain) = (segments(&decoded), segments(route));
    if route_plain.is_empty() {
        return None;
    }
    if plain == route_plain {
        return if path == route {
            None
        } else if path == decoded {
            Some(NearMiss::Slash)
        } else {
            Some(NearMiss::Encoding)
        };
    }
    let (lower, route_lower) = (plain.to_ascii_lowercase(), route_plain.to_ascii_lowercase());
    if lower == route_lower {
        return Some(NearMiss::Case);
    }
    lower.strip_suffix(&route_lower).is_some_and(|before| before.ends_with('/')).then_some(NearMiss::Prefix)
}

fn paths_with_base(routes: &[Watched], base: &str) -> Box<[Box<str>]> {
    if base.is_empty() {
        return Box::default();
    }
    let with_base = routes.iter().map(|route| format!("{base}{}", route.path).into_boxed_str());
    with_base.filter(|path| routes.iter().all(|route| route.path != *path)).collect()
}

/// Whether each webhook should have been reached by now. Every application has more visitors than deliveries, but a vendor
/// that is set up sends something in this time, if only to a tester. Where other routes were reached the layer is in its
/// place, and requests alone show nothing: then it is overdue when a flow that began with the first of them has ended.
fn is_overdue(visitors: u32, since_first: Duration, is_seen: bool) -> bool {
    if is_seen { since_first >= ONE_FLOW } else { visitors >= MANY_VISITORS || since_first >= FIRST_MINUTES }
}

/// None for what is not ASCII.
fn bit(end: u8) -> u128 {
    1_u128.checked_shl(u32::from(end)).unwrap_or_default()
}

/// Several times the requests that a developer makes who tries the application out.
const MANY_VISITORS: u32 = 200;

/// Long enough for the person who set the layer up to try it once.
const FIRST_MINUTES: Duration = Duration::from_secs(5 * 60);

/// As long as a person may take from start to callback.
const ONE_FLOW: Duration = Duration::from_secs(30 * 60);

#[cfg(test)]
mod tests;
