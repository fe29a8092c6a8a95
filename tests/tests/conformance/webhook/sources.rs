//! Where deliveries may come from, and who may say so.

use std::net::{IpAddr, Ipv4Addr};

use incode_core::webhook::{AddressSource, Authenticity};
use incode_tests::{ACKNOWLEDGED, Adapter, Call, HEADER, Plan, SECRET, World, post};

use crate::webhook::refusals::{UNAUTHENTIC, body, expected};

on_every_adapter! {
    the_peer_is_who_is_connected,
    what_proxies_say_is_counted_from_the_right,
    an_address_that_is_not_known_is_in_no_network,
}

const VENDOR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A header secret, from this network only.
fn from_network(network: &str) -> Authenticity {
    let header = Authenticity::header(HEADER, [SECRET.into()]).unwrap();
    Authenticity::all_of([header, Authenticity::addresses([network]).unwrap()]).unwrap()
}

async fn world(adapter: Adapter, network: &str, source: AddressSource) -> World {
    let policy = from_network(network);
    let plan = Plan::new(adapter).incode(|builder| builder.webhook_authenticity(policy).addresses(source));
    plan.start().await
}

fn delivery() -> Call {
    post("/incode/webhook").header(HEADER, SECRET)
}

async fn the_peer_is_who_is_connected(adapter: Adapter) {
    let world = world(adapter, "127.0.0.2", adapter.addresses()).await;
    let send =
        async |call: Call, from: Ipv4Addr| call.body(body()).send_from(IpAddr::V4(from), world.address).await.essence();
    assert_eq!(send(delivery(), VENDOR).await, ACKNOWLEDGED);
    assert_eq!(send(delivery(), OTHER).await, expected(UNAUTHENTIC));
    for name in ["x-forwarded-for", "x-real-ip", "x-client-ip", "cf-connecting-ip", "true-client-ip"] {
        assert_eq!(send(delivery().header(name, "127.0.0.2"), OTHER).await, expected(UNAUTHENTIC), "{name}");
    }
    let forwarded = delivery().header("forwarded", "for=127.0.0.2");
    assert_eq!(send(forwarded, OTHER).await, expected(UNAUTHENTIC));
    let bare = post("/incode/webhook");
    assert_eq!(send(bare, VENDOR).await, expected(UNAUTHENTIC), "the address alone is not enough here");

    // One that replaces the policy finds addresses in the same way.
    world.incode.replace_webhook_authenticity(from_network("127.0.0.3"));
    assert_eq!(send(delivery(), OTHER).await, ACKNOWLEDGED);
    assert_eq!(send(delivery(), VENDOR).await, expected(UNAUTHENTIC));
}

async fn what_proxies_say_is_counted_from_the_right(adapter: Adapter) {
    for (proxies, taken, refused) in [
        (
            1,
            &[
                &["192.0.2.7"][..],
                &["203.0.113.9, 192.0.2.7"],
                &["203.0.113.9", "192.0.2.7"],
                &["junk,192.0.2.7"],
                &["192.0.2.7:443"],
            ][..],
            &[
                &[][..],
                &[""],
                &["203.0.113.9"],
                &["192.0.2.7, 203.0.113.9"],
                &["192.0.2.7", "203.0.113.9"],
                &["192.0.2.7,"],
                &["192.0.2.7", ""],
                &["192.0.2.7:"],
                &["192.0.2.7:x"],
                &["203.0.113.9:443"],
                &["\"192.0.2.7\""],
                &["unknown"],
                &["192.0.2.7 203.0.113.9"],
                &["192.0.2.007"],
            ][..],
        ),
        (
            2,
            &[&["192.0.2.7, 10.0.0.1"][..], &["1.1.1.1, ::ffff:192.0.2.7 ,10.0.0.1"], &["192.0.2.7", "10.0.0.1"]][..],
            &[
                &["192.0.2.7"][..],
                &["192.0.2.7, 203.0.113.9, 10.0.0.1"],
                &["192.0.2.7, junk"],
                &["192.0.2.7,,10.0.0.1"],
            ][..],
        ),
    ] {
        let source = adapter.addresses().behind_proxies(proxies);
        let world = world(adapter, "192.0.2.0/24", source).await;
        let with =
            |values: &[&str]| values.iter().fold(delivery(), |call, value| call.header("x-forwarded-for", value));
        for values in taken {
            assert_eq!(world.send(with(values).body(body())).await.essence(), ACKNOWLEDGED, "{proxies} {values:?}");
        }
        for values in refused {
            let response = world.send(with(values).body(body())).await;
            assert_eq!(response.essence(), expected(UNAUTHENTIC), "{proxies} {values:?}");
        }
    }
}

async fn an_address_that_is_not_known_is_in_no_network(adapter: Adapter) {
    let nobody = AddressSource::from_fn(|_| None);
    let world = world(adapter, "127.0.0.0/8", nobody).await;
    assert_eq!(world.send(delivery().body(body())).await.essence(), expected(UNAUTHENTIC));
}
