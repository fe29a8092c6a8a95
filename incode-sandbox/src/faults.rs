//! Faults on demand: a misbehaviour for the next calls, of one route or of all, of one token or of all.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A misbehaviour for the next `times` calls. It comes before any check of the call.
///
/// A call meets the oldest fault that fits it, and only that one. What holds until it is changed, such as a rate limit, is
/// a [`Behaviour`](crate::Behaviour).
///
/// ```
/// use std::time::Duration;
/// use incode_sandbox::{Fault, NewPerson, RetryAfter, Route, Sandbox};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::builder().start().await?;
/// let ana = sandbox.add_person(NewPerson::named("Ana Flores"));
/// let token = sandbox.issue_token(&ana.identity_id);
/// // The next three calls of userinfo are answered with 503, half a second late.
/// sandbox.add_fault(Fault::status(503).on(Route::Userinfo).times(3).after(Duration::from_millis(500)));
/// // The next call with this token is answered with 429; other tokens are served.
/// sandbox.add_fault(Fault::too_many_requests(RetryAfter::Date { seconds: 30 }).for_token(token));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use]
pub struct Fault {
    /// Which calls.
    #[serde(default)]
    pub route: Route,
    /// Only calls with this token. Never shown: neither in `Debug` nor in the JSON API.
    #[serde(default, skip_serializing)]
    pub token: Option<String>,
    /// Only calls with a live token of this person.
    #[serde(default)]
    pub identity_id: Option<String>,
    /// How many calls.
    #[serde(default = "once")]
    pub times: u32,
    /// Milliseconds to wait first, whatever the effect.
    #[serde(default)]
    pub delay_ms: u64,
    /// Whether to wait first for [`Sandbox::release_held`](crate::Sandbox::release_held), whatever the effect.
    #[serde(default)]
    pub held: bool,
    /// How many releases there had been when the fault was added.
    #[serde(skip)]
    pub(crate) releases_before: u64,
    /// What happens.
    #[serde(flatten)]
    pub effect: Effect,
}

impl Fault {
    /// One call of any route.
    pub fn new(effect: Effect) -> Self {
        Self {
            route: Route::Any,
            token: None,
            identity_id: None,
            times: 1,
            delay_ms: 0,
            held: false,
            releases_before: 0,
            effect,
        }
    }

    /// One call of any route, answered with `status` and the documented body.
    pub fn status(status: u16) -> Self {
        Self::new(Effect::Status { status, retry_after: None })
    }

    /// One call of any route, answered with 429 and the documented body.
    pub fn too_many_requests(retry_after: RetryAfter) -> Self {
        Self::new(Effect::TooManyRequests { retry_after })
    }

    /// One call of any route, answered as usual, but late.
    pub fn late(delay: Duration) -> Self {
        Self::new(Effect::Delay).after(delay)
    }

    /// Only calls of this route.
    pub fn on(mut self, route: Route) -> Self {
        self.route = route;
        self
    }

    /// Only calls with this token. Other tokens neither meet the fault nor use it up.
    pub fn for_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Only calls with a live token of this person.
    pub fn for_person(mut self, identity_id: impl Into<String>) -> Self {
        self.identity_id = Some(identity_id.into());
        self
    }

    /// This many calls.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Wait first.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Wait first until [`Sandbox::release_held`](crate::Sandbox::release_held).
    ///
    /// ```
    /// use incode_sandbox::{Effect, Fault, Route};
    /// // An answer that comes when the test says so.
    /// let late = Fault::new(Effect::Delay).on(Route::Userinfo).held();
    /// assert!(late.held);
    /// ```
    pub fn held(mut self) -> Self {
        self.held = true;
        self
    }

    fn fits(&self, call: &FaultScope<'_>) -> bool {
        let route = self.route == Route::Any || Some(self.route) == call.route;
        let token = self.token.is_none() || self.token.as_deref() == call.token;
        route && token && (self.identity_id.is_none() || self.identity_id.as_deref() == call.identity_id)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("route", &self.route)
            .field("for_one_token", &self.token.is_some())
            .field("identity_id", &self.identity_id)
            .field("times", &self.times)
            .field("delay_ms", &self.delay_ms)
            .field("held", &self.held)
            .field("effect", &self.effect)
            .finish()
    }
}

