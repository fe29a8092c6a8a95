use super::{Kind, read};

#[test]
fn ranges_are_read_as_rfc_9110_writes_them() {
    for (range, read_as) in [
        ("text/html", Some((Kind::Html, 1000))),
        (" TEXT/HTML ; charset=utf-8 ; q=0.5 ", Some((Kind::Html, 500))),
        ("application/xhtml+xml;q=0.9", Some((Kind::Html, 900))),
        ("application/json;Q=0.123", Some((Kind::Json, 123))),
        ("application/problem+json;q=1.000", Some((Kind::Json, 1000))),
        ("text/html;q=0", Some((Kind::Html, 0))),
        ("text/html;q=1.", Some((Kind::Html, 1000))),
        ("text/html;q=1.001", None),
        ("text/html;q=2", None),
        ("text/html;q=0.1234", None),
        ("text/html;q=-1", None),
        ("text/html;q=", None),
        ("text/html;q=.5", None),
        ("text/html;q=0.\u{665}", None),
        ("text/htmlx", None),
        ("text/*", None),
        ("*/*", None),
        ("", None),
        (";q=1", None),
    ] {
        assert_eq!(read(range.as_bytes()), read_as, "{range}");
    }
}
