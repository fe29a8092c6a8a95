use std::borrow::Cow;
use std::time::Duration;

use crate::http::{BodyError, Problem, Reply};

/// Why no token was issued. [`TokenRefusal::reply`] is the answer to the client; it repeats nothing of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRefusal {
    kind: TokenRefusalKind,
    detail: &'static str,
    wait: Duration,
}

/// Why no token was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenRefusalKind {
    /// Another method than POST.
    MethodNotAllowed,
    /// Too many failures: wait.
    TooManyFailures,
    /// No client is presented, or not one of ours.
    InvalidClient,
    /// The request is no token request.
    InvalidRequest,
    /// Another grant type than `client_credentials`.
    UnsupportedGrantType,
    /// A scope is asked for; there are none.
    InvalidScope,
    /// The body is longer than is accepted.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
}

impl TokenRefusal {
    pub(super) fn new(kind: TokenRefusalKind, detail: &'static str) -> Self {
        Self { kind, detail, wait: Duration::ZERO }
    }

    pub(super) fn too_many_failures(wait: Duration) -> Self {
        Self { kind: TokenRefusalKind::TooManyFailures, detail: "", wait }
    }

    /// For the code that reads the body: it did not arrive in time.
    pub fn too_slow() -> Self {
        Self::new(TokenRefusalKind::TooSlow, "the body did not arrive in time")
    }

    /// For the code that reads the body: the connection broke off.
    pub fn broken_off() -> Self {
        Self::new(TokenRefusalKind::InvalidRequest, "the body broke off")
    }

    /// Why, for programs.
    pub fn kind(&self) -> TokenRefusalKind {
        self.kind
    }

    /// What is wrong, in a sentence without anything of the request. May be empty.
    pub fn detail(&self) -> &'static str {
        self.detail
    }

    /// The name in metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self.kind {
            TokenRefusalKind::MethodNotAllowed => "method_not_allowed",
            TokenRefusalKind::TooManyFailures => "too_many_failures",
            TokenRefusalKind::InvalidClient => "invalid_client",
            TokenRefusalKind::UnsupportedGrantType => "unsupported_grant_type",
            TokenRefusalKind::InvalidScope => "invalid_scope",
            TokenRefusalKind::InvalidRequest | TokenRefusalKind::TooLarge | TokenRefusalKind::TooSlow => {
                "invalid_request"
            }
        }
    }

    /// The answer to the client: an error of RFC 6749, section 5.2, where that has one, problem+json otherwise.
    pub fn reply(&self) -> Reply {
        let status = match self.kind {
            TokenRefusalKind::MethodNotAllowed => {
                return Problem::new(
                    405,
                    "method_not_allowed",
                    "Method not allowed",
                    "Tokens are asked for with POST.",
                )
                .header("allow", "POST")
                .reply();
            }
            TokenRefusalKind::TooManyFailures => {
                let detail = "Too many requests were not those of a client. Wait before the next.";
                return Problem::new(429, "token_refused", "Too many failures", detail).retry_after(self.wait).reply();
            }
            TokenRefusalKind::InvalidClient => 401,
            TokenRefusalKind::TooLarge => 413,
            TokenRefusalKind::TooSlow => 408,
            TokenRefusalKind::InvalidRequest
            | TokenRefusalKind::UnsupportedGrantType
            | TokenRefusalKind::InvalidScope => 400,
        };
        let body = format!(r#"{{"error":"{}","error_description":"{}"}}"#, self.as_str(), self.detail);
        let reply = uncached(status, body);
        if self.kind == TokenRefusalKind::InvalidClient {
            // `charset` asks clients to send UTF-8 (RFC 7617, section 2.1).
            reply.header("www-authenticate", r#"Basic realm="incode", charset="UTF-8""#)
        } else {
            reply
        }
    }
}

impl From<BodyError> for TokenRefusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::new(TokenRefusalKind::TooLarge, "the body is longer than is accepted"),
            BodyError::TooSlow => Self::too_slow(),
            BodyError::Broken => Self::broken_off(),
        }
    }
}

/// JSON that no cache keeps, in the two ways that RFC 6749, section 5.1, asks for.
pub(super) fn uncached(status: u16, json: String) -> Reply {
    Reply::new(status)
        .body("application/json", json)
        .header("cache-control", Cow::Borrowed("no-store"))
        .header("pragma", "no-cache")
}
