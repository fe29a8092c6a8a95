use std::sync::LazyLock;
use std::time::Duration;

use incode_core::testing::signer::{hmac_base64, hmac_hex, hmac_id_timestamp_base64};
use incode_core::webhook::{Authenticity, Encoding, HmacScheme, Signed};
use incode_core::{Secret, Timestamp};

use crate::head::{Headers, Written};
use crate::input::{Input, chunks};

/// Policy, headers and body of a delivery: what the right secret signed is accepted, however the body is cut; whatever
/// else stands in the headers is not, nor a signature twice, over another body, or out of its time.
///
/// The input: a byte for the policy, one for what is done to the right headers, what that needs, and the body.
pub fn signature_header(input: &[u8]) {
    let mut input = Input::new(input);
    let policy = input.one_of(&POLICIES);
    let tampering = input.byte() % 7;
    let (which, at, with) = (usize::from(input.byte()), input.number(), input.byte());
    let written = if tampering == 1 { input.line() } else { b"" };
    let body = input.rest();

    let right = (policy.sign)(body);
    let which = which % right.len();
    let (name, value) = &right[which];
    let mut sent = right.clone();
    match tampering {
        // As it is: accepted.
        0 => assert!(policy.accepts(&sent, body, NOW), "{}: the right headers were refused", policy.name),
        // Anything: accepted only when it holds what is right.
        1 => {
            sent[which].1 = written.to_vec();
            if policy.accepts(&sent, body, NOW) {
                assert!(policy.proves(written, value), "{}: {name} was made up", policy.name);
            }
        }
        // One byte changed, put in or taken out.
        2..=4 => {
            let at = at % value.len();
            let changed = &mut sent[which].1;
            match tampering {
                2 => changed[at] = with,
                3 => changed.insert(at, with),
                _ => drop(changed.remove(at)),
            }
            if policy.accepts(&sent, body, NOW) {
                assert!(policy.proves(&sent[which].1, value), "{}: {name} was changed at {at}", policy.name);
            }
        }
        // Twice, the same or another.
        5 => {
            let second = if with % 2 == 0 { value.clone() } else { vec![with] };
            sent.insert(if with % 3 == 0 { which } else { which + 1 }, (name.clone(), second));
            assert!(!policy.accepts(&sent, body, NOW), "{}: {name} came twice", policy.name);
        }
        // Another body, another time.
        _ => {
            let mut other = body.to_vec();
            if other.is_empty() || at % 3 == 0 {
                other.push(with);
            } else {
                let at = at % other.len();
                other[at] ^= with.max(1);
            }
            assert_eq!(policy.accepts(&sent, &other, NOW), !policy.covers_body, "{}: another body", policy.name);
            let late = Duration::from_millis(at as u64 * 100);
            let in_time = policy.tolerance.is_none_or(|tolerance| late <= tolerance);
            assert_eq!(policy.accepts(&sent, body, NOW.after(late)), in_time, "{}: {late:?} late", policy.name);
        }
    }
}

struct Policy {
    name: &'static str,
    authenticity: Authenticity,
    covers_body: bool,
    tolerance: Option<Duration>,
    /// A header may hold several signatures with blanks between.
    list: bool,
    /// The headers that make a delivery of this body authentic at [`NOW`].
    sign: fn(&[u8]) -> Headers,
}

impl Policy {
    /// Over a body that signs: everything about it. One line here adds a policy to all that is tried.
    fn signed(name: &'static str, authenticity: Authenticity, sign: fn(&[u8]) -> Headers) -> Self {
        Self { name, authenticity, covers_body: true, tolerance: None, list: false, sign }
    }

    /// What was sent is what is right, its hex digits in capitals perhaps.
    fn proves(&self, sent: &[u8], right: &[u8]) -> bool {
        let (prefix, digits) = right.split_at(right.len().saturating_sub(64));
        let capitals = [prefix, &digits.to_ascii_uppercase()].concat();
        let is_right = |item: &[u8]| item == right || (right.len() >= 64 && item == capitals);
        if self.list { sent.split(|byte| *byte == b' ').any(is_right) } else { is_right(sent) }
    }

    fn accepts(&self, headers: &Headers, body: &[u8], now: Timestamp) -> bool {
        let mut head = Written::new("POST", "/incode/webhook");
        head.headers.clone_from(headers);
        let judge = |most: usize| {
            let Ok(mut check) = self.authenticity.begin(&head, now) else { return false };
            chunks(body, most).into_iter().for_each(|chunk| check.update(chunk));
            check.finish().is_ok()
        };
        let accepted = judge(64);
        assert_eq!(accepted, judge(1 << 20), "{}: it depends on how the body is cut", self.name);
        accepted
    }
}

fn header(name: &str, value: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (name.to_owned(), value.into())
}

fn secret() -> Secret {
    Secret::from(SECRET)
}

fn hmac(header: &str) -> HmacScheme {
    HmacScheme::new(header, [Secret::from("an older secret, not yet retired"), secret()]).unwrap()
}

fn id_timestamp() -> Authenticity {
    let signed = Signed::IdTimestampBody {
        id_header: "x-id".into(),
        timestamp_header: "x-time".into(),
        tolerance: Duration::from_secs(300),
    };
    Authenticity::hmac(hmac("x-mac").encoding(Encoding::Base64).prefix("v1,").unwrap().signed(signed).unwrap())
}

fn id_timestamp_headers(body: &[u8]) -> Headers {
    let mac = hmac_id_timestamp_base64(&secret(), "msg_1", NOW, body);
    vec![header("x-id", "msg_1"), header("x-time", "1688052828"), header("x-mac", format!("v1,{mac}"))]
}

static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let plain = || Authenticity::header("x-incode-secret", [secret()]).unwrap();
    let hex = || Authenticity::hmac(hmac("x-incode-signature"));
    vec![
        Policy { covers_body: false, ..Policy::signed("header", plain(), |_| vec![header("x-incode-secret", SECRET)]) },
        Policy::signed("hex", hex(), |body| vec![header("x-incode-signature", hmac_hex(&secret(), body))]),
        Policy::signed("base64", Authenticity::hmac(hmac("x-mac").encoding(Encoding::Base64)), |body| {
            vec![header("x-mac", hmac_base64(&secret(), body))]
        }),
        Policy::signed("prefix", Authenticity::hmac(hmac("x-hub").prefix("sha256=").unwrap()), |body| {
            vec![header("x-hub", format!("sha256={}", hmac_hex(&secret(), body)))]
        }),
        Policy {
            tolerance: Some(Duration::from_secs(300)),
            ..Policy::signed("id.timestamp.body", id_timestamp(), id_timestamp_headers)
        },
        Policy::signed("any of", Authenticity::any_of([plain(), hex()]).unwrap(), |body| {
            vec![header("x-incode-signature", hmac_hex(&secret(), body))]
        }),
        Policy::signed("all of", Authenticity::all_of([plain(), hex()]).unwrap(), |body| {
            vec![header("x-incode-secret", SECRET), header("x-incode-signature", hmac_hex(&secret(), body))]
        }),
    ]
});

const SECRET: &str = "a-secret-that-nobody-can-guess";
const NOW: Timestamp = Timestamp::from_secs(1_688_052_828);
