use proptest::prelude::*;

use super::*;

const SAMPLE: &str = r#"{
  "token": "ecyCI6MTY4Nzk2MzIyNiwiaWF0IjoxNjg3OTYyMzI2fQ.kaw-iQC7U3E3JB6NrxxcP7hp4Zs9123ABC",
  "event": "verification.completed",
  "object": "verification",
  "id": "196c69e0-5566-4f51-9432-dde8e225aAbc3",
  "timestamp" : 1688052828
}"#;

const FIELDS: [&str; 6] = ["token", "event", "object", "id", "timestamp", "correlation_id"];

/// Text that has broken other programs before.
const NAUGHTY: [&str; 24] = [
    "",
    " ",
    "null",
    "undefined",
    "NaN",
    "-1",
    "1e400",
    "..",
    ".",
    "../../etc/passwd",
    "a\0b",
    "a\r\nset-cookie: b",
    "a\nINFO forged log line",
    "\u{1b}[31mred",
    "\u{7f}",
    "\u{85}",
    "\u{202e}gnp",
    "\u{feff}bom",
    "Ω≈ç√∫",
    "田中さん",
    "👩‍👩‍👧‍👦",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "${jndi:ldap://localhost/a}",
];

fn kind_of(body: impl AsRef<[u8]>) -> ParseErrorKind {
    parse(body.as_ref()).expect_err("must not parse").kind()
}

/// The sample with one field set, given as JSON; `None` leaves it out.
fn sample_with(field: &str, value: Option<&str>) -> String {
    let sample: serde_json::Map<String, serde_json::Value> = serde_json::from_str(SAMPLE).unwrap();
    let mut fields: Vec<_> =
        sample.iter().filter(|(name, _)| *name != field).map(|(name, value)| format!("\"{name}\":{value}")).collect();
    fields.extend(value.map(|value| format!("\"{field}\":{value}")));
    format!("{{{}}}", fields.join(","))
}

#[test]
fn the_sample_of_the_spec_is_an_event() {
    let event = parse(SAMPLE.as_bytes()).unwrap();
    assert_eq!(event.kind, EventKind::Verification);
    assert_eq!(event.object_id.unwrap().as_str(), "196c69e0-5566-4f51-9432-dde8e225aAbc3");
    let token = "ecyCI6MTY4Nzk2MzIyNiwiaWF0IjoxNjg3OTYyMzI2fQ.kaw-iQC7U3E3JB6NrxxcP7hp4Zs9123ABC";
    assert_eq!(event.token.unwrap().expose(), token);
    assert_eq!(event.vendor_time, Some(Timestamp::from_secs(1_688_052_828)));
    assert!(!event.mismatched);
}

#[test]
fn the_sample_of_the_spec_as_printed_is_refused() {
    let printed = SAMPLE.replace("\"verification\"", "\"verification”");
    assert_eq!(kind_of(printed), ParseErrorKind::NotJson);
}

