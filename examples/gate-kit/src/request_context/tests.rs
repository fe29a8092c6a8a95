use super::RequestContext;

fn request(headers: &'static [(&'static str, &'static str)]) -> RequestContext {
    RequestContext::new("POST", "/login", None, |name| {
        headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_bytes())
    })
}

#[test]
fn a_form_of_another_site_is_not_from_here() {
    let here = |headers| request(headers).is_from_here("https://gate.example");
    assert!(here(&[]));
    assert!(here(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
    assert!(here(&[("origin", "https://gate.example")]));
    assert!(here(&[("origin", "http://127.0.0.1:3000"), ("host", "127.0.0.1:3000")]));
    assert!(!here(&[("sec-fetch-site", "cross-site")]));
    assert!(!here(&[("sec-fetch-site", "same-site"), ("origin", "https://gate.example")]));
    assert!(!here(&[("origin", "https://evil.example"), ("host", "gate.example")]));
    assert!(!here(&[("origin", "null"), ("host", "gate.example")]));
}

#[test]
fn a_browser_is_known_by_what_it_accepts() {
    assert!(request(&[("accept", "application/xhtml+xml, Text/HTML;q=0.9")]).html);
    assert!(!request(&[("accept", "*/*")]).html);
    assert!(!request(&[]).html);
}

#[test]
fn another_name_of_this_machine_leads_to_the_public_one() {
    let leads = |host: &'static str, public: &str| {
        let header = |name: &str| (name == "host").then_some(host.as_bytes());
        RequestContext::new("GET", "/verify", Some("return_to=/vault"), header).public_address(public)
    };
    for (host, public) in [
        ("localhost:3000", "http://127.0.0.1:3000"),
        ("127.0.0.1:3000", "http://localhost:3000"),
        ("[::1]:3000", "http://localhost:3000"),
        ("LOCALHOST:3000", "http://127.0.0.1:3000"),
        ("localhost", "http://127.0.0.1"),
    ] {
        assert_eq!(leads(host, public), Some(format!("{public}/verify?return_to=/vault")), "{host}");
    }
    for (host, public, why) in [
        ("127.0.0.1:3000", "http://127.0.0.1:3000", "the same"),
        ("localhost:3000", "http://127.0.0.1:8080", "a proxy has the other port"),
        ("localhost:3000", "https://app.example.com", "a proxy"),
        ("evil.example:3000", "http://127.0.0.1:3000", "no name of this machine"),
        ("localhost:3000/x", "http://127.0.0.1", "another port"),
        ("", "http://127.0.0.1:3000", "no host"),
    ] {
        assert_eq!(leads(host, public), None, "{why}");
    }
}

#[test]
fn every_cookie_header_counts() {
    let context = request(&[("cookie", "a=b")]).with_cookies([b"a=b".as_slice(), b"session=x"].into_iter());
    assert_eq!(context.cookie.as_deref(), Some("a=b; session=x"));
}
