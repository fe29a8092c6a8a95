use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{Request, request};
use incode_core::webhook::{Authenticity, HmacScheme, Webhook};
use incode_core::{Clock, Secret, SystemClock};
use incode_tower::HttpHead;
use webhook_verify::{Provider, verify};

use crate::events;

pub(crate) const CASES: [&str; 3] = [
    "webhook: incode, Standard Webhooks, verified and parsed",
    "webhook: svix, verified",
    "webhook: webhook-verify, Standard Webhooks, verified",
];

pub(crate) fn repeat(way: &str, times: u32) {
    let body = &events::body(7);
    let head = signed(body);
    match way {
        "incode, Standard Webhooks, verified and parsed" => {
            let scheme = HmacScheme::standard_webhooks([Secret::from(WHSEC)]).unwrap();
            let webhook = Webhook::new(Authenticity::hmac(scheme));
            for _ in 0..times {
                let delivery = webhook.begin(&HttpHead::from(black_box(&head)), SystemClock.now()).unwrap();
                black_box(delivery.finish_with(black_box(body)).unwrap());
            }
        }
        "svix, verified" => {
            let svix = svix::webhooks::Webhook::new(WHSEC).unwrap();
            (0..times).for_each(|_| svix.verify(black_box(body), black_box(&head.headers)).unwrap());
        }
        "webhook-verify, Standard Webhooks, verified" => {
            let secret = webhook_verify::Secret::new(WHSEC);
            for _ in 0..times {
                let headers = black_box(&head.headers);
                verify(Provider::StandardWebhooks, headers, black_box(body), &secret, Default::default()).unwrap();
            }
        }
        other => panic!("no such way: {other}"),
    }
}

/// The head of a delivery as Standard Webhooks has it.
pub(crate) fn signed(body: &[u8]) -> request::Parts {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let signature = svix::webhooks::Webhook::new(WHSEC).unwrap().sign("msg_1", now, body).unwrap();
    let request = Request::post("/incode/webhook")
        .header("host", "app")
        .header("content-type", "application/json")
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", now)
        .header("webhook-signature", signature)
        .header("content-length", body.len());
    request.body(()).unwrap().into_parts().0
}

pub(crate) const WHSEC: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
