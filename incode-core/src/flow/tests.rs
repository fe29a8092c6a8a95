use std::time::Duration;

use super::correlation::Correlations;
use crate::http::return_to::{self, is_local};
use crate::webhook::Event;
use crate::{Secret, Subject, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HALF_HOUR: Duration = Duration::from_secs(1800);

fn correlations(secret: &str) -> Correlations {
    Correlations::new(&[Secret::from(secret)], HALF_HOUR)
}

fn alice() -> Subject {
    Subject::new("alice@example.com").unwrap()
}

#[test]
fn a_correlation_id_says_what_it_was_made_of_and_hides_it() {
    let made = correlations("0123456789abcdef0123456789abcdef");
    let id = made.make(&alice(), "/vault?a=b", NOW).unwrap();
    let open = made.open(id.as_bytes()).unwrap();
    assert_eq!(open.subject, alice());
    assert_eq!(open.return_to, "/vault?a=b");
    assert_eq!(open.nonce.expires_at, NOW.after(HALF_HOUR));
    let raw = data_encoding::BASE64URL_NOPAD.decode(id.as_bytes()).unwrap();
    assert!(!raw.windows(5).any(|bytes| bytes == b"alice"));
    assert_ne!(id, made.make(&alice(), "/vault?a=b", NOW).unwrap(), "each is single-use, so each is new");
}

#[test]
fn a_flow_under_way_outlives_its_secret_while_the_old_one_is_known() {
    let (old, new) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
    let both = Correlations::new(&[new.into(), old.into()], HALF_HOUR);
    let begun = correlations(old).make(&alice(), "/", NOW).unwrap();
    assert_eq!(both.open(begun.as_bytes()).unwrap().subject, alice());
    let next = both.make(&alice(), "/", NOW).unwrap();
    assert!(correlations(new).open(next.as_bytes()).is_ok(), "the newest seals");
    assert!(correlations(old).open(next.as_bytes()).is_err());
}

#[test]
fn a_correlation_id_ends_exactly_at_its_lifetime() {
    let made = correlations("0123456789abcdef0123456789abcdef");
    let open = made.open(made.make(&alice(), "/", NOW).unwrap().as_bytes()).unwrap();
    assert!(!open.is_expired(NOW.after(HALF_HOUR - Duration::from_millis(1))));
    assert!(open.is_expired(NOW.after(HALF_HOUR)));
}

#[test]
fn edited_cut_foreign_and_absurd_ids_are_unknown() {
    let made = correlations("0123456789abcdef0123456789abcdef");
    let id = made.make(&alice(), "/", NOW).unwrap();
    for at in 0..id.len() {
        let mut edited = id.clone().into_bytes();
        edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
        assert!(made.open(&edited).is_err(), "edited at {at}");
        assert!(made.open(&id.as_bytes()[..at]).is_err(), "cut at {at}");
    }
    assert!(correlations("another secret of thirty-two bytes").open(id.as_bytes()).is_err());
    assert!(made.open(format!("{id}=").as_bytes()).is_err());
    assert!(made.open(&vec![b'A'; 1 << 20]).is_err());
    assert!(made.open(b"").is_err());
}

#[test]
fn only_a_path_of_this_site_is_a_way_back() {
    for good in ["/", "/vault", "/vault?a=b&c=%2F#top", "/a/b%20c", "/?next=https://elsewhere"] {
        assert!(is_local(good), "{good}");
    }
    for bad in [
        "",
        "vault",
        "//evil",
        "//evil/",
        "///evil",
        "/\\evil",
        "\\\\evil",
        "https:evil",
        "https://evil",
        "/%2fevil",
        "/%2Fevil",
        "%2f%2fevil",
        "/%5cevil",
        "/\tevil",
        "/\n/evil",
        "\t//evil",
        "/%09/evil",
        "/%0d%0aset-cookie:a=b",
        "javascript:alert(1)",
        "/a\\b",
        "?a",
        "#a",
        " /vault",
        "/%252fevil",
        "/%25252fevil",
        "/%255cevil",
        "/%25255cevil",
        "/%2509/evil",
        "/.//evil",
        "/..//evil",
        "/a/..//evil",
        "/%2e//evil",
        "/%252e%252e//evil",
        "//user@evil",
        "//vault@evil/",
        "https://here.invalid@evil/",
        "@evil",
        ".evil",
        "\u{3002}evil",
        "\u{ff0f}\u{ff0f}evil",
        "/\u{85}/evil",
        "/%252525252525252525a",
        "%2525252f%2525252fevil",
    ] {
        assert!(!is_local(bad), "{bad}");
    }
    assert!(!is_local(&format!("/{}", "a".repeat(600))));
}

#[test]
fn a_way_back_in_any_script_fits_into_a_header() {
    for (target, location) in [
        ("/vault?a=b&c=%20#d", "/vault?a=b&c=%20#d"),
        ("/café", "/caf%C3%A9"),
        ("/a b", "/a%20b"),
        ("/\u{20ac}?q=\"<>\"", "/%E2%82%AC?q=%22%3C%3E%22"),
        // They look like another host, and are paths to everything that reads URLs.
        ("/@evil.test", "/@evil.test"),
        ("/\u{ff0f}evil.test", "/%EF%BC%8Fevil.test"),
        ("/\u{2215}evil\u{3002}test", "/%E2%88%95evil%E3%80%82test"),
        ("/\u{202e}tluav", "/%E2%80%AEtluav"),
    ] {
        assert!(is_local(target), "{target}");
        assert_eq!(return_to::location(target), location);
    }
}

#[test]
fn the_longest_correlation_id_survives_a_webhook() {
    let made = correlations("0123456789abcdef0123456789abcdef");
    let subject = Subject::new("s".repeat(Subject::MAX_LEN)).unwrap();
    let id = made.make(&subject, &format!("/{}", "r".repeat(return_to::MAX_LEN - 1)), NOW).unwrap();
    assert!(made.open(id.as_bytes()).is_ok());
    assert!(id.len() <= Event::MAX_CORRELATION_ID, "{}", id.len());
}
