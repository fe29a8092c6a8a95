//! The control API of a sandbox.

use std::time::{Duration, Instant};

use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::WebhookSecrets;
use crate::failure::Failure;
use crate::http;

/// A sandbox, in this process or another one.
pub(crate) struct Control {
    base: Url,
    http: reqwest::Client,
}

/// The first try of a delivery.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) status: Option<u16>,
    /// Why there is none: `timeout`, `connect`, `transport`, `oauth`.
    pub(crate) failure: Option<String>,
    state: String,
}

impl Control {
    pub(crate) fn at(sandbox: &str) -> Result<Self, Failure> {
        let base = Url::parse(sandbox).and_then(|url| url.join("/control/api/"));
        Ok(Self { base: base.map_err(|_| Failure::arguments("--sandbox is no URL"))?, http: http::client()? })
    }

    /// Sets where deliveries go, and how they authenticate.
    pub(crate) async fn aim(&self, to: &Url, auth: &WebhookSecrets) -> Result<(), Failure> {
        self.call(Method::PUT, "webhook", Some(&json!({"url": to.as_str(), "auth": auth.0}))).await.map(drop)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Waits until a delivery was tried.
    pub(crate) async fn first_attempt(&self, number: u64) -> Result<Attempt, Failure> {
        let begun = Instant::now();
        loop {
            let all = self.call(Method::GET, "deliveries", None).await?;
            let is_ours = |delivery: &&Value| delivery.get("number").and_then(Value::as_u64) == Some(number);
            let delivery = all.as_array().and_then(|all| all.iter().find(is_ours));
            if let Some(attempt) = delivery.and_then(first_attempt) {
                return Ok(attempt);
            }
            if begun.elapsed() > LONGEST_TRY {
                return Err(Failure::unavailable("the sandbox did not send the delivery"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let url = self.base.join(path).map_err(|_| Failure::arguments("--sandbox is no URL"))?;
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let unavailable = |error| Failure::unavailable(format!("the sandbox does not answer: {}", http::cause(error)));
        let answer = request.send().await.map_err(unavailable)?;
        let status = answer.status();
        let text = answer.bytes().await.map_err(unavailable)?;
        let value: Value = serde_json::from_slice(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let why = value.get("error").and_then(Value::as_str).unwrap_or("is it a sandbox?").to_owned();
        Err(Failure::failed(format!("the sandbox answered {}: {why}", status.as_u16())))
    }
}

impl Attempt {
    /// What the vendor takes for an acknowledgement.
    pub(crate) fn is_accepted(&self) -> bool {
        self.state == "accepted"
    }

    /// What to do about a refusal.
    pub(crate) fn advice(&self) -> String {
        let status = self.status.map(|status| format!("HTTP {status}")).unwrap_or_default();
        match (self.status, self.failure.as_deref()) {
            (_, Some("oauth")) => {
                "the token endpoint gave no token: does the application answer there (/incode/token, or --token-url), is \
                 its certificate trusted, and do INCODE_OAUTH_CLIENT_ID and INCODE_OAUTH_CLIENT_SECRET fit the \
                 application's?"
                    .to_owned()
            }
            (_, Some(failure)) => format!("no answer ({failure}): does the application run, and is the URL right?"),
            (Some(401), _) => format!("{status}: the application has another secret or another way of authentication"),
            (Some(404), _) => format!("{status}: the application has no webhook at this path (INCODE_WEBHOOK_PATH)"),
            (Some(400), _) => format!("{status}: it was authenticated, and this path does not take this event"),
            (Some(503), _) => {
                format!("{status}: the application could not keep the event: look at its store and its log")
            }
            (Some(200..=299), _) => format!("{status}: only 204, or 200 with application/json, is an acknowledgement"),
            _ => format!("{status}: is something else in front of the application?"),
        }
    }
}

fn first_attempt(delivery: &Value) -> Option<Attempt> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let state = text(delivery.get("state"))?;
    let first = delivery.get("attempts")?.as_array()?.first()?;
    let status = first.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    Some(Attempt { status, failure: text(first.get("failure")), state })
}

/// A try of the sandbox ends after ten seconds.
const LONGEST_TRY: Duration = Duration::from_secs(30);
