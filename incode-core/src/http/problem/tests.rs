use proptest::prelude::*;
use serde::Serialize;

use super::Problem;

/// What RFC 9457 and our own members come to, for a serialiser.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    requirement: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_up_url: Option<&'a str>,
}

impl<'a> From<&'a Problem> for Body<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self {
            r#type: format!("urn:incode:problem:{}", problem.code),
            title: problem.title,
            status: problem.status,
            detail: &problem.detail,
            code: problem.code,
            requirement: problem.requirement(),
            verify_url: problem.verify_url(),
            login_url: problem.login_url(),
            step_up_url: problem.step_up_url(),
        }
    }
}

proptest! {
    #[test]
    fn a_problem_is_written_as_a_serialiser_would(
        status: u16,
        detail in text(),
        urls in prop::array::uniform3(prop::option::of(text())),
        strange: bool,
    ) {
        let (code, title) = if strange { ("a\"b\\c\n\u{7f}é", "\u{0}\t/\u{2028}") } else { ("a_code", "A title") };
        let mut problem = Problem::new(status, code, title, detail);
        if strange {
            problem = problem.of_requirement("\"");
        }
        let [verify, login, step_up] = urls;
        problem = verify.into_iter().fold(problem, Problem::verify_at);
        problem = login.into_iter().fold(problem, Problem::login_at);
        problem = step_up.into_iter().fold(problem, Problem::step_up_at);
        let expected = serde_json::to_string(&Body::from(&problem)).unwrap();
        prop_assert_eq!(String::from_utf8(problem.reply().body.to_vec()).unwrap(), expected);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,40}", any::<String>()]
}

#[test]
fn a_header_of_the_problem_is_left_off_where_the_reply_has_its_own() {
    let problem = Problem::new(503, "code", "Title", "Detail")
        .header("Retry-After", "1")
        .header("x-two", "a")
        .header("x-two", "b");
    let own = crate::http::Reply::new(503).header("retry-after", "9").header("CACHE-CONTROL", "private, No-Store");
    let headers = problem.protect(own).headers;
    assert_eq!(
        headers,
        [("retry-after", "9"), ("CACHE-CONTROL", "private, No-Store"), ("x-two", "a"), ("x-two", "b")]
            .map(|(name, value)| (name, value.into()))
    );
}

#[test]
fn a_renderer_can_not_let_a_cache_keep_a_refusal() {
    let problem = Problem::new(403, "code", "Title", "Detail");
    for loose in [
        ("cache-control", "private"),
        ("Cache-Control", "public, max-age=60"),
        ("cache-control", "no-cache"),
        ("cache-control", "must-understand, no-store"),
        ("cache-control", "no-storeage"),
        ("cache-control", ""),
        ("CDN-Cache-Control", "max-age=60"),
        ("surrogate-control", "max-age=60"),
    ] {
        let headers = problem.protect(crate::http::Reply::new(403).header(loose.0, loose.1)).headers;
        assert_eq!(headers, [("cache-control", "no-store".into())], "{loose:?}");
    }
    let both = crate::http::Reply::new(403).header("cache-control", "public").header("cache-control", "no-store");
    assert_eq!(problem.protect(both).headers, [("cache-control", "no-store".into())]);
}
