use std::fmt;
use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::http::{Field, RequestHead};
use crate::secret::is_visible_ascii;
use crate::webhook::Rejection;
use crate::{Secret, Timestamp};

use super::{PolicyError, PolicyErrorKind, header_name, standard, strong};

/// A signature made with HMAC-SHA256: where it is, how it is written, what it covers.
///
/// ```
/// use incode_core::webhook::{Encoding, HmacScheme, Signed};
/// use incode_core::Secret;
/// use std::time::Duration;
///
/// let scheme = HmacScheme::new("x-signature", [Secret::from("an example: 24 bytes or more")])?
///     .encoding(Encoding::Base64)
///     .prefix("sha256=")?
///     .signed(Signed::IdTimestampBody {
///         id_header: "x-id".into(),
///         timestamp_header: "x-timestamp".into(),
///         tolerance: Duration::from_secs(300),
///     })?;
/// # let _ = scheme;
/// # Ok::<(), incode_core::webhook::PolicyError>(())
/// ```
#[derive(Clone)]
pub struct HmacScheme {
    header: Box<str>,
    encoding: Encoding,
    prefix: Box<str>,
    /// The header holds a list, each entry with its own prefix, as Standard Webhooks has it.
    list: bool,
    signed: Signed,
    /// Keyed once, cloned for each delivery: that saves half of the work on a body of 300 bytes. Never empty.
    keyed: (HmacSha256, Vec<HmacSha256>),
}

/// How a signature is written. Read strictly: a signature has one accepted form, so that a proxy in front and the code
/// behind never read the same header in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 64 digits, all lower case or all upper case.
    Hex,
    /// 44 characters of the standard alphabet, the last one `=`.
    Base64,
}

/// What a signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signed {
    /// The body alone. A party that saw a delivery can send it again at any time.
    Body,
    /// `id.timestamp.body`, as Standard Webhooks has it.
    IdTimestampBody {
        /// The header with the id: up to 256 visible ASCII characters without a full stop, which would leave open
        /// where the id ends.
        id_header: String,
        /// The header with the time: whole seconds since 1970, digits only.
        timestamp_header: String,
        /// How far the time may be from ours, in the past or in the future; exact at the bound.
        tolerance: Duration,
    },
}

impl HmacScheme {
    /// Hex, without a prefix, over the body.
    ///
    /// # Errors
    /// An illegal header name; no secret, or one that is too short.
    pub fn new(header: &str, secrets: impl IntoIterator<Item = Secret>) -> Result<Self, PolicyError> {
        let header = header_name(header)?;
        let mut keyed = Vec::new();
        for secret in strong(secrets)? {
            // HMAC takes keys of any length; the error is there for other MACs.
            keyed.push(
                HmacSha256::new_from_slice(secret.expose()).map_err(|_| PolicyError(PolicyErrorKind::IllegalSecret))?,
            );
        }
        let first = keyed.pop().ok_or(PolicyError(PolicyErrorKind::NoSecret))?;
        let (encoding, signed) = (Encoding::Hex, Signed::Body);
        Ok(Self { header, encoding, prefix: "".into(), list: false, signed, keyed: (first, keyed) })
    }

    /// Changes how the signature is written.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Text in front of the signature, for instance `sha256=`. It is then required, and compared with case.
    ///
    /// # Errors
    /// Characters that are not visible ASCII.
    pub fn prefix(mut self, prefix: &str) -> Result<Self, PolicyError> {
        if !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PolicyError(PolicyErrorKind::IllegalPrefix));
        }
        self.prefix = prefix.into();
        Ok(self)
    }

    /// Changes what the signature covers.
    ///
    /// # Errors
    /// An illegal header name.
    pub fn signed(mut self, mut signed: Signed) -> Result<Self, PolicyError> {
        if let Signed::IdTimestampBody { id_header, timestamp_header, .. } = &mut signed {
            *id_header = header_name(id_header)?.into();
            *timestamp_header = header_name(timestamp_header)?.into();
        }
        self.signed = signed;
        Ok(self)
    }

    pub(super) fn in_a_list(mut self) -> Self {
        self.list = true;
        self
    }

    #[inline]
    pub(super) fn begin(&self, head: &dyn RequestHead, now: Timestamp) -> Result<PendingHmac, Rejection> {
        let value = one(head, &self.header)?;
        let (claimed, also_claimed) =
            if self.list { standard::claims(self, value)? } else { (self.claimed(value)?, Vec::new()) };
        let (first, others) = &self.keyed;
        let mut pending = PendingHmac { claimed, also_claimed, first: first.clone(), others: others.clone() };
        if let Signed::IdTimestampBody { id_header, timestamp_header, tolerance } = &self.signed {
            let id = one(head, id_header)?;
            if id.is_empty() || id.len() > MAX_ID || id.contains(&b'.') || !is_visible_ascii(id) {
                return Err(Rejection::unauthentic("the id of the delivery is illegal"));
            }
            let timestamp = one(head, timestamp_header)?;
            within(timestamp, now, *tolerance)?;
            for part in [id, b".", timestamp, b"."] {
                pending.update(part);
            }
        }
        Ok(pending)
    }

    /// The text after the prefix; `None` without the prefix.
    pub(super) fn unprefixed<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        // Comparing with an empty prefix would be right too, but costs some 80 ns where memcmp is written in AVX-512:
        // an empty box points nowhere, and a masked load from nowhere is slow.
        if self.prefix.is_empty() { Some(value) } else { value.strip_prefix(self.prefix.as_bytes()) }
    }

    pub(super) fn claimed(&self, value: &[u8]) -> Result<[u8; 32], Rejection> {
        let decoded = self.unprefixed(value).and_then(|text| match self.encoding {
            Encoding::Hex => hex(text),
            Encoding::Base64 => base64(text),
        });
        decoded.ok_or(Rejection::unauthentic("the signature is badly encoded"))
    }
}