#[test]
fn exactly_one_object() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    for (body, kind) in [
        (String::new(), ParseErrorKind::NotJson),
        (" ".into(), ParseErrorKind::NotJson),
        ("null".into(), ParseErrorKind::NotAnEvent),
        ("[]".into(), ParseErrorKind::NotAnEvent),
        (format!("[{SAMPLE}]"), ParseErrorKind::NotAnEvent),
        ("\"verification.completed\"".into(), ParseErrorKind::NotAnEvent),
        ("1".into(), ParseErrorKind::NotAnEvent),
        ("{}".into(), ParseErrorKind::NotAnEvent),
        (format!("{SAMPLE}{SAMPLE}"), ParseErrorKind::NotJson),
        (format!("{SAMPLE},"), ParseErrorKind::NotJson),
        (format!("{SAMPLE}\0"), ParseErrorKind::NotJson),
        (format!("\u{feff}{SAMPLE}"), ParseErrorKind::NotJson),
        (SAMPLE.replace("}", ",}"), ParseErrorKind::NotJson),
        (SAMPLE.replace("}", ""), ParseErrorKind::NotJson),
        (SAMPLE.replace('"', "'"), ParseErrorKind::NotJson),
        (sample_with("timestamp", Some("1e400")), ParseErrorKind::NotJson),
        (sample_with("more", Some("01")), ParseErrorKind::NotJson),
        (sample_with("more", Some("NaN")), ParseErrorKind::NotJson),
        (sample_with("more", Some("\"a\nb\"")), ParseErrorKind::NotJson),
        (sample_with("more", Some(r#""\ud80""#)), ParseErrorKind::NotJson),
        (sample_with("more", Some(r#""\ud80g""#)), ParseErrorKind::NotJson),
        (sample_with("more", Some(r#"["\ud800",01]"#)), ParseErrorKind::NotJson),
        (sample_with("more", Some("01e400")), ParseErrorKind::NotJson),
        (sample_with("more", Some("+1e400")), ParseErrorKind::NotJson),
        (sample_with("more", Some("1e400.5")), ParseErrorKind::NotJson),
        (sample_with("token", Some(r#""\udc00""#)), ParseErrorKind::NotJson),
        (sample_with("more", Some(&deep("[", "]"))), ParseErrorKind::NotJson),
        (sample_with("more", Some(&deep("{\"a\":", "}"))), ParseErrorKind::NotJson),
        (deep("[", "]"), ParseErrorKind::NotAnEvent),
        (sample_with("more", Some("{\"a\":1,\"a\":1}")), ParseErrorKind::NotAnEvent),
    ] {
        assert_eq!(kind_of(&body), kind, "{}", body.chars().take(400).collect::<String>());
    }
    assert!(parse(format!(" \t\r\n{SAMPLE}\n").as_bytes()).is_ok());
}

#[test]
fn what_rust_has_no_value_for_is_taken_where_nothing_reads_it() {
    let sample = parse(SAMPLE.as_bytes()).unwrap();
    for unread in [
        r#""\ud800""#,
        r#""\udc00 and \ud83d\ude00 and \\ud800""#,
        r#""\uD800\ud800\udc00""#,
        "1e400",
        "-1E+400",
        &"9".repeat(400),
        r#"[1e999,{"a":"\udfff","token":"\ud800","id":1e400}]"#,
        r#"{"\ud800":[1e400]}"#,
    ] {
        let event = parse(sample_with("more", Some(unread)).as_bytes()).expect(unread);
        assert_eq!(event.token.as_ref().map(Token::expose), sample.token.as_ref().map(Token::expose));
        assert_eq!((event.object_id, event.vendor_time), (sample.object_id.clone(), sample.vendor_time));
    }
    assert!(parse(SAMPLE.replace("{", r#"{"\ud800":1e400,"#).as_bytes()).is_ok(), "an unread key");
    for field in FIELDS {
        for value in [r#""\ud800""#, "1e400"] {
            let both = sample_with(field, Some(value)).replace("{", r#"{"more":1e400,"#);
            assert_eq!(kind_of(both), ParseErrorKind::NotJson, "{field} is read");
        }
    }
    assert_eq!(kind_of(sample_with("more", Some(r#"{"a":"\ud800","A":1}"#))), ParseErrorKind::NotJson);
    let escaped = SAMPLE.replace("\"id\"", r#""\u0069d""#).replace("e225aAbc3", r"\ud800");
    assert_eq!(kind_of(escaped), ParseErrorKind::NotJson, "an escaped key is read too");
}

#[test]
fn utf_8_and_nothing_else() {
    for bytes in [&b"\xff\xfe"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80"] {
        let mut body = br#"{"event":"x","more":""#.to_vec();
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\"}");
        assert_eq!(kind_of(&body), ParseErrorKind::NotUtf8);
    }
    let utf_16: Vec<u8> = SAMPLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(kind_of(utf_16), ParseErrorKind::NotJson);
}

#[test]
fn the_kinds_of_the_spec_need_token_and_id() {
    for field in ["token", "id"] {
        assert_eq!(kind_of(sample_with(field, None)), ParseErrorKind::NotAnEvent);
        assert_eq!(kind_of(sample_with(field, Some("null"))), ParseErrorKind::NotAnEvent);
        assert_eq!(kind_of(sample_with(field, Some("7"))), ParseErrorKind::NotAnEvent);
        for text in ["", "a b", "a\\u0000b", "a\\r\\nb", "é"] {
            assert_eq!(kind_of(sample_with(field, Some(&format!("\"{text}\"")))), ParseErrorKind::IllegalValue);
        }
    }
    let quoted = |length: usize| format!("\"{}\"", "a".repeat(length));
    assert!(parse(sample_with("token", Some(&quoted(Token::MAX_LEN))).as_bytes()).is_ok());
    assert_eq!(kind_of(sample_with("token", Some(&quoted(Token::MAX_LEN + 1)))), ParseErrorKind::IllegalValue);
    assert!(parse(sample_with("id", Some(&quoted(ObjectId::MAX_LEN))).as_bytes()).is_ok());
    assert_eq!(kind_of(sample_with("id", Some(&quoted(ObjectId::MAX_LEN + 1)))), ParseErrorKind::IllegalValue);
    for dots in ["\".\"", "\"..\""] {
        assert_eq!(kind_of(sample_with("id", Some(dots))), ParseErrorKind::IllegalValue);
    }
}

#[test]
fn an_object_of_another_kind_is_a_mismatch() {
    let mismatched = |object| parse(sample_with("object", object).as_bytes()).unwrap().mismatched;
    assert!(!mismatched(None));
    assert!(!mismatched(Some("null")));
    assert!(!mismatched(Some("\"Verification\"")));
    assert!(mismatched(Some("\"authentication\"")));
    assert!(mismatched(Some("\"identity\"")));
    assert!(mismatched(Some("\"\"")));
    let swapped = sample_with("event", Some("\"authentication.completed\""));
    assert!(parse(swapped.as_bytes()).unwrap().mismatched);
}

#[test]
fn other_kinds_are_kept_by_name_and_need_nothing_else() {
    let event = parse(br#"{"event":"identity.enrolled"}"#).unwrap();
    assert_eq!(event.kind, EventKind::Other("identity.enrolled".into()));
    assert!(event.object_id.is_none() && event.token.is_none() && !event.mismatched);
    let event = parse(sample_with("event", Some("\"Verification.Completed\"")).as_bytes()).unwrap();
    assert_eq!(event.kind, EventKind::Other("Verification.Completed".into()));
    assert!(event.object_id.is_some() && event.token.is_none());
    assert!(parse(br#"{"event":"x","id":"a b","token":"a b"}"#).unwrap().object_id.is_none());
    let named = |name: String| parse(format!("{{\"event\":\"{name}\"}}").as_bytes());
    assert!(named("é".repeat(64)).is_ok());
    for bad in ["é".repeat(65), String::new(), "a\\u0000".into(), "a\\nb".into(), "\\u0085".into()] {
        assert_eq!(named(bad).unwrap_err().kind(), ParseErrorKind::IllegalValue);
    }
}

#[test]
fn a_correlation_id_is_kept_when_it_is_one() {
    let read = |value: &str| parse(sample_with("correlation_id", Some(value)).as_bytes()).unwrap().correlation_id;
    assert_eq!(read("\"v1.abc\"").as_deref(), Some("v1.abc"));
    assert_eq!(read(&format!("\"{}\"", "a".repeat(2048))).map(|id| id.len()), Some(2048));
    for missing in ["null", "\"\""] {
        assert_eq!(read(missing), None, "{missing}");
    }
    // An id that can't be kept is not taken for a missing one.
    for odd in ["7", "{}", "\"a b\"", "\"é\"", "\"a\\u0000\""] {
        assert_eq!(read(odd).as_deref(), Some("unreadable"), "{odd}");
    }
    assert_eq!(read(&format!("\"{}\"", "a".repeat(2049))).as_deref(), Some("unreadable"));
}

#[test]
fn naughty_text_is_refused_or_kept_clean() {
    for field in FIELDS {
        for text in NAUGHTY {
            let body = sample_with(field, Some(&serde_json::to_string(text).unwrap()));
            let Ok(event) = parse(body.as_bytes()) else { continue };
            assert!(!event.kind.as_str().chars().any(char::is_control), "{field} {text:?}");
            for kept in [event.token.as_ref().map(Token::expose), event.correlation_id.as_deref()] {
                assert!(kept.is_none_or(|kept| kept.bytes().all(|byte| byte.is_ascii_graphic())), "{field} {text:?}");
            }
            let id = event.object_id.as_ref().map(ObjectId::as_str);
            assert!(id.is_none_or(|id| id != "." && id != ".." && id.bytes().all(|byte| byte.is_ascii_graphic())));
        }
    }
}

#[test]
fn neither_event_nor_error_shows_a_value() {
    let event = WebhookEvent::new(EventKind::Verification, "canary-id", "canary-token").correlated("canary-flow");
    let event = parse(&serde_json::to_vec(&event).unwrap()).unwrap();
    assert!(!format!("{event:?}").contains("canary-token") && !format!("{event:?}").contains("canary-flow"));
    for body in [r#"{"event":"canary\n"}"#, r#"{"canary":1,"canary":1}"#, r#"{"event":"x" canary"#, "\"canary\""] {
        let error = parse(body.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

proptest! {
    #[test]
    fn never_panics_on_bytes(body in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = parse(&body);
    }

    #[test]
    fn never_panics_on_a_mutated_sample(
        edits in proptest::collection::vec((0..SAMPLE.len(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut body = SAMPLE.as_bytes().to_vec();
        for (at, byte, how) in edits {
            let at = at.min(body.len() - 1);
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => drop(body.remove(at)),
            }
        }
        let _ = parse(&body);
    }

    #[test]
    fn what_is_sent_is_what_is_read(
        id in "[!-~]{3,128}", token in "[!-~]{1,200}", flow in "[!-~]{1,200}", secs in 0..99_999_999_999_i64,
    ) {
        let at = Timestamp::from_secs(secs);
        let sent = WebhookEvent::new(EventKind::Authentication, &*id, &*token).at(at).correlated(&*flow);
        let read = parse(&serde_json::to_vec(&sent).unwrap()).unwrap();
        prop_assert_eq!(read.kind, EventKind::Authentication);
        prop_assert_eq!(read.object_id.as_ref().map(ObjectId::as_str), Some(id.as_str()));
        prop_assert_eq!(read.token.as_ref().map(Token::expose), Some(token.as_str()));
        prop_assert_eq!(read.correlation_id, Some(flow));
        prop_assert_eq!(read.vendor_time, Some(at));
        prop_assert!(!read.mismatched);
    }
}