/// What decides which faults a call meets.
#[derive(Clone, Copy, Default)]
pub(crate) struct FaultScope<'a> {
    pub(crate) route: Option<Route>,
    pub(crate) token: Option<&'a str>,
    /// The person of the token, where the token is alive.
    pub(crate) identity_id: Option<&'a str>,
}

/// A route of the vendor API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Route {
    /// All of them.
    #[default]
    Any,
    /// `GET userinfo`.
    Userinfo,
    /// `GET verification/{id}`.
    Verification,
    /// `GET authentication/{id}`.
    Authentication,
    /// `POST authenticate`.
    Authenticate,
}

/// What a fault does.
///
/// In the JSON API (`POST /control/api/faults`) its fields stand beside those of the [`Fault`]:
///
/// ```json
/// {"route": "userinfo", "times": 3, "delayMs": 500, "kind": "status", "status": 503, "retryAfter": "2"}
/// {"token": "...", "kind": "too_many_requests", "retryAfter": {"kind": "seconds", "seconds": 7}}
/// {"identityId": "...", "kind": "status", "status": 403}
/// {"route": "verification", "kind": "trickle", "intervalMs": 10}
/// {"kind": "answer", "status": 200, "headers": {"content-type": "application/json"}, "body": "[]"}
/// {"kind": "huge", "bytes": 3000000}
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Effect {
    /// Nothing but the fault's own wait.
    Delay,
    /// A status with the documented error body.
    Status {
        /// The status, also inside the body.
        status: u16,
        /// Value of a `Retry-After` header, verbatim.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// 429 with the documented error body.
    TooManyRequests {
        /// The `Retry-After` header.
        #[serde(default)]
        retry_after: RetryAfter,
    },
    /// No answer, ever; the connection stays open.
    Stall,
    /// The connection is reset without an answer.
    Reset,
    /// The usual answer, one byte at a time.
    Trickle {
        /// Milliseconds between bytes.
        interval_ms: u64,
    },
    /// The usual answer cut in half, under the `Content-Length` of the whole.
    Truncated,
    /// A status, headers and a body, verbatim.
    Answer {
        /// The status.
        status: u16,
        /// Headers. One that is no valid header is left out.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body as text.
        #[serde(default)]
        body: String,
        /// Whether `body` is base64 of the bytes to send.
        #[serde(default)]
        base64: bool,
    },
    /// 200 with a page of HTML.
    Html,
    /// 200 with nothing.
    Empty,
    /// 302 to another place.
    Redirect {
        /// Value of `Location`.
        location: String,
    },
    /// 200 with JSON that goes on for this many bytes.
    Huge {
        /// How many.
        bytes: u64,
    },
}

impl Effect {
    /// Its `kind` in the JSON API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Status { .. } => "status",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Stall => "stall",
            Self::Reset => "reset",
            Self::Trickle { .. } => "trickle",
            Self::Truncated => "truncated",
            Self::Answer { .. } => "answer",
            Self::Html => "html",
            Self::Empty => "empty",
            Self::Redirect { .. } => "redirect",
            Self::Huge { .. } => "huge",
        }
    }
}

/// The `Retry-After` header of a 429.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryAfter {
    /// None.
    #[default]
    Absent,
    /// A number of seconds.
    Seconds {
        /// Seconds.
        seconds: u64,
    },
    /// An HTTP date, this many seconds from the sandbox's `Date`; negative is in the past.
    Date {
        /// Seconds.
        seconds: i64,
    },
    /// This text verbatim, such as `soon` or `-1`.
    Text {
        /// The value.
        text: String,
    },
}

/// The faults to come, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.0.push(fault);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn all(&self) -> Vec<Fault> {
        self.0.clone()
    }

    /// The oldest fault that fits the call; uses it up by one.
    pub(crate) fn take(&mut self, call: &FaultScope<'_>) -> Option<Fault> {
        let place = self.0.iter().position(|fault| fault.fits(call))?;
        let fault = self.0.get_mut(place)?;
        if fault.times > 1 {
            fault.times -= 1;
            return Some(fault.clone());
        }
        Some(self.0.remove(place))
    }
}

fn once() -> u32 {
    1
}
