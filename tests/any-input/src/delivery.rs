use std::sync::LazyLock;

use incode_core::model::EventKind;
use incode_core::webhook::{Authenticity, Event, Rejection, RejectionKind, Webhook};
use incode_core::{ObjectId, Timestamp};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::head::Written;
use crate::input::chunks;
use crate::unique::Unique;

/// A body of a delivery: how it is cut into chunks changes nothing, the cap holds to the byte, and what our strict reader
/// takes, a plain reader of JSON takes too and finds the same in it.
pub fn delivery(body: &[u8]) {
    let outcome = receive(&WEBHOOK, &[body]);
    for most in [1, 16, 4096] {
        if most > 1 || body.len() <= 4096 {
            assert_eq!(outcome, receive(&WEBHOOK, &chunks(body, most)), "cut into chunks of up to {most}");
        }
    }
    let exact = WEBHOOK.clone().with_body_cap(body.len());
    if body.len() <= Webhook::BODY_CAP {
        assert_eq!(outcome, receive(&exact, &chunks(body, 512)), "at the cap");
    } else {
        assert_eq!(outcome, Err(RejectionKind::TooLarge));
    }
    if !body.is_empty() {
        let short = WEBHOOK.clone().with_body_cap(body.len() - 1);
        assert_eq!(receive(&short, &chunks(body, 512)), Err(RejectionKind::TooLarge), "one over the cap");
    }
    if let Ok(read) = &outcome {
        serde_json::from_slice::<IgnoredAny>(body).expect("what is no JSON was taken for an event");
        // A lone surrogate or a number beyond all floats is JSON, and no value can hold it. It may stand in a field that
        // is not read.
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
        serde_json::from_slice::<Unique>(body).expect("a key was given twice");
        agree(read, &value);
        // Writing it anew settles spelling, blanks and the order of keys; the event stays.
        let again = serde_json::to_vec(&value).unwrap();
        if again.len() <= Webhook::BODY_CAP {
            let again = receive(&WEBHOOK, &[&again]).expect("the same in other words was refused");
            assert_eq!(Read { time: None, ..again }, Read { time: None, ..read.clone() });
        }
        for only in [EventKind::Verification, EventKind::Authentication] {
            let fits = read.kind == only || read.kind.object().is_none();
            let expected = if fits { Ok(read.clone()) } else { Err(RejectionKind::WrongKind) };
            assert_eq!(receive(&WEBHOOK.clone().only(only), &[body]), expected);
        }
    }
}

/// An event, to be compared.
#[derive(Clone, Debug, PartialEq)]
struct Read {
    kind: EventKind,
    id: Option<ObjectId>,
    token: Option<String>,
    correlation_id: Option<String>,
    time: Option<Timestamp>,
    mismatched: bool,
}

fn receive(webhook: &Webhook, chunks: &[&[u8]]) -> Result<Read, RejectionKind> {
    let whole = || -> Result<Event, Rejection> {
        let mut delivery = webhook.begin(&Written::new("POST", "/incode/webhook"), Timestamp::from_secs(0))?;
        for chunk in chunks {
            delivery.push(chunk)?;
        }
        Ok(delivery.finish()?.0)
    };
    let event = whole().map_err(|rejection| rejection.kind())?;
    Ok(Read {
        kind: event.kind,
        id: event.object_id,
        token: event.token.map(|token| token.expose().to_owned()),
        correlation_id: event.correlation_id,
        time: event.vendor_time,
        mismatched: event.mismatched,
    })
}

fn agree(read: &Read, value: &Value) {
    let one = |names: &[&str]| names.iter().find_map(|name| value.get(name)).cloned().unwrap_or_default();
    let name = one(&["event", "event_type", "eventType", "onboardingStatus"]);
    assert_eq!(name.as_str(), Some(read.kind.as_str()));
    if let Some(id) = &read.id {
        assert_eq!(value["id"], id.as_str());
    }
    if let Some(token) = &read.token {
        assert_eq!(value["token"], token.as_str());
    }
    if let Some(id) = &read.correlation_id {
        assert_eq!(one(&["correlation_id", "correlationId"]), id.as_str());
        assert!(id.len() <= Event::MAX_CORRELATION_ID && id.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    let Some(object) = read.kind.object() else {
        assert!(read.token.is_none() && !read.mismatched && read.kind.as_str().chars().count() <= Event::MAX_KIND);
        return;
    };
    assert!(read.id.is_some() && read.token.is_some(), "an event that can't be applied");
    let fits = value["object"].as_str().is_none_or(|named| named.eq_ignore_ascii_case(object));
    assert_eq!(read.mismatched, !fits);
    if let Some(number) = value["timestamp"].as_u64() {
        let millis = if number < 100_000_000_000 { number * 1000 } else { number };
        assert_eq!(read.time.map(Timestamp::as_millis), i64::try_from(millis).ok());
    }
}

static WEBHOOK: LazyLock<Webhook> = LazyLock::new(|| Webhook::new(Authenticity::fetch_back()));
