//! Secrets that are replaced while deliveries come in.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use data_encoding::BASE64;
use incode_core::Secret;
use incode_core::testing::signer::{OAuthClient, Signer};
use incode_core::webhook::{AddressSource, Authenticity, ClientCredentials, HmacScheme};
use incode_tests::{
    ACKNOWLEDGED, Adapter, Auth, CLIENT_ID, Call, FLOW_SECRET, Plan, Wire, World, ask_for_token, eventually, post,
};
use serde_json::json;
use tokio::sync::RwLock;

use crate::webhook::refusals::{UNAUTHENTIC, expected};

on_every_adapter! {
    a_rotation_under_load_refuses_no_request,
    a_delivery_under_way_keeps_the_policy_it_began_with,
}

const OLD: &str = "the-secret-of-last-year-0123456789";
const NEW: &str = "the-secret-of-this-year-0123456789";
const SENDERS: usize = 6;

/// As this policy has secrets.
fn secret(auth: Auth, text: &str) -> Secret {
    match auth {
        Auth::StandardWebhooks => Secret::from(format!("whsec_{}", BASE64.encode(text.as_bytes())).as_str()),
        _ => Secret::from(text),
    }
}

fn policy(auth: Auth, secrets: &[&str]) -> Authenticity {
    let secrets = secrets.iter().map(|text| secret(auth, text));
    match auth {
        Auth::Header => Authenticity::header("x-incode-secret", secrets).unwrap(),
        Auth::Hmac => Authenticity::hmac(HmacScheme::incode_signature(secrets).unwrap()),
        Auth::StandardWebhooks => Authenticity::hmac(HmacScheme::standard_webhooks(secrets).unwrap()),
        Auth::OAuth => {
            let signing = [Secret::from(FLOW_SECRET)];
            Authenticity::oauth(ClientCredentials::new(CLIENT_ID, secrets, signing).unwrap())
        }
        Auth::FetchBack => Authenticity::fetch_back(),
    }
}

async fn signer(auth: Auth, world: &World, text: &str) -> Signer {
    match auth {
        Auth::Header => Signer::header("x-incode-secret", text.into()),
        Auth::Hmac => Signer::hmac("x-incode-signature", text.into()),
        Auth::StandardWebhooks => Signer::standard_webhooks(&secret(auth, text)),
        Auth::OAuth => {
            let answer = world.send(ask_for_token(CLIENT_ID, text)).await;
            Signer::bearer(&OAuthClient::token(&answer.body).unwrap_or_else(|| panic!("{answer:?}")))
        }
        Auth::FetchBack => panic!("has no secret"),
    }
}

/// One that is kept and needs no vendor.
fn delivery(signer: &Signer, number: u64) -> Call {
    let body = json!({"event": "unknown.kind", "id": format!("id-{number}")}).to_string();
    let headers = signer.headers(body.as_bytes());
    headers.iter().fold(post("/incode/webhook"), |call, (name, value)| call.header(name, value)).body(body)
}

async fn a_rotation_under_load_refuses_no_request(adapter: Adapter) {
    for auth in [Auth::Header, Auth::Hmac, Auth::StandardWebhooks, Auth::OAuth] {
        let before = policy(auth, &[OLD]);
        let world = Plan::new(adapter).incode(|builder| builder.webhook_authenticity(before)).start().await;
        let old = signer(auth, &world, OLD).await;
        // Senders hold it for reading while they deliver, so that who holds it for writing has none of them under way.
        let current = Arc::new(RwLock::new(old.clone()));
        let (sent, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let (current, sent, over, address) =
                    (Arc::clone(&current), Arc::clone(&sent), Arc::clone(&over), world.address);
                tokio::spawn(async move {
                    while !over.load(SeqCst) {
                        let signer = current.read().await;
                        let answer = delivery(&signer, sent.load(SeqCst)).send(address).await;
                        assert_eq!(answer.essence(), ACKNOWLEDGED, "{auth:?}");
                        sent.fetch_add(1, SeqCst);
                    }
                })
            })
            .collect();
        let some_more = async || {
            let enough = sent.load(SeqCst) + 20;
            while sent.load(SeqCst) < enough && !senders.iter().any(tokio::task::JoinHandle::is_finished) {
                tokio::task::yield_now().await;
            }
        };
        some_more().await;
        // Ours first, under load: both are taken.
        world.incode.replace_webhook_authenticity(policy(auth, &[NEW, OLD]));
        some_more().await;
        // Then the vendor changes over.
        let new = signer(auth, &world, NEW).await;
        *current.write().await = new.clone();
        some_more().await;
        // Then the old one goes, under load.
        world.incode.replace_webhook_authenticity(policy(auth, &[NEW]));
        some_more().await;
        over.store(true, SeqCst);
        for sender in senders {
            sender.await.unwrap();
        }
        assert!(sent.load(SeqCst) >= 80, "{auth:?}");
        assert_eq!(
            world.send(delivery(&old, 0)).await.essence(),
            expected(UNAUTHENTIC),
            "{auth:?}: the old one is out"
        );
        assert_eq!(world.send(delivery(&new, 0)).await.essence(), ACKNOWLEDGED, "{auth:?}");
    }
}

async fn a_delivery_under_way_keeps_the_policy_it_began_with(adapter: Adapter) {
    for auth in [Auth::Header, Auth::Hmac, Auth::StandardWebhooks, Auth::OAuth] {
        // Asked for last, when a head has passed all else.
        let begun = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&begun);
        let source = AddressSource::from_fn(move |_| {
            count.fetch_add(1, SeqCst);
            Some(Ipv4Addr::LOCALHOST.into())
        });
        let from_here = || Authenticity::addresses(["127.0.0.1"]).unwrap();
        let watched = |secrets: &[&str]| Authenticity::all_of([policy(auth, secrets), from_here()]).unwrap();
        let before = watched(&[OLD]).with_address_source(source);
        let world = Plan::new(adapter).incode(|builder| builder.webhook_authenticity(before)).start().await;
        let old = signer(auth, &world, OLD).await;
        let bytes = delivery(&old, 1).bytes();
        let mut wire = Wire::open(world.address).await;
        wire.write(&bytes[..bytes.len() - 5]).await;
        eventually("begun", async || begun.load(SeqCst) == 1).await;
        world.incode.replace_webhook_authenticity(policy(auth, &[NEW]));
        assert_eq!(world.send(delivery(&old, 2)).await.essence(), expected(UNAUTHENTIC), "{auth:?}: begun after");
        wire.write(&bytes[bytes.len() - 5..]).await;
        assert_eq!(wire.response(false).await.essence(), ACKNOWLEDGED, "{auth:?}");
    }
}