/// Shows how a signature is made, nothing of the keys.
impl fmt::Debug for HmacScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacScheme")
            .field("header", &self.header)
            .field("encoding", &self.encoding)
            .field("prefix", &self.prefix)
            .field("signed", &self.signed)
            .finish_non_exhaustive()
    }
}

/// A signature that waits for the rest of what it covers.
pub(super) struct PendingHmac {
    claimed: [u8; 32],
    /// Where a list of signatures is sent; apart, as below.
    also_claimed: Vec<[u8; 32]>,
    /// Apart from the others, so that the usual case of one secret allocates nothing.
    first: HmacSha256,
    others: Vec<HmacSha256>,
}

impl PendingHmac {
    #[inline]
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.first.update(bytes);
        self.others.iter_mut().for_each(|other| other.update(bytes));
    }

    /// Every secret is tried with every signature, also after one that fits: which it was doesn't show in the time.
    #[inline]
    pub(super) fn matches(self) -> bool {
        let claims = (&self.claimed, &self.also_claimed);
        let fits = |mac: HmacSha256| {
            let made = words(&mac.finalize().into_bytes().into());
            let equals = |claimed| made.ct_eq(&words(claimed));
            claims.1.iter().fold(equals(claims.0), |fits, claimed| fits | equals(claimed)).into()
        };
        self.others.into_iter().fold(fits(self.first), |matches, other| matches | fits(other))
    }
}

/// Compared in constant time like the bytes, but eight at a time: each comparison is kept from the optimiser by itself.
fn words(mac: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(mac.as_chunks().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

type HmacSha256 = Hmac<Sha256>;

/// The longest id that is taken into a signature, in bytes.
const MAX_ID: usize = 256;

/// The one value of a header. Each use is stricter than ASCII by itself.
fn one<'a>(head: &'a dyn RequestHead, name: &str) -> Result<&'a [u8], Rejection> {
    match head.header(name) {
        Field::One(value) => Ok(value),
        Field::Missing => Err(Rejection::unauthentic("a header of the signature is missing")),
        Field::Many => Err(Rejection::unauthentic("a header of the signature is given twice")),
    }
}

/// 64 digits of one case. Every digit is looked at in the same way, whatever it is, so that the compiler takes many at a
/// time.
pub(super) fn hex(text: &[u8]) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.try_into().ok()?;
    let mut values = [0; 64];
    let (mut illegal, mut lower, mut upper) = (false, false, false);
    for (value, byte) in values.iter_mut().zip(digits) {
        let [number, low, up] = [b'0', b'a', b'A'].map(|first| byte.wrapping_sub(first));
        illegal |= (number > 9) & (low > 5) & (up > 5);
        lower |= low <= 5;
        upper |= up <= 5;
        *value = if number <= 9 { number } else { (byte & 0x0f).wrapping_add(9) };
    }
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(values.as_chunks().0) {
        *byte = high << 4 | low;
    }
    let is_mixed = lower && upper;
    if illegal || is_mixed { None } else { Some(bytes) }
}

fn base64(text: &[u8]) -> Option<[u8; 32]> {
    // Base64 announces up to two bytes more than it decodes to.
    let mut buffer = [0; 34];
    let room = BASE64.decode_len(text.len()).ok()?;
    let decoded = BASE64.decode_mut(text, buffer.get_mut(..room)?).ok()?;
    buffer.get(..decoded)?.try_into().ok()
}

fn within(timestamp: &[u8], now: Timestamp, tolerance: Duration) -> Result<(), Rejection> {
    let digits = timestamp.iter().all(u8::is_ascii_digit);
    let secs = std::str::from_utf8(timestamp).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    let Some(at) = secs.map(Timestamp::from_secs) else {
        return Err(Rejection::unauthentic("the time of the delivery is no number of seconds"));
    };
    if now.since(at) > tolerance || at.since(now) > tolerance {
        return Err(Rejection::unauthentic("the time of the delivery is too far from ours"));
    }
    Ok(())
}
