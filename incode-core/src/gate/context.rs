use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use crate::Clock;
use crate::http::{self, Brand, Language, Problem, Reply, RequestHead};
use crate::identity::Observer;

use super::{LoginOrder, MonotonicAge, NearCache, SessionSource};

/// Replaces the body of any rejection, denial or failed flow; `None` keeps the usual answer for the audience. Headers of
/// the problem that the reply does not name are added to it, `Cache-Control: no-store` among them, and
/// `WWW-Authenticate` on a 401.
pub type Render = dyn Fn(&Problem, Audience) -> Option<Reply> + Send + Sync;

/// Who will read a reply: a person or a program, and in which language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audience {
    /// The request prefers HTML, as a person's browser does when it shows a page.
    pub html: bool,
    /// The request is a gRPC call (`Content-Type: application/grpc`, with whatever behind): the answer is 200 with the
    /// outcome in `grpc-status`.
    pub grpc: bool,
    /// As `grpc`, in the form that browsers speak (`application/grpc-web`).
    pub grpc_web: bool,
    /// The language that the built-in pages are shown in.
    pub language: Language,
    /// GET or HEAD: a page that reloads itself asks for the same thing again.
    pub(crate) is_safe: bool,
}

impl Audience {
    /// Reads it off a request.
    pub fn of(head: &dyn RequestHead) -> Self {
        let content_type = head.header("content-type").one().unwrap_or_default();
        let is = |start: &[u8]| content_type.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(start));
        let (grpc, grpc_web) = (is(b"application/grpc"), is(b"application/grpc-web"));
        Self { grpc, grpc_web, ..Self::of_page(head) }
    }

    /// Of a request to a route of the layer's own: none of them is a gRPC call.
    pub(crate) fn of_page(head: &dyn RequestHead) -> Self {
        let html = head.prefers_html();
        let language = if html { Language::of(head) } else { Language::default() };
        Self { html, language, is_safe: matches!(head.method(), "GET" | "HEAD"), ..Self::default() }
    }
}

/// What every visitor needs to be judged and answered: one `Arc`, shared by all.
pub(crate) struct Context {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<Observer>,
    pub(crate) pages: Pages,
    /// How sessions are found. `None`: the application names none, and a face counts in every session of its subject.
    pub(crate) sessions: Option<SessionSource>,
    pub(crate) render: Option<Arc<Render>>,
    /// What the built-in pages show of the application.
    pub(crate) brand: Option<Brand>,
    /// `WWW-Authenticate` of a 401 that has none of its own.
    pub(crate) challenge: Cow<'static, str>,
    pub(crate) aging: MonotonicAge,
    /// Whether the login layer is where it should be.
    pub(crate) login_order: LoginOrder,
    /// Where a visitor reads what is known by now. Weak: the cache owns this context.
    pub(crate) near: OnceLock<Weak<NearCache>>,
}

/// The pages where a person can act on a denial. Paths without a query.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// The path of the public URL, without a slash at its end: what browsers put before every path. Often empty.
    pub(crate) base: String,
    /// The start route, when the hosted flow is on.
    pub(crate) start: Option<String>,
    /// The application's own.
    pub(crate) login: Option<String>,
    /// The application's own.
    pub(crate) step_up: Option<String>,
    /// The parameter that gives login and step-up page the way back. `None`: `return_to`.
    pub(crate) return_as: Option<String>,
    /// Browsers are redirected there.
    pub(crate) redirects: bool,
}

impl Pages {
    /// A path of this application as a browser has to ask for it. A proxy that takes the path of the public URL off shows
    /// the application paths without it, and one that does not shows them with it.
    pub(crate) fn public<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let is_public =
            path.strip_prefix(&self.base).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        if self.base.is_empty() || is_public { Cow::Borrowed(path) } else { Cow::Owned([&self.base, path].concat()) }
    }
}

impl Context {
    /// For tests: nothing kept, nothing rendered, no page but a start route.
    #[cfg(test)]
    pub(crate) fn plain(clock: Arc<dyn Clock>) -> Self {
        let pages = Pages { start: Some("/start".to_owned()), ..Pages::default() };
        let (observer, aging) = (Arc::new(Observer::new()), MonotonicAge::new(&clock));
        Self {
            clock,
            observer,
            pages,
            sessions: None,
            render: None,
            brand: None,
            challenge: "Login".into(),
            aging,
            login_order: LoginOrder::default(),
            near: OnceLock::new(),
        }
    }

    pub(super) fn attach(&self, near: &Arc<NearCache>) {
        // The first one stays: a context is made for one cache.
        let _ = self.near.set(Arc::downgrade(near));
    }

    /// `None` once the cache is gone.
    pub(super) fn near(&self) -> Option<Arc<NearCache>> {
        self.near.get()?.upgrade()
    }

    pub(crate) fn reply(&self, problem: &Problem, audience: Audience) -> Reply {
        let own = self.render.as_ref().and_then(|render| render(problem, audience));
        let mut reply =
            own.map_or_else(|| reply_of(problem, audience, self.brand.as_ref()), |own| problem.protect(own));
        let lacks = |reply: &Reply, name: &str| !reply.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        if lacks(&reply, "cache-control") {
            reply = reply.header("cache-control", "no-store");
        }
        if reply.status == 401 && lacks(&reply, "www-authenticate") {
            let own = problem.headers.iter().find(|(name, _)| *name == "www-authenticate");
            reply = reply.header("www-authenticate", own.map_or(&self.challenge, |(_, value)| value).clone());
        }
        reply
    }
}

/// The usual answer for the audience.
pub(super) fn reply_of(problem: &Problem, audience: Audience, brand: Option<&Brand>) -> Reply {
    match (audience.grpc, audience.grpc_web) {
        (_, true) => problem.grpc_reply("application/grpc-web"),
        (true, false) => problem.grpc_reply("application/grpc"),
        (false, false) if audience.html => http::page(problem, brand, audience.language, audience.is_safe),
        (false, false) => problem.reply(),
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("pages", &self.pages).finish_non_exhaustive()
    }
}
