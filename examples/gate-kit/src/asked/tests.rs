use super::Asked;

fn asked(headers: &'static [(&'static str, &'static str)]) -> Asked {
    Asked::new("POST", "/login", None, |name| {
        headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_bytes())
    })
}

#[test]
fn a_form_of_another_site_is_not_from_here() {
    let here = |headers| asked(headers).is_from_here("https://gate.example");
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
    assert!(asked(&[("accept", "application/xhtml+xml, Text/HTML;q=0.9")]).html);
    assert!(!asked(&[("accept", "*/*")]).html);
    assert!(!asked(&[]).html);
}
