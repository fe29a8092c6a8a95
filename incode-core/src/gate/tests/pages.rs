//! What a browser is shown where it can't be sent on.

use std::sync::Arc;

use super::{TestHead, identity};
use crate::gate::cached_standing::{CachedStanding, Loaded};
use crate::gate::{CacheKey, Context, Requirement, Visitor, check};
use crate::http::{Brand, Reply};
use crate::testing::ManualClock;
use crate::{Subject, Timestamp};

const BROWSER: (&str, &[u8]) = ("accept", b"text/html,application/xhtml+xml,*/*;q=0.8");

fn context(brand: Option<Brand>) -> Arc<Context> {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    Arc::new(Context { brand, ..Context::plain(clock) })
}

fn visitor(status: &str) -> Visitor {
    let (context, whose) = (context(None), CacheKey::Subject(Subject::new("alice").unwrap()));
    let loaded = Loaded::now(&context);
    match status {
        "pending" => {
            CachedStanding::unlinked(&whose, super::super::Standing::VerificationPending, loaded, context).into()
        }
        status => CachedStanding::linked(&whose, &identity(status), (None, &[]), None, loaded, context).into(),
    }
}

fn shown(visitor: &Visitor, headers: &[(&'static str, &'static [u8])]) -> (Reply, String) {
    let head = TestHead { headers: headers.to_vec(), ..TestHead::default() };
    let reply = check(Some(visitor), &Requirement::active(), &head).unwrap_err();
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    (reply, text)
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| &**value)
}

#[test]
fn a_browser_is_shown_a_page_and_a_program_is_not() {
    let (page, text) = shown(&visitor("REVOKED"), &[BROWSER]);
    assert_eq!((page.status, header(&page, "content-type")), (403, Some("text/html; charset=utf-8")));
    assert_eq!(header(&page, "cache-control"), Some("no-store"));
    assert!(text.contains("<h1>Identity revoked</h1>") && text.contains("identity_revoked"), "{text}");
    let (answer, text) = shown(&visitor("REVOKED"), &[("accept", b"application/json")]);
    assert_eq!(header(&answer, "content-type"), Some("application/problem+json"));
    assert!(text.contains("identity_revoked"));
}

#[test]
fn a_revoked_person_is_not_sent_to_be_verified() {
    for headers in [&[BROWSER][..], &[]] {
        let (_, text) = shown(&visitor("REVOKED"), headers);
        assert!(!text.contains("/start") && !text.contains("verify_url"), "{text}");
        let (_, text) = shown(&visitor("PENDING"), headers);
        assert!(text.contains("/start?return_to=/vault"), "{text}");
    }
}

#[test]
fn the_pending_page_reloads_itself() {
    let (page, text) = shown(&visitor("pending"), &[BROWSER]);
    assert_eq!((page.status, header(&page, "retry-after")), (403, Some("3")));
    assert!(text.contains("<meta http-equiv=\"refresh\" content=\"3\">"), "{text}");
    let (_, text) = shown(&visitor("REVOKED"), &[BROWSER]);
    assert!(!text.contains("http-equiv"), "{text}");
}

#[test]
fn the_page_is_in_the_language_of_the_request() {
    for (accepted, title, tag) in [
        (b"".as_slice(), "Identity revoked", "en"),
        (b"es-MX,es;q=0.9,en;q=0.8", "Identidad revocada", "es"),
        (b"PT-BR", "Identidade revogada", "pt"),
        (b"de, en;q=0.1, pt;q=0.2", "Identidade revogada", "pt"),
        (b"en;q=0.5,es;q=0.5", "Identity revoked", "en"),
        (b"es;q=0", "Identity revoked", "en"),
        (b"es;q=nonsense, fr", "Identity revoked", "en"),
        (b"est, espagnol, \xff", "Identity revoked", "en"),
    ] {
        let (page, text) = shown(&visitor("REVOKED"), &[BROWSER, ("accept-language", accepted)]);
        assert!(text.contains(title) && text.contains(&format!("<html lang=\"{tag}\">")), "{accepted:?}: {text}");
        assert_eq!(header(&page, "content-language"), Some(tag));
    }
}
