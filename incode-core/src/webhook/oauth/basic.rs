//! HTTP Basic as OAuth has it (RFC 6749, section 2.3.1): both halves form-encoded inside, though many clients leave
//! that out.

use std::borrow::Cow;

use data_encoding::BASE64;
use percent_encoding::percent_decode;
use zeroize::Zeroizing;

use crate::http::credentials;

/// What an `Authorization` header presents, in base64 decoded bytes.
pub(super) struct Presented {
    pair: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl Presented {
    /// Strict: padded base64, a colon inside.
    pub(super) fn read(authorization: &[u8]) -> Option<Self> {
        let text = credentials(authorization, "basic").filter(|text| text.len() <= MAX_LEN)?;
        let pair = Zeroizing::new(BASE64.decode(text).ok()?);
        let colon = pair.iter().position(|byte| *byte == b':')?;
        Some(Self { pair, colon })
    }

    /// Client id and secret in both readings: as they were sent, and form-decoded. They are the same for what needs no
    /// encoding.
    pub(super) fn readings(&self) -> [Reading; 2] {
        let (id, secret) = self.pair.split_at(self.colon);
        let secret = secret.get(1..).unwrap_or_default();
        let sent = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
        [Reading { id: sent(id), secret: sent(secret) }, Reading { id: form_decoded(id), secret: form_decoded(secret) }]
    }
}

/// One way to read the header.
pub(super) struct Reading {
    pub(super) id: Zeroizing<Vec<u8>>,
    pub(super) secret: Zeroizing<Vec<u8>>,
}

fn form_decoded(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let blanks: Zeroizing<Vec<u8>> =
        Zeroizing::new(bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect());
    Zeroizing::new(Cow::from(percent_decode(&blanks)).into_owned())
}

/// The longest base64 looked at, in bytes.
const MAX_LEN: usize = 4096;
