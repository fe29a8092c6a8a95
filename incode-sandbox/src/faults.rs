//! Faults on demand: what the vendor does on a bad day, for the next calls of one route or of all.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A misbehaviour for the next `times` calls. It comes before any check of the call.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct Fault {
    /// Which calls.
    #[serde(default)]
    pub route: Route,
    /// How many calls.
    #[serde(default = "once")]
    pub times: u32,
    /// Milliseconds to wait first, whatever the effect.
    #[serde(default)]
    pub delay_ms: u64,
    /// What happens.
    #[serde(flatten)]
    pub effect: Effect,
}

impl Fault {
    /// One call of any route.
    pub fn new(effect: Effect) -> Self {
        Self { route: Route::Any, times: 1, delay_ms: 0, effect }
    }

    /// One call of any route answered with `status` and the documented body.
    pub fn status(status: u16) -> Self {
        Self::new(Effect::Status { status, retry_after: None })
    }

    /// One call of any route answered as usual, but late.
    pub fn late(delay: Duration) -> Self {
        Self::new(Effect::Delay).after(delay)
    }

    /// Only calls of this route.
    pub fn on(mut self, route: Route) -> Self {
        self.route = route;
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
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Effect {
    /// Nothing but the fault's `delay_ms`.
    Delay,
    /// A status with the documented error body.
    Status {
        /// The status, also inside the body.
        status: u16,
        /// Value of a `Retry-After` header, verbatim.
        #[serde(default)]
        retry_after: Option<String>,
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
        /// Headers; those that can't be sent are left out.
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
    /// The word that names it in the JSON API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Status { .. } => "status",
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

    /// The fault the next call of `route` meets; uses it up by one.
    pub(crate) fn take(&mut self, route: Option<Route>) -> Option<Fault> {
        let fits = |fault: &Fault| fault.route == Route::Any || Some(fault.route) == route;
        let place = self.0.iter().position(fits)?;
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
