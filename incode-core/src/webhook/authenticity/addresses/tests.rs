use super::*;
use crate::Timestamp;
use crate::webhook::fake_head::FakeHead;
use crate::webhook::{Authenticity, Trust};

fn passes(policy: &Authenticity, head: &FakeHead) -> bool {
    let check = policy.begin(head, Timestamp::from_secs(0));
    check.is_ok_and(|check| check.finish() == Ok(Trust::Address))
}

fn named() -> Authenticity {
    Authenticity::addresses(["192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "::ffff:203.0.113.0/120"]).unwrap()
}

#[test]
fn networks_hold_addresses_of_both_kinds() {
    let from = |peer: &str| passes(&named(), &FakeHead::post().from(peer));
    for inside in [
        "192.0.2.0",
        "192.0.2.255",
        "::ffff:192.0.2.9",
        "198.51.100.7",
        "2001:db8::1",
        "2001:db8:ffff::",
        "203.0.113.9",
    ] {
        assert!(from(inside), "{inside}");
    }
    for outside in
        ["192.0.3.0", "192.0.1.255", "198.51.100.8", "::ffff:192.0.3.0", "::192.0.2.9", "2001:db9::", "203.0.114.0"]
    {
        assert!(!from(outside), "{outside}");
    }
    assert!(!passes(&named(), &FakeHead::post()), "the peer is unknown");
    assert!(!passes(&named(), &FakeHead::post().from("10.0.0.1").with("x-forwarded-for", "192.0.2.1")));
}

#[test]
fn networks_are_written_exactly() {
    for bad in [
        "",
        " 192.0.2.0/24",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/+8",
        "192.0.2.0/",
        "192.0.2.0/255.255.255.0",
        "192.0.2.1/24",
        "0.0.0.0/0",
        "::/0",
        "::ffff:0.0.0.0/96",
        "192.0.2",
        "192.0.2.0/24,198.51.100.0/24",
        "300.0.0.0/8",
        "010.0.0.0/8",
        "2001:db8::1/32",
        "fe80::1%eth0",
        "example.com",
    ] {
        let error = Authenticity::addresses([bad]).map(|_| ()).expect_err(bad);
        assert_eq!(error.kind(), PolicyErrorKind::IllegalNetwork, "{bad}");
    }
    assert_eq!(Authenticity::addresses([]).unwrap_err().kind(), PolicyErrorKind::EmptyPolicy);
}

#[test]
fn proxies_are_counted_from_the_right() {
    let seen = |proxies: usize, values: &[&str]| {
        let head = FakeHead::post().from("10.0.0.1");
        let head = values.iter().fold(head, |head, value| head.with("x-forwarded-for", value));
        AddressSource::peer().behind_proxies(proxies).find(&head).map(|address| address.to_string())
    };
    assert_eq!(seen(0, &["192.0.2.1"]).as_deref(), Some("10.0.0.1"));
    assert_eq!(seen(1, &["192.0.2.1"]).as_deref(), Some("192.0.2.1"));
    assert_eq!(seen(1, &["192.0.2.1, 203.0.113.5"]).as_deref(), Some("203.0.113.5"), "the left was the client's own");
    assert_eq!(seen(2, &["9.9.9.9, 203.0.113.5, 10.0.0.2"]).as_deref(), Some("203.0.113.5"));
    assert_eq!(seen(2, &["9.9.9.9", "203.0.113.5 ,\t10.0.0.2"]).as_deref(), Some("203.0.113.5"));
    assert_eq!(seen(2, &["9.9.9.9, 203.0.113.5", "10.0.0.2"]).as_deref(), Some("203.0.113.5"), "one list");
    assert_eq!(seen(2, &["203.0.113.5", "9.9.9.9", "10.0.0.2"]).as_deref(), Some("9.9.9.9"));
    assert_eq!(seen(1, &["garbage, 2001:db8::9"]).as_deref(), Some("2001:db8::9"));
    assert_eq!(seen(1, &["::ffff:192.0.2.1"]).as_deref(), Some("192.0.2.1"));
    assert_eq!(seen(1, &["9.9.9.9, 192.0.2.1:443"]).as_deref(), Some("192.0.2.1"), "with its port");
    assert_eq!(seen(1, &["[2001:db8::1]:443"]).as_deref(), Some("2001:db8::1"));
    assert_eq!(seen(1, &["[::ffff:192.0.2.1]:443"]).as_deref(), Some("192.0.2.1"));
    assert_eq!(seen(2, &["203.0.113.5:1, 10.0.0.2:65535"]).as_deref(), Some("203.0.113.5"));
    for (proxies, values) in [
        (1, &[][..]),
        (1, &[""]),
        (1, &["192.0.2.1,"]),
        (1, &["192.0.2.1, unknown"]),
        (1, &["192.0.2.1:"]),
        (1, &["192.0.2.1:65536"]),
        (1, &["192.0.2.1:443:443"]),
        (1, &["[192.0.2.1]:443"]),
        (1, &["[2001:db8::1]"]),
        (1, &["[2001:db8::1]:"]),
        (1, &["\"192.0.2.1\""]),
        (1, &["192.0.2.1 192.0.2.2"]),
        (1, &["192.0.2.01"]),
        (1, &["for=192.0.2.1"]),
        (1, &["192.0.2.1", ""]),
        (1, &["ключ"]),
        (2, &["192.0.2.1"]),
        (2, &["192.0.2.1, , 10.0.0.2"]),
        (2, &["192.0.2.1, x"]),
        (usize::MAX, &["192.0.2.1, 192.0.2.2"]),
    ] {
        assert_eq!(seen(proxies, values), None, "{proxies} {values:?}");
    }
}

#[test]
fn a_source_reaches_every_part_and_says_what_its_function_says() {
    let inner = Authenticity::any_of([Authenticity::all_of([named(), Authenticity::fetch_back()]).unwrap()]).unwrap();
    let here = AddressSource::from_fn(|head| head.header("x-peer").one().map(|_| [192, 0, 2, 9].into()));
    let policy = inner.with_address_source(here);
    assert!(passes(&policy, &FakeHead::post().with("x-peer", "")));
    assert!(!passes(&policy, &FakeHead::post().from("192.0.2.9")));
}
