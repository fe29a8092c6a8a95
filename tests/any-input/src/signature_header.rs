use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use incode_core::testing::signer::{Signer, hmac_hex};
use incode_core::webhook::{AddressSource, Authenticity, ClientCredentials, Encoding, HmacScheme, Signed};
use incode_core::{Secret, Timestamp};

use crate::head::{Headers, Written};
use crate::input::{Input, chunks};
use crate::token_request::{client, token};

/// Policy, headers and body of a delivery: what the right secret signed is accepted, however the body is cut; whatever
/// else stands in the headers is not, nor a signature twice, over another body, or out of its time.
///
/// The input: a byte for the policy (or for lines of `X-Forwarded-For`), one for what is done to the right headers, what that needs, and the body.
pub fn signature_header(input: &[u8]) {
    let mut input = Input::new(input);
    let which = usize::from(input.byte());
    let Some(policy) = POLICIES.get(which % (POLICIES.len() + 1)) else { return addresses(input) };
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
            // Also behind the last one.
            let at = at % (value.len() + usize::from(tampering == 3));
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
            let in_time = late <= policy.in_time;
            assert_eq!(policy.accepts(&sent, body, NOW.after(late)), in_time, "{}: {late:?} late", policy.name);
        }
    }
}

type Sign = dyn Fn(&[u8]) -> Headers + Send + Sync;

struct Policy {
    name: &'static str,
    authenticity: Authenticity,
    /// The headers that make a delivery of this body authentic at [`NOW`].
    sign: Box<Sign>,
    covers_body: bool,
    /// So much later they still are.
    in_time: Duration,
    /// A header may hold several signatures with blanks between.
    list: bool,
}

impl Policy {
    fn signed_by(name: &'static str, authenticity: Authenticity, signers: impl Into<Vec<Signer>>) -> Self {
        let signers = signers.into();
        Self::new(name, authenticity, move |body| {
            signers.iter().flat_map(|signer| signer.headers_at(body, "msg_1", NOW)).collect()
        })
    }

    fn new(
        name: &'static str,
        authenticity: Authenticity,
        sign: impl Fn(&[u8]) -> Vec<(String, String)> + Send + Sync + 'static,
    ) -> Self {
        let sign = move |body: &[u8]| sign(body).into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        Self { name, authenticity, sign: Box::new(sign), covers_body: true, in_time: Duration::MAX, list: false }
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

    /// What was sent is what is right, its hex digits in capitals perhaps, or the scheme before it in letters of any case.
    fn proves(&self, sent: &[u8], right: &[u8]) -> bool {
        let (prefix, digits) = right.split_at(right.len().saturating_sub(64));
        let capitals = [prefix, &digits.to_ascii_uppercase()].concat();
        let is_right = |item: &[u8]| {
            item == right
                || (right.len() >= 64 && item == capitals)
                || bearer(right).is_some() && bearer(item) == bearer(right)
        };
        if self.list { sent.split(|byte| *byte == b' ').any(is_right) } else { is_right(sent) }
    }
}

/// The token behind the scheme, with as many blanks between as there are.
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.trim_ascii().split_at_checked(6)?;
    let is_it = scheme.eq_ignore_ascii_case(b"bearer") && token.starts_with(b" ");
    is_it.then(|| token.trim_ascii_start())
}

/// The sender's address behind one proxy: the last one of the header, whatever comes before it.
fn addresses(mut input: Input<'_>) {
    let mut head = Written::new("POST", "/incode/webhook");
    head.peer = Some(IpAddr::from([192, 0, 2, 1]));
    while !input.is_empty() {
        head = head.with("x-forwarded-for", input.line());
    }
    let last = head.headers.last().and_then(|(_, value)| value.split(|byte| *byte == b',').next_back());
    let address = last.and_then(|text| std::str::from_utf8(text.trim_ascii()).ok()?.parse::<IpAddr>().ok());
    let known = address.is_some_and(|address| match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().starts_with(&[192, 0, 2]),
        IpAddr::V6(v6) => v6.segments().starts_with(&[0x2001, 0xdb8]),
    });
    assert_eq!(NETWORKS.begin(&head, NOW).is_ok(), known, "{:?}", head.headers);
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
        tolerance: Duration::from_secs(10),
    };
    Authenticity::hmac(hmac("x-mac").encoding(Encoding::Base64).signed(signed).unwrap())
}

/// A line adds a policy to all that is tried.
static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let header = || Authenticity::header("x-incode-secret", [secret()]).unwrap();
    let hex = || Authenticity::hmac(hmac("x-incode-signature"));
    let plain_signer = || Signer::header("x-incode-secret", secret());
    let hex_signer = || Signer::hmac("x-incode-signature", secret());
    let standard = Secret::from(WHSEC);
    let bearer = Signer::bearer(&token(NOW));
    // A millisecond later it has expired.
    let lifetime = ClientCredentials::LIFETIME + ClientCredentials::GRACE - Duration::from_millis(1);
    vec![
        Policy { covers_body: false, ..Policy::signed_by("header", header(), [plain_signer()]) },
        Policy::signed_by("hex", hex(), [hex_signer()]),
        Policy::signed_by(
            "base64",
            Authenticity::hmac(hmac("x-mac").encoding(Encoding::Base64)),
            [Signer::hmac_base64("x-mac", secret())],
        ),
        Policy::new("prefix", Authenticity::hmac(hmac("x-hub").prefix("sha256=").unwrap()), |body| {
            vec![("x-hub".to_owned(), format!("sha256={}", hmac_hex(&secret(), body)))]
        }),
        Policy {
            in_time: Duration::from_secs(10),
            ..Policy::signed_by(
                "id.timestamp.body",
                id_timestamp(),
                [Signer::id_timestamp("x-id", "x-time", "x-mac", secret())],
            )
        },
        Policy::signed_by("any of", Authenticity::any_of([header(), hex()]).unwrap(), [hex_signer()]),
        Policy::signed_by("all of", Authenticity::all_of([header(), hex()]).unwrap(), [plain_signer(), hex_signer()]),
        Policy {
            in_time: HmacScheme::TOLERANCE,
            list: true,
            ..Policy::signed_by(
                "Standard Webhooks",
                Authenticity::hmac(HmacScheme::standard_webhooks([standard.clone()]).unwrap()),
                [Signer::standard_webhooks(&standard)],
            )
        },
        Policy {
            covers_body: false,
            in_time: lifetime,
            ..Policy::signed_by("bearer", Authenticity::oauth(client()), [bearer])
        },
    ]
});

static NETWORKS: LazyLock<Authenticity> = LazyLock::new(|| {
    let networks = Authenticity::addresses(["192.0.2.0/24", "2001:db8::/32"]).unwrap();
    networks.with_address_source(AddressSource::peer().behind_proxies(1))
});

const SECRET: &str = "a-secret-that-nobody-can-guess";
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: Timestamp = Timestamp::from_secs(1_688_052_828);
