use std::time::Duration;

use super::*;
use crate::http::Reply;
use crate::testing::signer::{hmac_base64, hmac_hex, hmac_id_timestamp_base64};
use crate::webhook::fake_head::FakeHead;

const OLD: &str = "old-secret-0123456789abcdef";
const NEW: &str = "new-secret-0123456789abcdef";
const OTHER: &str = "not-one-of-ours-0123456789a";
const BODY: &[u8] = br#"{"event":"verification.completed"}"#;
const NOW: Timestamp = Timestamp::from_secs(1_688_052_828);
const SIGNATURE: &str = "x-incode-signature";

fn judge(policy: &Authenticity, head: &FakeHead, body: &[u8]) -> Result<Trust, Rejection> {
    judge_at(policy, head, body, NOW)
}

fn judge_at(policy: &Authenticity, head: &FakeHead, body: &[u8], now: Timestamp) -> Result<Trust, Rejection> {
    let mut check = policy.begin(head, now)?;
    for chunk in body.chunks(7) {
        check.update(chunk);
    }
    check.finish()
}

fn header() -> Authenticity {
    Authenticity::header("X-Incode-Secret", [Secret::from(NEW), Secret::from(OLD)]).unwrap()
}

fn hmac() -> Authenticity {
    Authenticity::hmac(HmacScheme::new(SIGNATURE, [Secret::from(NEW), Secret::from(OLD)]).unwrap())
}

fn with_secret(secret: impl AsRef<[u8]>) -> FakeHead {
    FakeHead::post().with("x-incode-secret", secret)
}

fn signed_by(secret: &str) -> FakeHead {
    FakeHead::post().with(SIGNATURE, hmac_hex(&secret.into(), BODY))
}

fn refused(result: Result<Trust, Rejection>) -> Reply {
    result.expect_err("must be refused").problem().reply()
}

