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
/// let tokens = BearerTokens::new()
///     .believed_for(Duration::from_secs(60))
///     .only_where(|head| head.path().starts_with("/kiosk/"));
/// ```
#[derive(Clone)]
#[must_use]
pub struct BearerTokens {
    pub(super) believed: Duration,
    pub(super) capacity: usize,
    pub(super) at_once: usize,
    only_where: Option<Arc<Rule>>,
}

type Rule = dyn Fn(&dyn RequestHead) -> bool + Send + Sync;

impl BearerTokens {
    /// Every token counts, for up to five minutes; eight are asked about at once.
    pub fn new() -> Self {
        Self { believed: Duration::from_secs(5 * 60), capacity: 10_000, at_once: 8, only_where: None }
    }

    /// How long the vendor's word on whose a token is counts, if the token does not end before. 5 minutes unless set, and
    /// never over an hour. One that the vendor takes although its end is over by our clock counts for five seconds. How the
    /// person stands is not part of it: that is as fresh as it is for everybody else.
    pub fn believed_for(mut self, span: Duration) -> Self {
        self.believed = span.min(Duration::from_secs(60 * 60));
        self
    }

    /// How many tokens may be asked about at the same time. 8 unless set: strangers can present any number of them, and
    /// the vendor counts every question as ours.
    pub fn asking_at_most(mut self, tokens: usize) -> Self {
        self.at_once = tokens.clamp(1, 1024);
        self
    }

    /// How many tokens are remembered. 10,000 unless set.
    pub fn capacity(mut self, tokens: usize) -> Self {
        self.capacity = tokens.max(1);
        self
    }

    /// Takes tokens only of requests for which this is true. Use it where `Authorization` carries tokens of other issuers
    /// too: **what is taken is sent to the vendor**.
    pub fn only_where(mut self, rule: impl Fn(&dyn RequestHead) -> bool + Send + Sync + 'static) -> Self {
        self.only_where = Some(Arc::new(rule));
        self
    }

    pub(super) fn takes(&self, head: &dyn RequestHead) -> bool {
        self.only_where.as_ref().is_none_or(|rule| rule(head))
    }
}

impl Builder {
    /// Takes `Authorization: Bearer` with an Incode token, as a kiosk or a phone has it from a face authentication, from
    /// requests in which [`subjects`](Self::subjects) finds nobody. Off unless set.
    ///
    /// The token is redeemed at userinfo (spec: "Get User Info"), once however many requests bring it, and its hash is
    /// remembered for a while. The visitor is then that identity, without a subject and without a link: `active()`
    /// passes, [`linked_by`](crate::gate::Requirement::linked_by) does not. userinfo says nothing of the face, so
    /// [`face_authenticated_within`](crate::gate::Requirement::face_authenticated_within) counts what was recorded of this
    /// identity, as by an `authentication.completed` event, and not that there is a token.
    ///
    /// What userinfo says is recorded like any other word of the vendor, so a revocation seen here closes the door for
    /// the linked account as well, and one learned elsewhere for the token. A token that the vendor refuses gets 401 with
    /// `WWW-Authenticate: Bearer error="invalid_token"` (RFC 6750) at a gate; while the vendor or the store does not
    /// answer it is 503, never open.
    ///
    /// **Every bearer token of a request without a subject is sent to the vendor.** Where `Authorization` carries tokens
    /// of other issuers as well, say which requests are meant: [`BearerTokens::only_where`].
    pub fn bearer_tokens(mut self, tokens: BearerTokens) -> Self {
        self.bearer = Some(tokens);
        self
    }
}

impl Default for BearerTokens {
    fn default() -> Self {
        Self::new()
    }
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
