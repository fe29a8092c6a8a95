use std::any::Any;
use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue};
use incode_core::http::Head;
use incode_core::webhook::{Authenticity, HmacScheme, Webhook};
use incode_core::{Clock, Secret, Subject, SystemClock};
use webhook_verify::{Provider, verify};

pub(crate) const CASES: [&str; 3] = [
    "webhook: incode, Standard Webhooks, verified and parsed",
    "webhook: svix, verified",
    "webhook: webhook-verify, Standard Webhooks, verified",
];

/// The spec's event, signed as Standard Webhooks has it.
struct Sent(HeaderMap);

pub(crate) fn repeat(way: &str, times: u32) {
    let body = br#"{"token":"ecyCI6MTY4Nzk2MzIyNiwiaWF0IjoxNjg3OTYyMzI2fQ.kaw-iQC7U3E3JB6NrxxcP7hp4Zs9123ABC","event":"verification.completed","object":"verification","id":"196c69e0-5566-4f51-9432-dde8e225aAbc3","timestamp":1688052828}"#;
    let svix = svix::webhooks::Webhook::new(WHSEC).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let signature = svix.sign("msg_1", now, body).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "app"),
        ("content-type", "application/json"),
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", &now.to_string()),
        ("webhook-signature", &signature),
        ("content-length", &body.len().to_string()),
    ] {
        headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    match way {
        "incode, Standard Webhooks, verified and parsed" => {
            let scheme = HmacScheme::standard_webhooks([Secret::from(WHSEC)]).unwrap();
            let webhook = Webhook::new(Authenticity::hmac(scheme));
            let head = Sent(headers);
            for _ in 0..times {
                let mut delivery = webhook.begin(black_box(&head), SystemClock.now()).unwrap();
                delivery.push(black_box(body)).unwrap();
                black_box(delivery.finish().unwrap());
            }
        }
        "svix, verified" => (0..times).for_each(|_| svix.verify(black_box(body), black_box(&headers)).unwrap()),
        "webhook-verify, Standard Webhooks, verified" => {
            let secret = webhook_verify::Secret::new(WHSEC);
            for _ in 0..times {
                let headers = black_box(&headers);
                verify(Provider::StandardWebhooks, headers, black_box(body), &secret, Default::default()).unwrap();
            }
        }
        other => panic!("no such way: {other}"),
    }
}

impl Head for Sent {
    fn method(&self) -> &str {
        "POST"
    }

    fn path(&self) -> &str {
        "/incode/webhook"
    }

    fn query(&self) -> Option<&str> {
        None
    }

    fn header_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.get_all(name).iter().for_each(|value| visit(value.as_bytes()));
    }

    fn subject(&self) -> Option<&Subject> {
        None
    }

    fn extensions(&self) -> &dyn Any {
        &()
    }
}

const WHSEC: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
