//! The vendor's four API calls over HTTPS: headers, deadlines, caps, a few retries, and an error kind for each cause.
//!
//! The API key and the token go to the configured host alone: https (plain http to loopback only), no redirect is
//! followed, answers are capped and never decompressed.
//!
//! ```
//! use incode_core::{Secret, client::Client};
//! # fn main() -> Result<(), incode_core::ConfigError> {
//! let client = Client::builder("https://incode.example", Secret::from("the-key")).build()?;
//! assert!(Client::builder("http://incode.example", Secret::from("the-key")).build().is_err());
//! # Ok(())
//! # }
//! ```

mod answer;
mod builder;
mod error;
mod no_tls;
mod retry;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout_at};

pub use builder::ClientBuilder;
pub use error::{Error, ErrorKind};

use self::answer::Answer;
use crate::model::{Authentication, FaceAuthentication, FaceAuthenticationRequest, UserInfo, Verification};
use crate::time::TimeSource;
use crate::{ObjectId, Secret, Timestamp, Token};

/// The vendor's API at one host with one key. Cheap to clone: everything is behind one `Arc`, connections included.
///
/// What is true of an answer is true of the instant *before* the call: record it there.
///
/// ```
/// use incode_core::client::{Client, ErrorKind};
/// use incode_core::Token;
/// use incode_sandbox::{NewPerson, Sandbox};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::builder().start().await?; // with the real vendor: its host and your API key
/// let client = Client::builder(&sandbox.url(), sandbox.api_key()).build()?;
///
/// let ana = sandbox.add_person(NewPerson::named("Ana Flores"));
/// let check = sandbox.verify(&ana.identity_id)?;
/// let person = client.userinfo(&Token::new(check.token)?).await?;
/// assert_eq!(person.identity_id.as_str(), ana.identity_id);
///
/// let made_up = client.userinfo(&Token::new("no-token-of-the-vendor")?).await;
/// assert_eq!(made_up.unwrap_err().kind(), ErrorKind::Unauthorized);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

impl Client {
    /// Starts a client for the API at `base_url` (a path prefix is kept) with the `x-api-key` that the vendor issued.
    pub fn builder(base_url: &str, api_key: impl Into<Secret>) -> ClientBuilder {
        ClientBuilder::new(base_url, api_key.into())
    }

    /// The person of the token, and the status of their identity (spec: "Get User Info").
    ///
    /// # Errors
    /// [`Error`]; a transport error or a 5xx only after the retries were spent.
    pub async fn userinfo(&self, token: &Token) -> Result<UserInfo, Error> {
        self.fetch("userinfo", self.url("userinfo"), token).await
    }

    /// [`userinfo`](Self::userinfo), with the times of the exchange. `sent_at` is asked for again before each attempt:
    /// that of a failed attempt would be too early, and an older answer of another caller would seem to be the newer.
    pub(crate) async fn userinfo_at(&self, time: &dyn TimeSource, token: &Token) -> Result<TimedUserInfo, Error> {
        let mut sent_at = None;
        let (person, vendor_now) =
            self.fetch_at("userinfo", self.url("userinfo"), token, Some((time, &mut sent_at))).await?;
        let sent_at = sent_at.ok_or_else(|| Error::unsendable("the store gave no time"))?;
        Ok(TimedUserInfo { person, sent_at, vendor_now: vendor_now.unwrap_or(sent_at) })
    }

    /// A verification (spec: "Get Verification Data").
    ///
    /// # Errors
    /// [`Error`]; a transport error or a 5xx only after the retries were spent.
    pub async fn verification(&self, id: &ObjectId, token: &Token) -> Result<Verification, Error> {
        self.fetch("verification", self.url(&format!("verification/{}", path_segment(id))), token).await
    }

    /// An authentication (spec: "Get Authentication Data").
    ///
    /// # Errors
    /// [`Error`]; a transport error or a 5xx only after the retries were spent.
    pub async fn authentication(&self, id: &ObjectId, token: &Token) -> Result<Authentication, Error> {
        self.fetch("authentication", self.url(&format!("authentication/{}", path_segment(id))), token).await
    }

    /// Has a face authenticated (spec: "Face Authentication"). Sent once, whatever happens: whether a lost answer was a
    /// pass is not ours to try again.
    ///
    /// The spec wants `X-Incode-Hardware-Id` on every call and names no token for this one. Without a `token` the header
    /// carries [`ClientBuilder::hardware_id`].
    ///
    /// # Errors
    /// [`Error`]. An answer that says fail is no error: ask [`FaceAuthentication::passed`].
    pub async fn authenticate(
        &self,
        token: Option<&Token>,
        request: &FaceAuthenticationRequest,
    ) -> Result<FaceAuthentication, Error> {
        let hardware_id = token.map_or_else(|| Ok(self.shared.hardware_id.clone()), header_of)?;
        let body = serde_json::to_vec(request).map_err(|_| Error::unsendable("the request is no JSON"))?;
        let mut post = self.request(Method::POST, self.url("authenticate"), hardware_id);
        *post.body_mut() = Some(body.into());
        self.attempt("authenticate", post, Instant::now() + self.shared.attempt_timeout).await?.decode()
    }

