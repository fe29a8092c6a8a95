use std::fmt;
use std::time::Duration;

use futures_core::Stream;
use serde::Serialize;
use url::form_urlencoded;

use crate::Clock;
use crate::http::{BodyError, BodyLimit, Field, Reply, RequestHead};
use crate::webhook::{AddressSource, Authenticity};

use super::basic::Presented;
use super::limit::{Caller, Failures};
use super::refusal::uncached;
use super::{IssuedToken, TokenRefusal, TokenRefusalKind};

/// The token endpoint of a policy's clients (RFC 6749, section 3.2): `POST` with HTTP Basic and
/// `grant_type=client_credentials`. Sans-I/O like [`Webhook`](crate::webhook::Webhook).
///
/// A caller that fails too often gets 429 with `Retry-After`. What that means depends on its address:
///
/// - **The address is known** ([`TokenEndpoint::with_address_source`]). Failures are counted for each address (IPv6: each
///   /64). An address that must wait is refused before its secret is looked at, so it can't go on guessing. Other
///   addresses are not affected.
/// - **The address is not known**: no source is set, or the source finds none. All callers then share one counter. A
///   right secret always passes, and only a wrong one has to wait. Otherwise an attacker could lock the genuine client
///   out, and with it every delivery. The length of the secret then protects it: [`Authenticity::MIN_SECRET_LEN`] bytes
///   or more.
///
/// ```
/// # use incode_core::{Clock, http::{RequestHead, Reply}};
/// use incode_core::webhook::{Authenticity, TokenEndpoint, TokenRefusal};
///
/// // One endpoint for the process: it counts the failures.
/// fn serve(endpoint: &TokenEndpoint, policy: &Authenticity, head: &dyn RequestHead, clock: &dyn Clock, body: &[u8]) -> Reply {
///     let answer = endpoint.begin(policy, head, clock).and_then(|mut request| {
///         request.push(body)?;
///         request.finish()
///     });
///     answer.unwrap_or_else(|refusal| refusal.reply())
/// }
/// # assert_eq!(TokenRefusal::too_slow().reply().status, 408);
/// ```
#[derive(Debug, Default)]
pub struct TokenEndpoint {
    addresses: Option<AddressSource>,
    failures: Failures,
}

impl TokenEndpoint {
    /// The longest body accepted, in bytes.
    pub const BODY_CAP: usize = 4 * 1024;

    /// Without an address source: all callers share one counter.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts failures for each address, found in this way.
    #[must_use]
    pub fn with_address_source(mut self, source: AddressSource) -> Self {
        self.addresses = Some(source);
        self
    }

    /// Looks at the head alone: checks the client's secret and the type of the body.
    ///
    /// # Errors
    /// In this order: [`TokenRefusalKind::MethodNotAllowed`], [`TokenRefusalKind::TooManyFailures`],
    /// [`TokenRefusalKind::InvalidClient`], [`TokenRefusalKind::InvalidRequest`], [`TokenRefusalKind::TooLarge`].
    pub fn begin(
        &self,
        policy: &Authenticity,
        head: &dyn RequestHead,
        clock: &dyn Clock,
    ) -> Result<TokenRequest, TokenRefusal> {
        if head.method() != "POST" {
            return Err(TokenRefusal::new(TokenRefusalKind::MethodNotAllowed, ""));
        }
        let (caller, elapsed) = (self.caller(head), clock.elapsed());
        if caller.can_be_shut_out() {
            self.may_fail(caller, elapsed)?;
        }
        let authorization = match head.header("authorization") {
            Field::One(value) => value,
            // Nothing was tried, so nothing is counted.
            Field::Missing => return Err(no_client()),
            Field::Many => return Err(invalid_client()),
        };
        let Some(token) = issue(policy, authorization, clock) else {
            self.may_fail(caller, elapsed)?;
            self.failures.count(caller, elapsed);
            return Err(invalid_client());
        };
        if !is_form(head) {
            return Err(invalid("the body must be application/x-www-form-urlencoded"));
        }
        BodyLimit::new(Self::BODY_CAP, Duration::MAX).check_announced(head)?;
        Ok(TokenRequest { token, body: Vec::new() })
    }

    fn caller(&self, head: &dyn RequestHead) -> Caller {
        match &self.addresses {
            None => Caller::Unknown,
            Some(source) => source.find(head).map_or(Caller::Hidden, Caller::at),
        }
    }

    fn may_fail(&self, caller: Caller, elapsed: Duration) -> Result<(), TokenRefusal> {
        self.failures.wait(caller, elapsed).map_or(Ok(()), |wait| Err(TokenRefusal::too_many_failures(wait)))
    }
}