#[test]
fn the_macs_of_rfc_4231_pass() {
    let cases: [(Vec<u8>, &[u8], &str); 3] = [
        ((1..=25).collect(), &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            vec![0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be \
              hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, data, mac) in cases {
        let policy = Authenticity::hmac(HmacScheme::new(SIGNATURE, [Secret::new(key)]).unwrap());
        assert_eq!(judge(&policy, &FakeHead::post().with(SIGNATURE, mac), data), Ok(Trust::Authenticated));
        assert!(judge(&policy, &FakeHead::post().with(SIGNATURE, mac), &data[1..]).is_err());
    }
}

#[test]
fn every_secret_of_a_rotation_passes_and_no_other() {
    for secret in [OLD, NEW] {
        assert_eq!(judge(&header(), &with_secret(secret), BODY), Ok(Trust::Authenticated));
        assert_eq!(judge(&hmac(), &signed_by(secret), BODY), Ok(Trust::Authenticated));
    }
    assert!(judge(&header(), &with_secret(OTHER), BODY).is_err());
    assert!(judge(&hmac(), &signed_by(OTHER), BODY).is_err());
}

#[test]
fn every_way_to_fail_looks_the_same() {
    let expected = refused(judge(&header(), &FakeHead::post(), BODY));
    assert_eq!(expected.status, 401);
    let near: String = NEW.chars().take(NEW.len() - 1).collect();
    for head in [
        with_secret(OTHER),
        with_secret(""),
        with_secret("ключ"),
        with_secret(b"\xff\xfe"),
        with_secret(&near),
        with_secret(format!("{NEW} ")),
        with_secret(format!("{NEW}, {NEW}")),
        with_secret(NEW.to_uppercase()),
        with_secret(NEW).with("x-incode-secret", NEW),
        with_secret(NEW).with("x-incode-secret", OTHER),
        with_secret(OTHER).with("x-incode-secret", NEW),
    ] {
        assert_eq!(refused(judge(&header(), &head, BODY)), expected, "{head:?}");
    }
    let good = hmac_hex(&NEW.into(), BODY);
    let mixed = format!("{}{}", &good[..32], good[32..].to_uppercase());
    for value in [
        Vec::new(),
        b"\xff\xfe".to_vec(),
        good[..63].into(),
        good[..62].into(),
        format!("{good}0").into(),
        format!("{good} ").into(),
        format!("sha256={good}").into(),
        format!("{good},{good}").into(),
        mixed.into(),
        "g".repeat(64).into(),
        hmac_base64(&NEW.into(), BODY).into(),
        hmac_hex(&NEW.into(), b"{}").into(),
        vec![b'0'; 1 << 20],
    ] {
        let head = FakeHead::post().with(SIGNATURE, &value);
        assert_eq!(refused(judge(&hmac(), &head, BODY)), expected, "{head:?}");
    }
    assert_eq!(refused(judge(&hmac(), &FakeHead::post(), BODY)), expected);
    assert_eq!(refused(judge(&hmac(), &signed_by(NEW).with(SIGNATURE, good), BODY)), expected);
}

#[test]
fn what_the_head_shows_is_answered_before_the_body() {
    let good = hmac_hex(&NEW.into(), BODY);
    for head in [FakeHead::post(), signed_by(NEW).with(SIGNATURE, good), FakeHead::post().with(SIGNATURE, "zz")] {
        assert!(hmac().begin(&head, NOW).is_err(), "{head:?}");
        assert!(header().begin(&head, NOW).is_err(), "{head:?}");
    }
}

#[test]
fn hex_is_lower_or_upper() {
    let good = hmac_hex(&NEW.into(), BODY);
    for text in [good.clone(), good.to_uppercase()] {
        assert_eq!(judge(&hmac(), &FakeHead::post().with(SIGNATURE, text), BODY), Ok(Trust::Authenticated));
    }
}

#[test]
fn a_hex_digit_is_read_in_both_cases() {
    let decoders = [(&data_encoding::HEXLOWER, "09af5b"), (&data_encoding::HEXUPPER, "09AF5B")];
    for ((decoder, digits), place) in
        decoders.iter().flat_map(|known| [(known, 0), (known, 31), (known, 62), (known, 63)])
    {
        for byte in 0..=u8::MAX {
            let mut text: Vec<_> = digits.bytes().cycle().take(64).collect();
            text[place] = byte;
            let expected = decoder.decode(&text).ok();
            assert_eq!(hmac::hex(&text).map(Vec::from), expected, "{byte} at {place}");
        }
    }
    assert_eq!(hmac::hex(&[b'7'; 64]), Some([0x77; 32]));
    assert_eq!([0, 2, 62, 63, 65, 66, 128].map(|length| hmac::hex(&vec![b'7'; length])), [None; 7]);
}

#[test]
fn base64_is_standard_padded_and_canonical() {
    let scheme = HmacScheme::new(SIGNATURE, [Secret::from(NEW)]).unwrap().encoding(Encoding::Base64);
    let policy = Authenticity::hmac(scheme);
    let good = hmac_base64(&NEW.into(), BODY);
    let judge = |value: &str| judge(&policy, &FakeHead::post().with(SIGNATURE, value), BODY);
    assert_eq!(judge(&good), Ok(Trust::Authenticated));
    // The last digit before the padding carries two bits that are not part of the signature.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let last = alphabet.find(&good[42..43]).unwrap();
    let stray = format!("{}{}=", &good[..42], &alphabet[last + 1..last + 2]);
    for bad in [&good[..43], &format!("{good}="), &stray, &hmac_hex(&NEW.into(), BODY), &"=".repeat(44), ""] {
        assert!(judge(bad).is_err(), "{bad}");
    }
    let url_safe = good.replace('+', "-").replace('/', "_");
    assert!(url_safe == good || judge(&url_safe).is_err());
}

#[test]
fn a_prefix_is_required_and_exact() {
    let scheme = HmacScheme::new(SIGNATURE, [Secret::from(NEW)]).unwrap().prefix("sha256=").unwrap();
    let policy = Authenticity::hmac(scheme);
    let good = hmac_hex(&NEW.into(), BODY);
    let judge = |value: String| judge(&policy, &FakeHead::post().with(SIGNATURE, value), BODY);
    assert_eq!(judge(format!("sha256={good}")), Ok(Trust::Authenticated));
    for bad in [good.clone(), format!("SHA256={good}"), format!("sha1={good}"), format!("sha256=sha256={good}")] {
        assert!(judge(bad).is_err());
    }
}

fn timed(tolerance: Duration) -> Authenticity {
    let signed =
        Signed::IdTimestampBody { id_header: "X-Id".into(), timestamp_header: "X-Timestamp".into(), tolerance };
    let scheme = HmacScheme::new(SIGNATURE, [Secret::from(OLD), Secret::from(NEW)]).unwrap();
    Authenticity::hmac(scheme.encoding(Encoding::Base64).signed(signed).unwrap())
}

fn timed_head(id: &str, at: Timestamp) -> FakeHead {
    let signature = hmac_id_timestamp_base64(&NEW.into(), id, at, BODY);
    let seconds = (at.as_millis() / 1000).to_string();
    FakeHead::post().with("x-id", id).with("x-timestamp", seconds).with(SIGNATURE, signature)
}

#[test]
fn the_tolerance_is_exact_both_ways() {
    let policy = timed(Duration::from_secs(300));
    let skewed = |millis: i64| {
        judge_at(&policy, &timed_head("msg_1", NOW), BODY, Timestamp::from_millis(NOW.as_millis() + millis))
    };
    for inside in [0, 299_000, 300_000, -299_000, -300_000] {
        assert_eq!(skewed(inside), Ok(Trust::Authenticated), "{inside}");
    }
    for outside in [300_001, 301_000, -300_001, -301_000, i64::MAX - NOW.as_millis(), -3 * NOW.as_millis()] {
        assert!(skewed(outside).is_err(), "{outside}");
    }
}

#[test]
fn a_time_is_whole_seconds_in_digits() {
    let policy = timed(Duration::from_secs(300));
    let now = NOW.as_millis() / 1000;
    let sign = |text: &str| {
        let signed = [b"msg_1.", text.as_bytes(), b".", BODY].concat();
        let signature = hmac_base64(&NEW.into(), &signed);
        FakeHead::post().with("x-id", "msg_1").with("x-timestamp", text).with(SIGNATURE, signature)
    };
    assert_eq!(judge(&policy, &sign(&now.to_string()), BODY), Ok(Trust::Authenticated));
    let far = "9".repeat(400);
    for bad in [
        "0",
        "-1",
        &format!("-{now}"),
        &format!("+{now}"),
        &format!("{now}.9"),
        &format!("{now} "),
        &format!("{now}000"),
        &format!("0x{now:x}"),
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        &far,
        "",
        "now",
        "١٦٨٨٠٥٢٨٢٨",
    ] {
        assert!(judge(&policy, &sign(bad), BODY).is_err(), "{bad}");
    }
}

#[test]
fn id_and_time_are_signed_and_given_once() {
    let policy = timed(Duration::from_secs(300));
    let good = timed_head("msg_1", NOW);
    assert_eq!(judge(&policy, &good, BODY), Ok(Trust::Authenticated));
    assert!(judge(&policy, &good, b"{}").is_err());
    let signature = hmac_id_timestamp_base64(&NEW.into(), "msg_1", NOW, BODY);
    let bare = FakeHead::post().with(SIGNATURE, signature);
    let seconds = (NOW.as_millis() / 1000).to_string();
    for bad in [
        bare.clone().with("x-id", "msg_2").with("x-timestamp", &seconds),
        bare.clone().with("x-id", "msg_1").with("x-timestamp", (NOW.as_millis() / 1000 + 1).to_string()),
        bare.clone().with("x-id", "msg_1"),
        bare.clone().with("x-timestamp", &seconds),
        bare.clone().with("x-id", "").with("x-timestamp", &seconds),
        good.clone().with("x-id", "msg_1"),
        good.clone().with("x-timestamp", &seconds),
        timed_head("msg.1", NOW),
        timed_head(&"m".repeat(257), NOW),
    ] {
        assert!(judge(&policy, &bad, BODY).is_err(), "{bad:?}");
    }
}

#[test]
fn any_of_takes_the_strongest_proof() {
    let policy = Authenticity::any_of([Authenticity::fetch_back(), hmac(), header()]).unwrap();
    assert_eq!(judge(&policy, &FakeHead::post(), BODY), Ok(Trust::FetchBack));
    assert_eq!(judge(&policy, &signed_by(OTHER), BODY), Ok(Trust::FetchBack));
    assert_eq!(judge(&policy, &signed_by(NEW), BODY), Ok(Trust::Authenticated));
    assert_eq!(judge(&policy, &with_secret(OLD), BODY), Ok(Trust::Authenticated));
    let policy = Authenticity::any_of([hmac(), header()]).unwrap();
    assert!(policy.begin(&FakeHead::post(), NOW).is_err());
    assert!(judge(&policy, &signed_by(OTHER), BODY).is_err());
    assert_eq!(judge(&policy, &signed_by(OTHER).with("x-incode-secret", NEW), BODY), Ok(Trust::Authenticated));
}

#[test]
fn all_of_takes_every_part() {
    let policy = Authenticity::all_of([hmac(), header()]).unwrap();
    let both = signed_by(NEW).with("x-incode-secret", OLD);
    assert_eq!(judge(&policy, &both, BODY), Ok(Trust::Authenticated));
    assert!(judge(&policy, &both, b"{}").is_err());
    assert!(policy.begin(&signed_by(NEW), NOW).is_err());
    assert!(policy.begin(&with_secret(OLD), NOW).is_err());
    let nested = Authenticity::all_of([Authenticity::fetch_back(), Authenticity::any_of([policy]).unwrap()]).unwrap();
    assert_eq!(judge(&nested, &both, BODY), Ok(Trust::Authenticated));
    assert!(judge(&nested, &FakeHead::post(), BODY).is_err());
}

#[test]
fn weak_policies_are_refused() {
    use PolicyErrorKind::*;
    let good = || Secret::from(NEW);
    let header = |name: &str, secrets: Vec<Secret>| Authenticity::header(name, secrets).unwrap_err().kind();
    let hmac = |name: &str, secrets: Vec<Secret>| HmacScheme::new(name, secrets).unwrap_err().kind();
    for refuse in [&header as &dyn Fn(&str, Vec<Secret>) -> PolicyErrorKind, &hmac] {
        assert_eq!(refuse("x-a", vec![]), NoSecret);
        assert_eq!(refuse("x-a", vec![Secret::from("")]), WeakSecret);
        assert_eq!(refuse("x-a", vec![good(), Secret::from("23-bytes-are-too-few-by")]), WeakSecret);
        for name in ["", "x a", "x:a", "x\r\na", "ключ", "x\0"] {
            assert_eq!(refuse(name, vec![good()]), IllegalHeaderName, "{name:?}");
        }
    }
    for secret in ["line\nline-0123456789abcdef0", " leading-0123456789abcdef0", "ключключключключключ"]
    {
        assert_eq!(header("x-a", vec![Secret::from(secret)]), IllegalSecret);
    }
    assert_eq!(Authenticity::any_of([]).unwrap_err().kind(), EmptyPolicy);
    assert_eq!(Authenticity::all_of([]).unwrap_err().kind(), EmptyPolicy);
    let scheme = || HmacScheme::new("x-a", [good()]).unwrap();
    assert_eq!(scheme().prefix("a b").unwrap_err().kind(), IllegalPrefix);
    let signed = Signed::IdTimestampBody {
        id_header: "x id".into(),
        timestamp_header: "x-timestamp".into(),
        tolerance: Duration::from_secs(1),
    };
    assert_eq!(scheme().signed(signed).unwrap_err().kind(), IllegalHeaderName);
    assert!(Authenticity::header("x-a", [Secret::from("24-bytes-are-just-enough")]).is_ok());
}

#[test]
fn neither_policy_nor_error_shows_a_secret() {
    let policy = Authenticity::any_of([header(), hmac(), timed(Duration::from_secs(1))]).unwrap();
    let check = policy.begin(&with_secret(NEW), NOW).unwrap();
    let error = Authenticity::header("x-a", [Secret::from("canary")]).unwrap_err();
    let shown = format!("{policy:?} {check:?} {error:?} {error}");
    for canary in [OLD, NEW, "canary", &format!("{:?}", NEW.as_bytes())] {
        assert!(!shown.contains(canary));
    }
}

#[test]
fn a_check_can_cross_threads() {
    fn is<T: Send + 'static>() {}
    is::<Check>();
    is::<Authenticity>();
}
