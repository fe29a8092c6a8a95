use super::*;

/// The spec's sample, its curly quote repaired.
const SAMPLE: &str = r#"{
  "token": "ecyCI6MTY4Nzk2MzIyNiwiaWF0IjoxNjg3OTYyMzI2fQ.kaw-iQC7U3E3JB6NrxxcP7hp4Zs9123ABC",
  "event": "verification.completed",
  "object": "verification",
  "id": "196c69e0-5566-4f51-9432-dde8e225aAbc3",
  "timestamp" : 1688052828
}"#;

fn read(text: &str) -> Result<WebhookEvent<'_>, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn the_sample_of_the_spec_is_read_without_copying() {
    let event = read(SAMPLE).unwrap();
    assert_eq!(event.event, EventKind::Verification);
    assert_eq!(event.timestamp, Some(Timestamp::from_secs(1_688_052_828)));
    assert_eq!(event.correlation_id, None);
    for (field, text) in [
        (event.token, "ecyCI6MTY4Nzk2MzIyNiwiaWF0IjoxNjg3OTYyMzI2fQ.kaw-iQC7U3E3JB6NrxxcP7hp4Zs9123ABC"),
        (event.object, "verification"),
        (event.id, "196c69e0-5566-4f51-9432-dde8e225aAbc3"),
    ] {
        assert!(matches!(field, Some(Cow::Borrowed(read)) if read == text));
    }
}

