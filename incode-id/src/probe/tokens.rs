//! What a token opens, and for how long.

use std::time::{Duration, Instant};

use incode_core::adapter::Deployment;
use incode_core::client::Exchange;
use incode_core::{ObjectId, Token};
use serde_json::Value;

use super::Plan;
use crate::output::Output;

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// `None`: no complete answer.
    pub(super) http: Option<u16>,
    /// The member `status` of the body.
    pub(super) status: Option<String>,
    /// The member `createdAt`, as JSON.
    pub(super) created_at: Option<String>,
    /// Content type and encoding, and whether there is a `Date`.
    pub(super) form: String,
}

/// What was found about a token.
pub(super) struct Tested {
    pub(super) first: Answer,
    pub(super) second: Answer,
    /// Its own verification or authentication.
    pub(super) own: Option<Answer>,
    /// An id that no object has.
    pub(super) made_up: Answer,
    /// The verification of another person.
    pub(super) other: Option<Answer>,
    /// userinfo with the token of another client.
    pub(super) foreign: Option<Answer>,
    pub(super) life: Option<Life>,
}

/// Since the token was received. The true life is in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) accepted: Duration,
    /// `None`: it lived as long as it was watched.
    pub(super) refused: Option<Duration>,
}

pub(super) struct Tester<'a> {
    pub(super) deployment: &'a Deployment,
    pub(super) plan: &'a Plan,
    pub(super) output: &'a Output,
}

impl Tester<'_> {
    /// `object`: the event of the check, as its path.
    pub(super) async fn test(&self, token: &Token, received: Instant, object: Option<&str>, watch: bool) -> Tested {
        let userinfo = "userinfo";
        let first = self.ask(userinfo, token).await;
        let begun = Instant::now();
        let second = self.ask(userinfo, token).await;
        let own = match object {
            Some(path) => Some(self.ask(path, token).await),
            None => None,
        };
        let made_up = self.ask("verification/000000000000000000000000", token).await;
        let other = match &self.plan.other_id {
            Some(id) => Some(self.ask(&format!("verification/{}", path_segment(id)), token).await),
            None => None,
        };
        let foreign = match &self.plan.foreign {
            Some(foreign) => Some(self.ask(userinfo, foreign).await),
            None => None,
        };
        let lives = first.http == Some(200) && second.http == Some(200);
        let life = if watch && lives { Some(self.watch(token, received, begun).await) } else { None };
        Tested { first, second, own, made_up, other, foreign, life }
    }

    /// Asks again and again until the token is refused.
    async fn watch(&self, token: &Token, received: Instant, begun: Instant) -> Life {
        let mut accepted = begun.duration_since(received);
        while received.elapsed() < self.plan.life {
            self.output.progress(&format!("the token lives: {} s", received.elapsed().as_secs()));
            tokio::time::sleep(self.plan.every).await;
            let sent = Instant::now();
            match self.ask("userinfo", token).await.http {
                Some(200) => accepted = sent.duration_since(received),
                Some(401) => return Life { accepted, refused: Some(received.elapsed()) },
                // The vendor is away, or counts: that says nothing of the token.
                _ => {}
            }
        }
        Life { accepted, refused: None }
    }

    pub(super) async fn ask(&self, path: &str, token: &Token) -> Answer {
        match self.deployment.client().exchange(path, token).await {
            Ok(exchange) => read(&exchange),
            Err(_) => Answer { http: None, status: None, created_at: None, form: "no complete answer".to_owned() },
        }
    }
}

fn read(exchange: &Exchange) -> Answer {
    let body: Value = serde_json::from_slice(exchange.body()).unwrap_or_default();
    let header = |name: &str| exchange.header(name).unwrap_or("none").to_owned();
    let is_dated = if exchange.header("date").is_some() { "with Date" } else { "without Date" };
    Answer {
        http: Some(exchange.status()),
        // A number is an error's own.
        status: body.get("status").and_then(Value::as_str).map(str::to_owned),
        created_at: body.get("createdAt").map(Value::to_string),
        form: format!(
            "content-type {}, content-encoding {}, {is_dated}",
            header("content-type"),
            header("content-encoding")
        ),
    }
}

/// All but unreserved characters (RFC 3986) percent-encoded.
pub(super) fn path_segment(id: &ObjectId) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    id.as_str().bytes().map(encode).collect()
}
