use super::Sent;
use crate::cross_site::check;

const ORIGIN: &str = "https://admin.example:8443";

#[test]
fn a_browser_says_that_another_site_sends() {
    let check = |headers: &[(&'static str, &'static str)]| {
        check(&Sent { headers: headers.to_vec(), ..Sent::default() }).is_ok()
    };
    let host = ("host", "admin.example:8443");
    for own in [
        vec![],
        vec![host],
        vec![("sec-fetch-site", "same-origin"), ("origin", "null")],
        vec![("sec-fetch-site", "none")],
        vec![host, ("origin", "https://admin.example:8443")],
        vec![host, ("origin", "http://Admin.Example:8443")],
    ] {
        assert!(check(&own), "{own:?}");
    }
    for other in [
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site"), host, ("origin", "https://admin.example:8443")],
        vec![("sec-fetch-site", "")],
        vec![("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
        vec![host, ("origin", "null")],
        vec![host, ("origin", "")],
        vec![host, ("origin", "https://admin.example")],
        vec![host, ("origin", "https://admin.example:8443.elsewhere.example")],
        vec![host, ("origin", "admin.example:8443")],
        vec![host, ("origin", "https://admin.example:8443"), ("origin", "https://elsewhere.example")],
        vec![("origin", "https://admin.example:8443")],
        vec![host, host, ("origin", "https://admin.example:8443")],
    ] {
        assert!(!check(&other), "{other:?}");
    }
}

#[test]
fn over_http_2_the_authority_stands_in_for_the_host() {
    let (host, other) = ("admin.example:8443", "elsewhere.example");
    let sent = |origin, hosts: &[&'static str], authority| {
        let hosts = hosts.iter().map(|host| ("host", *host));
        check(&Sent { headers: hosts.chain([("origin", origin)]).collect(), authority, ..Sent::default() })
    };
    assert!(sent(ORIGIN, &[], Some(host)).is_ok());
    assert!(sent(ORIGIN, &[host], Some("Admin.Example:8443")).is_ok());
    for (origin, hosts, authority, why) in [
        (ORIGIN, &[][..], None, "neither host nor authority"),
        ("https://elsewhere.example", &[], Some(host), "another site"),
        ("null", &[], Some(host), "an opaque origin"),
        (ORIGIN, &[other], Some(host), "host and authority differ"),
        ("https://elsewhere.example", &[other], Some(host), "they differ"),
        (ORIGIN, &[host, "x"], Some(host), "two hosts"),
    ] {
        assert!(sent(origin, hosts, authority).is_err(), "{why}");
    }
}