#[test]
fn what_is_written_has_the_form_of_the_spec() {
    let event = WebhookEvent::new(EventKind::Authentication, "an-id", "a-token").at(Timestamp::from_millis(1_999));
    assert_eq!(
        serde_json::to_string(&event).unwrap(),
        r#"{"token":"a-token","event":"authentication.completed","object":"authentication","id":"an-id","timestamp":1}"#
    );
    let text = serde_json::to_string(&event.correlated("c")).unwrap();
    assert!(text.ends_with(r#","correlation_id":"c"}"#));
    assert_eq!(read(&text).unwrap().correlation_id.as_deref(), Some("c"));
}

#[test]
fn the_name_of_the_event_drifts() {
    for key in ["event", "event_type", "eventType", "\\u0065vent"] {
        let text = format!(r#"{{"{key}":"authentication.completed"}}"#);
        assert_eq!(read(&text).unwrap().event, EventKind::Authentication, "{key}");
    }
    let status = read(r#"{"onboardingStatus":"ONBOARDING_FINISHED","interviewId":"1"}"#).unwrap();
    assert_eq!(status.event, EventKind::Other("ONBOARDING_FINISHED".into()));
    assert!(read(r#"{"onboardingStatus":"verification.completed"}"#).is_err());
    assert!(read(r#"{"event":null}"#).is_err());
    assert!(read(r#"{"event":1}"#).is_err());
    assert!(read("{}").is_err());
}

#[test]
fn a_key_is_given_once_at_every_depth() {
    let wrap = |inner: &str| format!(r#"{{"event":"x",{inner}}}"#);
    for twice in [
        r#""event":"x""#,
        r#""event_type":"x""#,
        r#""eventType":null"#,
        r#""onboardingStatus":"x""#,
        r#""\u0065vent":"x""#,
        r#""token":"a","token":"a""#,
        r#""token":null,"token":"a""#,
        r#""id":"a","id":"b""#,
        r#""object":"a","object":"a""#,
        r#""timestamp":1,"timestamp":1"#,
        r#""correlation_id":"a","correlationId":"a""#,
        r#""more":1,"more":2"#,
        r#""more":1,"\u006dore":2"#,
        r#""":1,"":2"#,
        r#""more":{"a":1,"a":1}"#,
        r#""more":{"b":{"a":1,"\u0061":1}}"#,
        r#""more":[1,[{"a":1},{"a":1,"b":[{"c":1,"c":2}]}]]"#,
        r#""token":{"a":1,"a":1}"#,
        r#""timestamp":{"a":1,"a":1}"#,
        r#""token":"a","Token":"b""#,
        r#""TOKEN":"a","token":"b""#,
        r#""Token":"a","TOKEN":"b""#,
        r#""Token":null,"token":"b""#,
        r#""EVENT":"y""#,
        r#""Event_Type":"y""#,
        r#""OnboardingStatus":"y""#,
        r#""correlationid":"a","correlation_id":"b""#,
        r#""to\u212aen":"a","token":"b""#,
        r#""more":1,"More":2"#,
        r#""m\u00f6re":1,"M\u00d6RE":2"#,
        r#""more":[{"a":1,"A":1}]"#,
    ] {
        assert!(read(&wrap(twice)).is_err(), "{twice}");
    }
    for once in [
        r#""more":1,"Mores":2"#,
        r#""Token":"a","ID":"b""#,
        r#""more":{"More":{"more":[]}}"#,
        r#""more":{"more":{"more":[]}}"#,
        r#""more":[{"a":1},{"a":1}],"a":1"#,
        r#""data":{"event":"y","token":"t","id":null}"#,
    ] {
        assert!(read(&wrap(once)).is_ok(), "{once}");
    }
    let other_case = wrap(r#""Token":"a""#);
    assert_eq!(read(&other_case).unwrap().token, None, "another case is another field");
}

#[test]
fn a_time_is_a_number_or_digits() {
    let time = |value: &str| {
        let text = format!(r#"{{"event":"verification.completed","timestamp":{value}}}"#);
        read(&text).map(|event| event.timestamp.map(Timestamp::as_millis))
    };
    for (value, millis) in [
        ("1688052828", 1_688_052_828_000),
        ("\"1688052828\"", 1_688_052_828_000),
        ("1688052828123", 1_688_052_828_123),
        ("\"1688052828123\"", 1_688_052_828_123),
        ("1688052828.123456789", 1_688_052_828_123),
        ("1.688052828E9", 1_688_052_828_000),
        ("99999999999", 99_999_999_999_000),
        ("100000000000", 100_000_000_000),
        ("253402300799999", 253_402_300_799_999),
        ("0", 0),
        ("{\"$serde_json::private::Number\":\"1688052828\"}", 1_688_052_828_000),
        ("{\"$serde_json::private::Number\":\"1688052828.5\"}", 1_688_052_828_500),
    ] {
        assert_eq!(time(value), Ok(Some(millis)), "{value}");
    }
    assert_eq!(time("null"), Ok(None));
    for bad in [
        "-1",
        "-0.5",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\"-1\"",
        "\"+1\"",
        "\"1.5\"",
        "\" 1\"",
        "\"2023-06-29\"",
        "253402300800000",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e308",
        "1e400",
        "\"99999999999999999999999\"",
    ] {
        assert!(time(bad).is_err(), "{bad}");
    }
}

#[test]
fn wrong_types_matter_for_the_kinds_of_the_spec_alone() {
    let with = |kind: &str, field: &str, value: &str| format!(r#"{{"event":"{kind}","{field}":{value}}}"#);
    for field in ["token", "id", "object"] {
        for value in ["1", "true", "[]", "{}", "1.5"] {
            assert!(read(&with("verification.completed", field, value)).is_err(), "{field} {value}");
            assert!(read(&with("identity.enrolled", field, value)).is_ok(), "{field} {value}");
        }
        assert!(read(&with("verification.completed", field, "null")).is_ok());
    }
    assert_eq!(read(&with("identity.enrolled", "timestamp", "\"2023-06-29\"")).unwrap().timestamp, None);
    for value in ["7", "{}", "[\"a\",\"b\"]", "true"] {
        let body = with("verification.completed", "correlation_id", value);
        let named = read(&body).unwrap().correlation_id;
        assert_eq!(named.as_deref(), Some("unreadable"), "{value}: not taken for a missing one");
    }
    assert_eq!(read(&with("verification.completed", "correlation_id", "null")).unwrap().correlation_id, None);
}

#[test]
fn many_unknown_keys_cost_no_more_than_their_length() {
    let keys: Vec<_> = (0..50_000).map(|key| format!("\"{key:x}\":0")).collect();
    let text = format!(r#"{{"event":"x",{}}}"#, keys.join(","));
    assert!(read(&text).is_ok());
}

#[test]
fn debug_shows_no_value() {
    let event = WebhookEvent::new(EventKind::Verification, "canary-id", "canary-token").correlated("canary-flow");
    assert!(!format!("{event:?}").contains("canary"));
}