    /// The API key, to derive a key from where the application gave none to seal with.
    pub(crate) fn api_key(&self) -> Secret {
        let key = self.shared.headers.get(API_KEY).map(HeaderValue::as_bytes);
        Secret::new(key.unwrap_or_default())
    }

    /// How long a GET may take with its retries.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.shared.call_timeout
    }

    async fn fetch<T: DeserializeOwned>(&self, call: &'static str, url: Url, token: &Token) -> Result<T, Error> {
        self.fetch_at(call, url, token, None).await.map(|(value, _)| value)
    }

    /// A GET with its retries. Before each attempt the time is asked for and kept, where a source is given. The second
    /// value is the `Date` of the answer.
    async fn fetch_at<T: DeserializeOwned>(
        &self,
        call: &'static str,
        url: Url,
        token: &Token,
        mut time: Option<(&dyn TimeSource, &mut Option<Timestamp>)>,
    ) -> Result<(T, Option<Timestamp>), Error> {
        let hardware_id = header_of(token)?;
        let give_up = Instant::now() + self.shared.call_timeout;
        let mut retries = 0;
        loop {
            let get = self.request(Method::GET, url.clone(), hardware_id.clone());
            if let Some((source, sent_at)) = &mut time {
                **sent_at = source.ask().await;
                if sent_at.is_none() {
                    return Err(Error::unsendable("the store gave no time"));
                }
            }
            let deadline = give_up.min(Instant::now() + self.shared.attempt_timeout);
            let error = match self.attempt(call, get, deadline).await {
                Ok(answer) => return answer.decode_without_error().map(|value| (value, answer.date())),
                Err(error) => error,
            };
            match self.shared.retry.wait(retries, &error) {
                Some(wait) if Instant::now() + wait < give_up => sleep(wait).await,
                _ => return Err(error),
            }
            retries += 1;
        }
    }

    /// One request, one answer.
    async fn attempt(&self, call: &'static str, request: Request, deadline: Instant) -> Result<Answer, Error> {
        let begun = Instant::now();
        let answer = match timeout_at(deadline, self.shared.http.execute(request)).await {
            Ok(Ok(response)) => Answer::read(response, self.shared.max_answer_bytes, deadline).await,
            Ok(Err(error)) => Err(Error::transport(error)),
            Err(_) => Err(Error::timed_out()),
        };
        let outcome = answer.as_ref().map_or_else(|error| error.kind().as_str(), |_| "answered");
        metrics::histogram!("incode_vendor_seconds", "call" => call, "outcome" => outcome)
            .record(begun.elapsed().as_secs_f64());
        answer
    }

    fn request(&self, method: Method, url: Url, hardware_id: HeaderValue) -> Request {
        let mut request = Request::new(method, url);
        *request.headers_mut() = self.shared.headers.clone();
        request.headers_mut().insert(HARDWARE_ID, hardware_id);
        request
    }

    /// `path` is already percent-encoded.
    fn url(&self, path: &str) -> Url {
        let mut url = self.shared.base_url.clone();
        url.set_path(&format!("{}/omni/incode-id/{path}", url.path().trim_end_matches('/')));
        url
    }
}

/// userinfo with the times of the exchange.
pub(crate) struct TimedUserInfo {
    /// What the vendor said.
    pub(crate) person: UserInfo,
    /// The instant before the request was sent that was answered: the answer is at least as new.
    pub(crate) sent_at: Timestamp,
    /// The vendor's own clock, by the `Date` of the answer; ours where it sends none.
    pub(crate) vendor_now: Timestamp,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base_url", &self.shared.base_url.as_str()).finish_non_exhaustive()
    }
}

struct Shared {
    http: reqwest::Client,
    base_url: Url,
    /// What every call carries, the API key included and marked as sensitive.
    headers: HeaderMap,
    hardware_id: HeaderValue,
    attempt_timeout: Duration,
    call_timeout: Duration,
    max_answer_bytes: usize,
    retry: retry::RetryPolicy,
}

/// Without the token: the one header that differs between calls.
fn common_headers(api_key: HeaderValue) -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    HeaderMap::from_iter([
        (API_VERSION, HeaderValue::from_static("1.0")),
        (API_KEY, api_key),
        (CONTENT_TYPE, json.clone()),
        (reqwest::header::ACCEPT, json),
    ])
}

fn header_of(token: &Token) -> Result<HeaderValue, Error> {
    let mut value =
        HeaderValue::from_str(token.expose()).map_err(|_| Error::unsendable("the token is no header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn path_segment(id: &ObjectId) -> String {
    utf8_percent_encode(id.as_str(), RESERVED).to_string()
}

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const API_VERSION: HeaderName = HeaderName::from_static("api-version");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const HARDWARE_ID: HeaderName = HeaderName::from_static("x-incode-hardware-id");