/// A request of a client of ours, whose body is on its way.
pub struct TokenRequest {
    token: IssuedToken,
    body: Vec<u8>,
}

impl TokenRequest {
    /// Takes the next chunk of the body.
    ///
    /// # Errors
    /// [`TokenRefusalKind::TooLarge`]. Nothing more need be read then.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), TokenRefusal> {
        if chunk.len() > TokenEndpoint::BODY_CAP.saturating_sub(self.body.len()) {
            return Err(BodyError::TooLarge.into());
        }
        self.body.extend_from_slice(chunk);
        Ok(())
    }

    /// Reads `body` to its end and answers: [`push`](Self::push) of each chunk, then [`finish`](Self::finish).
    ///
    /// # Errors
    /// Those of both, [`TokenRefusalKind::TooSlow`] at the deadline, and [`TokenRefusalKind::InvalidRequest`] when the
    /// body breaks off.
    pub async fn read<B, C, E>(mut self, deadline: Duration, body: B) -> Result<Reply, TokenRefusal>
    where
        B: Stream<Item = Result<C, E>>,
        C: AsRef<[u8]>,
    {
        let limit = BodyLimit::new(TokenEndpoint::BODY_CAP, deadline);
        limit.each(body, |chunk: C| self.push(chunk.as_ref())).await?;
        self.finish()
    }

    /// The token, as RFC 6749, section 5.1, has it.
    ///
    /// # Errors
    /// [`TokenRefusalKind::InvalidRequest`], [`TokenRefusalKind::UnsupportedGrantType`],
    /// [`TokenRefusalKind::InvalidScope`].
    pub fn finish(self) -> Result<Reply, TokenRefusal> {
        let form = Form::read(&self.body)?;
        match form.grant_type.as_deref() {
            Some("client_credentials") => {}
            Some(_) => {
                let detail = "only client_credentials is granted";
                return Err(TokenRefusal::new(TokenRefusalKind::UnsupportedGrantType, detail));
            }
            None => return Err(invalid("grant_type is missing")),
        }
        if form.scope.is_some() {
            return Err(TokenRefusal::new(TokenRefusalKind::InvalidScope, "there are no scopes"));
        }
        #[derive(Serialize)]
        struct Body<'a> {
            access_token: &'a str,
            token_type: &'static str,
            expires_in: u64,
        }
        let IssuedToken { access_token, expires_in } = &self.token;
        let body = Body { access_token, token_type: "Bearer", expires_in: *expires_in };
        // Strings and a number: serialising can't fail.
        Ok(uncached(200, serde_json::to_string(&body).unwrap_or_default()))
    }
}

/// Nothing of what was sent, nothing of what is issued.
impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("received", &self.body.len()).finish_non_exhaustive()
    }
}

/// The parameters we know. Others are ignored, as the RFC asks for; one without a value counts as left out.
#[derive(Default)]
struct Form {
    grant_type: Option<String>,
    scope: Option<String>,
}

impl Form {
    fn read(body: &[u8]) -> Result<Self, TokenRefusal> {
        let mut form = Self::default();
        let mut names = std::collections::HashSet::new();
        for (name, value) in form_urlencoded::parse(body) {
            let value = (!value.is_empty()).then(|| value.into_owned());
            match &*name {
                "grant_type" => form.grant_type = value,
                "scope" => form.scope = value,
                "client_secret" | "client_assertion" => return Err(invalid("a client presents itself once")),
                _ => {}
            }
            if !names.insert(name) {
                return Err(invalid("a parameter is given twice"));
            }
        }
        Ok(form)
    }
}

/// Every client is tried in both readings, also after one that fits: which it was doesn't show in the time taken.
fn issue(policy: &Authenticity, authorization: &[u8], clock: &dyn Clock) -> Option<IssuedToken> {
    let presented = Presented::read(authorization)?;
    let (readings, now) = (presented.readings(), clock.now());
    let mut issued = None;
    for client in policy.clients() {
        for reading in &readings {
            let token = client.issue(&reading.id, &reading.secret, now);
            issued = issued.or(token);
        }
    }
    issued
}

fn is_form(head: &dyn RequestHead) -> bool {
    head.header("content-type").one().is_some_and(|value| {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    })
}

/// Many clients write their secret into the body unless they are set up otherwise, so the way is named.
fn no_client() -> TokenRefusal {
    TokenRefusal::new(TokenRefusalKind::InvalidClient, "send the client id and the secret with HTTP Basic")
}

fn invalid_client() -> TokenRefusal {
    TokenRefusal::new(TokenRefusalKind::InvalidClient, "no client of this server")
}

fn invalid(detail: &'static str) -> TokenRefusal {
    TokenRefusal::new(TokenRefusalKind::InvalidRequest, detail)
}
