//! From the response to the value or the error.

use std::time::{Duration, SystemTime};

use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, DATE, RETRY_AFTER};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::Error;
use super::retry::retry_after;
use crate::Timestamp;
use crate::model::{ErrorBody, riding_error_body};

/// The answer to a request that the vendor says it has carried out.
pub(super) struct Answer {
    status: u16,
    bytes: Vec<u8>,
    /// `Date` of the answer (RFC 9110, section 6.6.1): the vendor's clock.
    date: Option<Timestamp>,
}

impl Answer {
    /// The body of a 2xx; everything else is an error.
    pub(super) async fn read(response: Response, max_bytes: usize, deadline: Instant) -> Result<Self, Error> {
        let status = response.status();
        let encoded = is_encoded(&response);
        let date = date_of(&response);
        if status.is_success() {
            let status = status.as_u16();
            if encoded {
                return Err(Error::malformed(status, "the vendor's answer is encoded, which was not asked for"));
            }
            let bytes = read_body(response, max_bytes, deadline).await.map_err(|error| error.at(status))?;
            return Ok(Self { status, bytes, date });
        }
        let status = status.as_u16();
        let wait = if matches!(status, 429 | 503) { asked_wait(&response) } else { None };
        // The status line has decided: whatever is wrong with the body costs the body only.
        let body = match encoded {
            true => None,
            false => read_body(response, max_bytes.min(MAX_ERROR_BYTES), deadline).await.ok(),
        };
        Err(Error::refused(status, wait, body.and_then(|bytes| error_body(&bytes))))
    }

    /// The vendor's clock, where it says it.
    pub(super) fn date(&self) -> Option<Timestamp> {
        self.date
    }

    /// As a value in which an `error` is a field like any other.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        if self.bytes.trim_ascii().is_empty() {
            return Err(self.malformed("the vendor's answer is empty"));
        }
        let Some(text) = object(&self.bytes) else {
            return Err(self.malformed("the vendor's answer is no JSON object"));
        };
        // The parser's own words would repeat values of the answer.
        serde_json::from_slice(text).map_err(|_| {
            self.malformed("the vendor's answer does not have the documented shape").with_body(riding_error(text))
        })
    }

    /// As a value in which an `error` has no place, however good the rest looks.
    pub(super) fn decode_without_error<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let value = self.decode()?;
        match riding_error(&self.bytes) {
            Some(body) => Err(self.malformed("the vendor's answer carries an error").with_body(Some(body))),
            None => Ok(value),
        }
    }

    fn malformed(&self, problem: &'static str) -> Error {
        Error::malformed(self.status, problem)
    }
}

async fn read_body(mut response: Response, max_bytes: usize, deadline: Instant) -> Result<Vec<u8>, Error> {
    let status = response.status().as_u16();
    let declared = response.content_length().unwrap_or(0);
    if declared > max_bytes as u64 {
        return Err(Error::too_large(status));
    }
    let mut body = Vec::new();
    loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() > max_bytes => return Err(Error::too_large(status)),
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None)) => return Ok(body),
            Ok(Err(error)) => return Err(Error::transport(error)),
            Err(_) => return Err(Error::timed_out()),
        }
    }
}

/// The body of an answer that is an error by its status.
fn error_body(bytes: &[u8]) -> Option<ErrorBody> {
    let body = serde_json::from_slice(object(bytes)?).ok()?;
    if body == ErrorBody::default() { None } else { Some(body) }
}

/// The error in an answer that is none by its status: an error body, or one beside other fields.
fn riding_error(bytes: &[u8]) -> Option<ErrorBody> {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(default, deserialize_with = "riding_error_body")]
        error: Option<ErrorBody>,
    }
    let beside = serde_json::from_slice::<Probe>(object(bytes)?).ok()?.error?;
    // A text is the `error` of a whole error body, an object is an error body itself.
    Some(error_body(bytes).filter(|whole| whole.error.is_some()).unwrap_or(beside))
}

/// What can be an object at all: serde would also fill a struct from an array, by position.
fn object(bytes: &[u8]) -> Option<&[u8]> {
    Some(bytes.trim_ascii()).filter(|text| text.first() == Some(&b'{'))
}

fn is_encoded(response: &Response) -> bool {
    response.headers().get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn date_of(response: &Response) -> Option<Timestamp> {
    let date = response.headers().get(DATE)?.to_str().ok()?;
    httpdate::parse_http_date(date).ok().map(Timestamp::from)
}

fn asked_wait(response: &Response) -> Option<Duration> {
    retry_after(response.headers().get(RETRY_AFTER)?.to_str().ok()?, SystemTime::now())
}

/// Error bodies of the vendor are a few hundred bytes. A longer one is an HTML page of a proxy.
const MAX_ERROR_BYTES: usize = 64 * 1024;
