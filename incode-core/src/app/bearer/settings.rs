use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::app::Builder;
use crate::http::RequestHead;

/// How bearer tokens are taken: what [`Builder::bearer_tokens`](crate::Builder::bearer_tokens) turns on.
///
/// ```
/// use std::time::Duration;
/// use incode_core::BearerTokens;
/// let tokens = BearerTokens::on_paths(["/kiosk", "/api/v1/doors"]).believed_for(Duration::from_secs(60));
/// ```
/// There is none that takes tokens everywhere: each token that is taken is sent to the vendor.
/// ```compile_fail,E0599
/// let tokens = incode_core::BearerTokens::new();
/// ```
#[derive(Clone)]
#[must_use]
pub struct BearerTokens {
    pub(super) believed: Duration,
    pub(super) capacity: usize,
    pub(super) at_once: usize,
    takes: Takes,
}

/// Which requests.
#[derive(Clone)]
enum Takes {
    /// Those to one of these paths, or to what is below it.
    Paths(Arc<[Box<str>]>),
    Where(Arc<Rule>),
}

type Rule = dyn Fn(&dyn RequestHead) -> bool + Send + Sync;

impl BearerTokens {
    /// Takes tokens of requests to these paths and to what is below them: `/kiosk` means `/kiosk` and `/kiosk/door`, and
    /// not `/kiosks`. A path begins with `/`; `/` alone means every request. On every other path no token is looked at.
    ///
    /// Name the paths whose gates or extractors need the token. The vendor is asked when one of them does, and not before: a
    /// page of the same path that needs no visitor sends no token anywhere.
    pub fn on_paths<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Self {
        let paths = paths.into_iter().map(|path| Box::from(path.as_ref())).collect();
        Self::of(Takes::Paths(paths))
    }

    /// Takes tokens of requests for which this is true.
    pub fn only_where(rule: impl Fn(&dyn RequestHead) -> bool + Send + Sync + 'static) -> Self {
        Self::of(Takes::Where(Arc::new(rule)))
    }

    fn of(takes: Takes) -> Self {
        Self { believed: Duration::from_secs(5 * 60), capacity: 10_000, at_once: 8, takes }
    }

    /// How long it counts that the vendor said whose a token is, if the token does not end before. 5 minutes unless set,
    /// and never over an hour. A token that the vendor takes although its end is over by our clock counts for five
    /// seconds. The standing is not part of it: it is as fresh as that of every other visitor.
    pub fn believed_for(mut self, span: Duration) -> Self {
        self.believed = span.min(Duration::from_secs(60 * 60));
        self
    }

    /// How many tokens may be asked about at the same time. 8 unless set: any caller can present any number of them,
    /// and the vendor counts every call as ours. Tokens that do not look like an unexpired JWT get half of these places
    /// at most, so a flood of them delays no other token.
    pub fn asking_at_most(mut self, tokens: usize) -> Self {
        self.at_once = tokens.clamp(1, 1024);
        self
    }

    /// How many tokens are remembered. 10,000 unless set.
    pub fn capacity(mut self, tokens: usize) -> Self {
        self.capacity = tokens.max(1);
        self
    }

    pub(super) fn takes(&self, head: &dyn RequestHead) -> bool {
        match &self.takes {
            Takes::Paths(paths) => paths.iter().any(|path| is_at_or_below(head.path(), path)),
            Takes::Where(rule) => rule(head),
        }
    }

    /// Whether there is any request that it could take.
    pub(in crate::app) fn is_legal(&self) -> bool {
        match &self.takes {
            Takes::Paths(paths) => {
                !paths.is_empty() && paths.iter().all(|path| path.starts_with('/') && !path.contains(['?', '#']))
            }
            Takes::Where(_) => true,
        }
    }
}

impl Builder {
    /// Takes `Authorization: Bearer` with an Incode token, as a kiosk or a phone has it from a face authentication, from
    /// requests in which [`subjects`](Self::subjects) finds no subject. Off unless set, and only on the paths that
    /// [`BearerTokens`] names.
    ///
    /// The token is redeemed at userinfo (spec: "Get User Info"), once however many requests bring it, and its hash is
    /// remembered for a while. The visitor is then that identity, without a subject and without a link: `active()`
    /// passes, [`linked_by`](crate::gate::Requirement::linked_by) does not. There is no session, so
    /// [`face_authenticated_within`](crate::gate::Requirement::face_authenticated_within) is never met. userinfo says
    /// nothing of the face either:
    /// [`face_seen_by_vendor_within`](crate::gate::Requirement::face_seen_by_vendor_within) counts what was recorded of
    /// this identity, as by an `authentication.completed` event, and not that there is a token.
    ///
    /// What userinfo says is recorded like every other answer of the vendor. So a revocation seen here shuts the gate for
    /// the linked account too, and one learned elsewhere shuts it for the token. A token that the vendor refuses gets 401
    /// with `WWW-Authenticate: Bearer error="invalid_token"` (RFC 6750) at a gate. While the vendor or the store does not
    /// answer it is 503, never open; a 403 or 429 of the vendor for one token holds up no other token.
    ///
    /// **A token that is taken is sent to the vendor.** Where `Authorization` carries tokens of other issuers on the same
    /// paths, name a claim of the vendor's tokens: [`expect_claim`](Self::expect_claim). A token without it gets 401 and
    /// is not sent.
    pub fn bearer_tokens(mut self, tokens: BearerTokens) -> Self {
        self.bearer = Some(tokens);
        self
    }
}

fn is_at_or_below(path: &str, named: &str) -> bool {
    let named = named.strip_suffix('/').unwrap_or(named);
    path.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl fmt::Debug for BearerTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerTokens")
            .field("believed", &self.believed)
            .field("capacity", &self.capacity)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}
