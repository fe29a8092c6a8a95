//! The log of webhooks: event, target, answers. It shows no token and no body.

use std::collections::BTreeMap;

use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::errors::NotFound;

/// The two kinds of event (spec: Webhook Notifications). The kind decides which URL an event goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// `verification.completed`.
    Verification,
    /// `authentication.completed`.
    Authentication,
}

impl EventKind {
    /// The value of `object`.
    pub(crate) fn object(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Authentication => "authentication",
        }
    }

    /// The value of `event`.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Verification => "verification.completed",
            Self::Authentication => "authentication.completed",
        }
    }

    /// The kind of any JSON: an authentication where its `event` begins so, otherwise a verification.
    pub(crate) fn of(body: &Value) -> Self {
        match body.get("event").and_then(Value::as_str) {
            Some(event) if event.starts_with("authentication") => Self::Authentication,
            _ => Self::Verification,
        }
    }
}

/// One webhook and its tries.
///
/// As JSON (`GET /control/api/deliveries`), one that was refused once and then accepted:
///
/// ```json
/// {
///   "number": 1, "kind": "verification", "event": "verification.completed",
///   "objectId": "64bb17ff915ccccb85bb45b7", "url": "http://127.0.0.1:3000/incode/webhook",
///   "state": "accepted", "nextAt": null, "resendOf": null,
///   "attempts": [{"at": 1688052828000, "status": 503, "failure": null},
///                {"at": 1688052858000, "status": 204, "failure": null}]
/// }
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Delivery {
    /// Counts from 1.
    pub number: u64,
    /// Decides which URL it goes to.
    pub kind: EventKind,
    /// The body's `event`, when it has one.
    pub event: String,
    /// The body's `id`, when it has one.
    pub object_id: String,
    /// Where it was last sent.
    pub url: Option<String>,
    /// Its state.
    pub state: DeliveryState,
    /// Every try, oldest first.
    pub attempts: Vec<Attempt>,
    /// When it is tried again, milliseconds since the epoch.
    pub next_at: Option<i64>,
    /// The delivery this one repeats.
    pub resend_of: Option<u64>,
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeliveryState {
    /// Waits for its first try until the test releases it.
    Held,
    /// In its first try, or waiting for the next one.
    Pending,
    /// Answered 204, or 200 with `application/json`.
    Accepted,
    /// No try was accepted, and the schedule has ended.
    GivenUp,
    /// No URL is set for its kind.
    NoTarget,
}

/// One try.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Attempt {
    /// When it was answered or failed, milliseconds since the epoch.
    pub at: i64,
    /// The status answered.
    pub status: Option<u16>,
    /// Why there is none: `timeout`, `connect`, `transport`, `oauth`.
    pub failure: Option<&'static str>,
}

/// All deliveries by number.
#[derive(Default)]
pub(crate) struct DeliveryLog {
    rows: BTreeMap<u64, DeliveryRecord>,
    last: u64,
    /// Whether new deliveries are held. Beside the rows, so that a release misses none that is added meanwhile.
    holding: bool,
}

/// A delivery, and the bytes that it sends.
struct DeliveryRecord {
    delivery: Delivery,
    body: Bytes,
}

impl DeliveryLog {
    /// Adds a delivery; gives its number. It is held while the hold lasts.
    pub(crate) fn add(&mut self, kind: EventKind, body: Bytes, resend_of: Option<u64>) -> u64 {
        self.last += 1;
        if self.rows.len() >= KEPT {
            self.rows.pop_first();
        }
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let delivery = Delivery {
            number: self.last,
            kind,
            event: text("event"),
            object_id: text("id"),
            url: None,
            state: if self.holding { DeliveryState::Held } else { DeliveryState::Pending },
            attempts: Vec::new(),
            next_at: None,
            resend_of,
        };
        self.rows.insert(self.last, DeliveryRecord { delivery, body });
        self.last
    }

    /// From now on every new delivery is held.
    pub(crate) fn hold(&mut self) {
        self.holding = true;
    }

    /// Ends the hold, and lets go every held delivery.
    pub(crate) fn release_all(&mut self) {
        self.holding = false;
        for row in self.rows.values_mut().filter(|row| row.delivery.state == DeliveryState::Held) {
            row.delivery.state = DeliveryState::Pending;
        }
    }

    /// `Err` where there is no such delivery, or it is not held.
    pub(crate) fn release(&mut self, number: u64) -> Result<(), NotFound> {
        let row = self.rows.get_mut(&number).filter(|row| row.delivery.state == DeliveryState::Held).ok_or(NotFound)?;
        row.delivery.state = DeliveryState::Pending;
        Ok(())
    }

    /// Replaces the body, as a retry sends another one.
    pub(crate) fn set_body(&mut self, number: u64, body: Bytes) {
        if let Some(row) = self.rows.get_mut(&number) {
            row.body = body;
        }
    }

    /// Changes a delivery. One that is forgotten is ignored.
    pub(crate) fn update(&mut self, number: u64, change: impl FnOnce(&mut Delivery)) {
        if let Some(row) = self.rows.get_mut(&number) {
            change(&mut row.delivery);
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<Delivery> {
        self.rows.get(&number).map(|row| row.delivery.clone())
    }

    /// The bytes of a delivery, its token included: for the sender and the test, never for a page.
    pub(crate) fn body(&self, number: u64) -> Option<Bytes> {
        self.rows.get(&number).map(|row| row.body.clone())
    }

    pub(crate) fn all(&self) -> Vec<Delivery> {
        self.rows.values().map(|row| row.delivery.clone()).collect()
    }

    /// The latest `count` deliveries, newest first.
    pub(crate) fn latest(&self, count: usize) -> Vec<Delivery> {
        self.rows.values().rev().take(count).map(|row| row.delivery.clone()).collect()
    }
}

// More than a soak sends in an hour. The oldest go first, so that a long run does not fill the memory.
const KEPT: usize = 200_000;
