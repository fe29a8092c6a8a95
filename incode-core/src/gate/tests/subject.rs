use std::borrow::Cow;

use super::TestHead;
use crate::Subject;
use crate::gate::SubjectSource;

fn found<'a>(source: &SubjectSource, head: &'a TestHead) -> Option<Cow<'a, str>> {
    source.find(head)
}

fn head(headers: &[(&'static str, &'static [u8])]) -> TestHead {
    TestHead { headers: headers.to_vec(), ..TestHead::default() }
}

#[test]
fn a_header_counts_only_when_it_is_one_and_text() {
    let source = SubjectSource::trusted_header("X-User");
    assert_eq!(found(&source, &head(&[("x-user", b"alice")])).as_deref(), Some("alice"));
    assert_eq!(found(&source, &head(&[])), None);
    assert_eq!(found(&source, &head(&[("x-user", b"alice"), ("x-user", b"bob")])), None);
    assert_eq!(found(&source, &head(&[("x-user", b"\xff\xfe")])), None);
}

#[test]
fn a_cookie_is_found_by_its_whole_name_and_has_one_value() {
    let source = SubjectSource::cookie("sid", |value| Some(value.into()));
    for (cookies, expected) in [
        (b"sid=alice".as_slice(), Some("alice")),
        (b"a=b; sid=alice;c=d", Some("alice")),
        (b"xsid=bob; sidx=bob; sid=alice", Some("alice")),
        (b"sid=alice; sid=bob", None),
        (b"sid=alice; sid=alice", Some("alice")),
        (b"sid=alice; a=b; sid=alice ;sid=alice", Some("alice")),
        (b"sid=alice; sid=alice; sid=bob", None),
        (b"sid=alice; sid=", None),
        (b"SID=alice", None),
        (b"sid", None),
        (b";;;=;", None),
        (b"sid=\xff", None),
    ] {
        assert_eq!(found(&source, &head(&[("cookie", cookies)])).as_deref(), expected, "{cookies:?}");
    }
    assert_eq!(found(&source, &head(&[("cookie", b"a=b"), ("cookie", b"sid=alice")])).as_deref(), Some("alice"));
    assert_eq!(found(&source, &head(&[("cookie", b"sid=alice"), ("cookie", b"sid=alice")])).as_deref(), Some("alice"));
    assert_eq!(found(&source, &head(&[("cookie", b"sid=alice"), ("cookie", b"sid=bob")])), None);
    assert_eq!(found(&source, &head(&[("cookie", b"sid=1"), ("cookie", b"sid=2"), ("cookie", b"sid=3")])), None);
}

#[test]
fn another_source_is_asked_where_the_first_finds_no_subject() {
    let source = SubjectSource::cookie("sid", |value| value.strip_prefix("good-").map(Into::into))
        .or(SubjectSource::trusted_header("x-user"));
    assert_eq!(found(&source, &head(&[("cookie", b"sid=good-alice"), ("x-user", b"bob")])).as_deref(), Some("alice"));
    for cookie in [b"sid=forged".as_slice(), b"sid=good-alice; sid=good-eve", b""] {
        assert_eq!(found(&source, &head(&[("cookie", cookie), ("x-user", b"bob")])).as_deref(), Some("bob"));
        assert_eq!(found(&source, &head(&[("cookie", cookie)])), None);
    }
}

#[test]
fn the_application_decides_what_a_cookie_says() {
    let source = SubjectSource::cookie("sid", |value| value.strip_prefix("good-").map(Into::into));
    assert_eq!(found(&source, &head(&[("cookie", b"sid=good-alice")])).as_deref(), Some("alice"));
    assert_eq!(found(&source, &head(&[("cookie", b"sid=forged")])), None);
}

#[test]
fn extension_and_function_read_the_head() {
    let subject = Some(Subject::new("alice").unwrap());
    let head = TestHead { headers: vec![("x-user", b"bob")], subject, ..TestHead::default() };
    assert_eq!(found(&SubjectSource::extension(), &head).as_deref(), Some("alice"));
    let own = SubjectSource::from_fn(|head| {
        head.header("x-user").one().and_then(|value| std::str::from_utf8(value).ok()).map(Cow::Borrowed)
    });
    assert_eq!(found(&own, &head).as_deref(), Some("bob"));
}
