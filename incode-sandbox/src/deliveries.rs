//! The ledger of webhooks sent: what, where to, what was answered. Never the token; bodies stay inside.

use std::collections::BTreeMap;

use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The two kinds of event one may subscribe to (spec: Webhook Notifications). Decides which URL an event goes to.
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

    /// The kind of arbitrary JSON: by how its `event` begins, a verification when in doubt.
    pub(crate) fn of(body: &Value) -> Self {
        match body.get("event").and_then(Value::as_str) {
            Some(event) if event.starts_with("authentication") => Self::Authentication,
            _ => Self::Verification,
        }
    }
}

/// One webhook and what became of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Delivery {
    /// Counts from 1.
    pub number: u64,
    /// Which URL it goes to.
    pub kind: EventKind,
    /// The body's `event`, when it has one.
    pub event: String,
    /// The body's `id`, when it has one.
    pub object_id: String,
    /// Where it was last sent.
    pub url: Option<String>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Every try, oldest first.
    pub attempts: Vec<Attempt>,
    /// When it is tried again, milliseconds since the epoch.
    pub next_at: Option<i64>,
    /// The delivery this one repeats.
    pub resend_of: Option<u64>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeliveryState {
    /// On its way, or waiting for its next try.
    Pending,
    /// Answered 204, or 200 with `application/json`.
    Accepted,
    /// The last try was not accepted either.
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

#[derive(Default)]
pub(crate) struct DedupeIndex {
    rows: BTreeMap<u64, Row>,
    last: u64,
}

struct Row {
    delivery: Delivery,
    body: Bytes,
}

impl DedupeIndex {
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
            state: DeliveryState::Pending,
            attempts: Vec::new(),
            next_at: None,
            resend_of,
        };
        self.rows.insert(self.last, Row { delivery, body });
        self.last
    }

    pub(crate) fn update(&mut self, number: u64, change: impl FnOnce(&mut Delivery)) {
        if let Some(row) = self.rows.get_mut(&number) {
            change(&mut row.delivery);
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<Delivery> {
        self.rows.get(&number).map(|row| row.delivery.clone())
    }

    pub(crate) fn body(&self, number: u64) -> Option<Bytes> {
        self.rows.get(&number).map(|row| row.body.clone())
    }

    pub(crate) fn all(&self) -> Vec<Delivery> {
        self.rows.values().map(|row| row.delivery.clone()).collect()
    }

    pub(crate) fn latest(&self, count: usize) -> Vec<Delivery> {
        self.rows.values().rev().take(count).map(|row| row.delivery.clone()).collect()
    }
}

const KEPT: usize = 200_000;
