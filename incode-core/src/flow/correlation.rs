use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use crate::identity::transition::UsedNonce;
use crate::seal::Sealer;
use crate::{Secret, Subject, Timestamp};

/// Makes and opens correlation ids.
///
/// An id carries subject, expiry and way back, sealed: the vendor, the browser's history and a proxy's log see random
/// characters, every replica can open them, and nothing is stored until one is used.
#[derive(Debug)]
pub(crate) struct Correlations {
    /// Newest first: that one seals, each of them opens.
    sealers: Vec<Sealer>,
    lifetime: Duration,
}

/// What a correlation id said.
#[derive(Debug)]
pub(crate) struct Correlation {
    pub(crate) subject: Subject,
    pub(crate) return_to: String,
    /// When the subject left for the vendor's page.
    pub(crate) began_at: Timestamp,
    /// What is marked as used by the return.
    pub(crate) nonce: UsedNonce,
}

/// Not made here, made with another key, or edited on the way.
#[derive(Debug)]
pub(crate) struct UnknownCorrelation;

impl Correlations {
    pub(crate) fn new(secrets: &[Secret], lifetime: Duration) -> Self {
        Self { sealers: secrets.iter().map(|secret| Sealer::new(secret, "correlation id")).collect(), lifetime }
    }

    /// `None` only when the system has no randomness to give.
    pub(crate) fn make(&self, subject: &Subject, return_to: &str, now: Timestamp) -> Option<String> {
        let (began_at, expires_at) =
            (now.as_millis().to_be_bytes(), now.after(self.lifetime).as_millis().to_be_bytes());
        // A subject has no control characters, so the first NUL ends it.
        let plain =
            [began_at.as_slice(), expires_at.as_slice(), subject.as_str().as_bytes(), b"\0", return_to.as_bytes()]
                .concat();
        self.sealers.first()?.seal(&plain, b"").map(|sealed| BASE64URL_NOPAD.encode(&sealed))
    }

    /// What the id says; the caller compares subject and expiry, and marks it as used.
    pub(crate) fn open(&self, id: &[u8]) -> Result<Correlation, UnknownCorrelation> {
        if id.len() > MAX_LEN {
            return Err(UnknownCorrelation);
        }
        let sealed = BASE64URL_NOPAD.decode(id).map_err(|_| UnknownCorrelation)?;
        let opened = self.sealers.iter().find_map(|sealer| sealer.open(&sealed, b"").ok());
        let (nonce, plain) = opened.ok_or(UnknownCorrelation)?;
        read(nonce, &plain).ok_or(UnknownCorrelation)
    }
}

impl Correlation {
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.nonce.expires_at
    }
}

fn read(nonce: [u8; 24], plain: &[u8]) -> Option<Correlation> {
    let (began_at, rest) = plain.split_first_chunk::<8>()?;
    let (expires_at, rest) = rest.split_first_chunk::<8>()?;
    let (subject, return_to) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
    let time = |bytes: &[u8; 8]| Timestamp::from_millis(i64::from_be_bytes(*bytes));
    Some(Correlation {
        subject: Subject::new(subject).ok()?,
        return_to: return_to.to_owned(),
        began_at: time(began_at),
        nonce: UsedNonce { nonce, expires_at: time(expires_at) },
    })
}

/// Longest id looked at: the longest subject and way back, with room to spare.
const MAX_LEN: usize = 2048;
