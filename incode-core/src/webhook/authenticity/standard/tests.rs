use std::time::Duration;

use super::*;
use crate::Timestamp;
use crate::testing::signer::{Signer, hmac_hex};
use crate::webhook::fake_head::FakeHead;
use crate::webhook::{Authenticity, Trust};

/// The example that the libraries of Standard Webhooks are tested with.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const AT: Timestamp = Timestamp::from_secs(1_614_265_330);
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

const OTHER: &str = "whsec_b3RoZXItc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWY=";

fn policy() -> Authenticity {
    Authenticity::hmac(HmacScheme::standard_webhooks([OTHER.into(), SECRET.into()]).unwrap())
}

fn with(list: impl AsRef<[u8]>) -> FakeHead {
    let seconds = (AT.as_millis() / 1000).to_string();
    FakeHead::post().with("webhook-id", ID).with("webhook-timestamp", seconds).with("webhook-signature", list)
}

fn passes(head: &FakeHead) -> bool {
    let Ok(mut check) = policy().begin(head, AT) else { return false };
    BODY.chunks(7).for_each(|chunk| check.update(chunk));
    check.finish() == Ok(Trust::Authenticated)
}

#[test]
fn the_published_example_passes() {
    assert!(passes(&with(SIGNATURE)));
    let mut check = policy().begin(&with(SIGNATURE), AT).unwrap();
    check.update(br#"{"test": 2432232315}"#);
    assert!(check.finish().is_err());
    for (name, value) in [("webhook-id", "msg_other"), ("webhook-timestamp", "1614265331")] {
        let head = ["webhook-id", "webhook-timestamp"].into_iter().fold(FakeHead::post(), |head, own| {
            let published = if own == "webhook-id" { ID } else { "1614265330" };
            head.with(own, if own == name { value } else { published })
        });
        assert!(!passes(&head.with("webhook-signature", SIGNATURE)), "{name}");
    }
}

#[test]
fn one_signature_of_the_list_is_enough() {
    let wrong = format!("v1,{}", BASE64.encode(&[7; 32]));
    for list in [
        format!("{wrong} {SIGNATURE}"),
        format!("{SIGNATURE} {wrong}"),
        format!(
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg== {SIGNATURE}"
        ),
        format!("v2,anything {SIGNATURE} v3,%"),
        format!("{}{SIGNATURE}", format!("{wrong} ").repeat(15)),
    ] {
        assert!(passes(&with(&list)), "{list}");
    }
    assert!(!passes(&with(format!("{wrong} {wrong}"))));
}

#[test]
fn a_list_is_read_exactly_and_never_for_long() {
    let plain = &SIGNATURE[3..];
    for list in [
        String::new(),
        " ".to_owned(),
        plain.to_owned(),
        format!("v1 {SIGNATURE}"),
        format!("v1,, {SIGNATURE}"),
        format!("v1, {SIGNATURE}"),
        format!(",{plain} {SIGNATURE}"),
        format!(" {SIGNATURE}"),
        format!("{SIGNATURE} "),
        format!("{SIGNATURE}  {SIGNATURE}"),
        format!("{SIGNATURE},{SIGNATURE}"),
        format!("{SIGNATURE}\t{SIGNATURE}"),
        format!("{SIGNATURE};{SIGNATURE}"),
        format!("v1,AAAA {SIGNATURE}"),
        format!("V1,{plain}"),
        format!("v1a,{plain}"),
        format!("v2,{plain}"),
        format!("v1={plain}"),
        format!("averylongversion,{plain} {SIGNATURE}"),
        SIGNATURE.replace('+', "-").replace('/', "_"),
        SIGNATURE.trim_end_matches('=').to_owned(),
        SIGNATURE.replace("1OE=", "1OF="),
        format!("v1,{}", hmac_hex(&"any".into(), BODY)),
        format!("{}{SIGNATURE}", "v2,x ".repeat(16)),
        format!("{SIGNATURE} v2,{}", "x".repeat(2048)),
        format!("ключ,{plain} {SIGNATURE}"),
    ] {
        assert!(policy().begin(&with(&list), AT).is_err(), "{list}");
    }
    assert!(policy().begin(&with(b"v1,\xff\xfe"), AT).is_err());
    assert!(!passes(&with(SIGNATURE).with("webhook-signature", SIGNATURE)));
    assert!(passes(&with(format!("{}{SIGNATURE}", "v2,x ".repeat(15)))));
}

#[test]
fn five_minutes_either_way() {
    let signer = Signer::standard_webhooks(&SECRET.into());
    for (skew, fits) in [(300, true), (-300, true), (301, false), (-301, false)] {
        let headers = signer.headers_at(BODY, ID, Timestamp::from_secs(AT.as_millis() / 1000 + skew));
        let head = headers.iter().fold(FakeHead::post(), |head, (name, value)| head.with(name, value));
        assert_eq!(passes(&head), fits, "{skew}");
    }
    assert_eq!(HmacScheme::TOLERANCE, Duration::from_secs(300));
}

#[test]
fn other_names_are_named() {
    let policy = Authenticity::hmac(HmacScheme::standard_webhooks_as("svix", [SECRET.into()]).unwrap());
    let head =
        FakeHead::post().with("svix-id", ID).with("svix-timestamp", "1614265330").with("svix-signature", SIGNATURE);
    let mut check = policy.begin(&head, AT).unwrap();
    check.update(BODY);
    assert_eq!(check.finish(), Ok(Trust::Authenticated));
    assert!(policy.begin(&with(SIGNATURE), AT).is_err(), "those alone");
}

#[test]
fn secrets_are_written_exactly_and_long_enough() {
    let kind = |secrets: &[&str]| {
        let secrets = secrets.iter().map(|secret| Secret::from(*secret));
        HmacScheme::standard_webhooks(secrets).map(|_| ()).map_err(|error| error.kind())
    };
    assert_eq!(kind(&[SECRET]), Ok(()), "24 bytes are enough");
    assert_eq!(kind(&[]), Err(PolicyErrorKind::NoSecret));
    let short = format!("whsec_{}", BASE64.encode(&[1; 23]));
    for weak in ["whsec_", &short] {
        assert_eq!(kind(&[SECRET, weak]), Err(PolicyErrorKind::WeakSecret));
    }
    for bad in [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_b3RoZXItc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWY",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa_-",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ",
        "",
    ] {
        assert_eq!(kind(&[bad]), Err(PolicyErrorKind::MalformedSecret), "{bad:?}");
    }
}
