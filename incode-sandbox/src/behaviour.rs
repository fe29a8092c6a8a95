//! Lasting settings of how the vendor behaves where its document is silent. A [`Fault`](crate::Fault) is for the next
//! calls; a [`Behaviour`] holds until it is changed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::faults::Route;

/// How the sandbox behaves where the vendor's document is silent.
///
/// Change it with [`Sandbox::change_behaviour`](crate::Sandbox::change_behaviour) or `PATCH /control/api/behaviour`.
/// The default is the kindest reading of the document. A change counts for what is made or answered from then on.
///
/// ```
/// use incode_sandbox::{FieldOverride, OthersObjects, Sandbox};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::builder().start().await?;
/// sandbox.change_behaviour(|behaviour| {
///     behaviour.others_objects = OthersObjects::Answered;
///     behaviour.verification_created_at = FieldOverride::value("2019-01-01T00:00:00Z");
/// });
/// assert_eq!(sandbox.behaviour().others_objects, OthersObjects::Answered);
/// # Ok(())
/// # }
/// ```
///
/// As JSON, with every field at its default:
///
/// ```json
/// {
///   "verificationCreatedAt": {"kind": "usual"}, "authenticationCreatedAt": {"kind": "usual"},
///   "identityId": {"kind": "usual"}, "othersObjects": "not_found", "tokenClaims": {},
///   "webhookToken": "own", "retryToken": "same", "echoCorrelationId": false, "returnAfterEvent": false,
///   "rateLimits": [], "latencyMs": 0, "date": {"kind": "clock"}
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Behaviour {
    /// `createdAt` of verifications made from now on.
    pub verification_created_at: FieldOverride,
    /// `createdAt` of authentications made from now on.
    pub authentication_created_at: FieldOverride,
    /// `identityId` in every userinfo answer, such as `"undefined"`, `"null"`, `"0"` or `""`.
    pub identity_id: FieldOverride,
    /// The answer to a token that asks for the verification or authentication of another person.
    pub others_objects: OthersObjects,
    /// Claims added to every token issued from now on, such as `aud`. A null removes a usual claim (`jti`, `exp`, `iat`).
    /// Only the text of the token changes: how long it lives does not.
    pub token_claims: Map<String, Value>,
    /// Which token an event carries when a browser or caller got a token for the same check.
    pub webhook_token: WebhookToken,
    /// Which token a retry of a refused delivery carries.
    pub retry_token: RetryToken,
    /// Whether an event of the hosted flow repeats the flow's `correlation_id`, as sibling products do.
    pub echo_correlation_id: bool,
    /// Whether the hosted flow sends the browser back only after the first try of its event was answered or failed.
    /// Otherwise the event and the browser race. An event that is held keeps the browser waiting.
    pub return_after_event: bool,
    /// Limits on calls. A call must fit into each limit of its route; otherwise it gets 429 with `Retry-After`.
    pub rate_limits: Vec<RateLimit>,
    /// Milliseconds to wait before each answer of the API, refusals included.
    pub latency_ms: u64,
    /// The `Date` header of every answer.
    pub date: DateHeader,
}

/// What the sandbox serves in place of a field's usual value.
///
/// ```
/// use incode_sandbox::FieldOverride;
///
/// let text = FieldOverride::value("2019-01-01T00:00:00Z");
/// let micros = FieldOverride::value(1_546_300_800_000_000_i64);
/// let null = FieldOverride::value(serde_json::Value::Null);
/// assert!(text != micros && null != FieldOverride::Absent);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FieldOverride {
    /// The usual value.
    #[default]
    Usual,
    /// The field is left out.
    Absent,
    /// This JSON verbatim; `null` is a value too.
    Value {
        /// Any JSON.
        value: Value,
    },
}

impl FieldOverride {
    /// This JSON verbatim.
    pub fn value(value: impl Into<Value>) -> Self {
        Self::Value { value: value.into() }
    }

    /// Writes the field `key` of `object`; `usual` is its usual value.
    pub(crate) fn write(&self, object: &mut Map<String, Value>, key: &str, usual: Value) {
        let value = match self {
            Self::Usual => usual,
            Self::Absent => {
                object.remove(key);
                return;
            }
            Self::Value { value } => value.clone(),
        };
        object.insert(key.to_owned(), value);
    }
}

/// The answer to a token that asks for another person's object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OthersObjects {
    /// 404, as if the object did not exist.
    #[default]
    NotFound,
    /// 403.
    Forbidden,
    /// 200 with the object: any live token reads every object.
    Answered,
}

/// Which token an event carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WebhookToken {
    /// A token of its own.
    #[default]
    Own,
    /// The token that the browser or the caller of the API got for the same check.
    SameAsBrowser,
}

/// Which token a retry carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryToken {
    /// The same token and `timestamp`: every try has the same body.
    #[default]
    Same,
    /// A fresh token and `timestamp` for each try.
    Fresh,
}

/// A token bucket: `burst` calls at once, then `per_second` calls in a second.
///
/// Moving the sandbox's clock ahead fills the buckets, so that a test need not wait.
///
/// ```
/// use incode_sandbox::{RateLimit, Route, Sandbox};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::builder().start().await?;
/// // What is known of the vendor: faces once a second, other calls a hundred times.
/// sandbox.change_behaviour(|behaviour| {
///     behaviour.rate_limits = vec![RateLimit::new(1.0, 5).on(Route::Authenticate), RateLimit::new(100.0, 100)];
///     behaviour.latency_ms = 30;
/// });
/// assert_eq!(sandbox.behaviour().rate_limits.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[must_use]
pub struct RateLimit {
    /// Which calls.
    #[serde(default)]
    pub route: Route,
    /// Calls in a second. At zero the bucket never fills again, and 429 has no `Retry-After`.
    pub per_second: f64,
    /// Calls at once; at least one.
    pub burst: u32,
    /// Whether each token has a bucket of its own.
    #[serde(default)]
    pub per_token: bool,
}

impl RateLimit {
    /// One bucket for all calls of all routes.
    pub fn new(per_second: f64, burst: u32) -> Self {
        Self { route: Route::Any, per_second, burst, per_token: false }
    }

    /// Only calls of this route.
    pub fn on(mut self, route: Route) -> Self {
        self.route = route;
        self
    }

    /// Gives each token a bucket of its own.
    pub fn per_token(mut self) -> Self {
        self.per_token = true;
        self
    }
}

/// The `Date` header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DateHeader {
    /// The sandbox's clock, which also gives `createdAt` and `iat`.
    #[default]
    Clock,
    /// The sandbox's clock and this many seconds; negative is behind it.
    Offset {
        /// Seconds.
        seconds: i64,
    },
    /// No `Date` header.
    Absent,
    /// This text verbatim. A text that is no header value leaves the header out.
    Text {
        /// The value.
        text: String,
    },
}
