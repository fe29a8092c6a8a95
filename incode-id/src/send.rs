//! `send`: a genuine delivery, with the sandbox as the vendor.

mod auth;
mod control;

use std::net::{Ipv4Addr, SocketAddr};

use clap::{Args, ValueEnum};
use reqwest::Url;
use serde_json::{Value, json};

pub(crate) use auth::{Auth, WebhookSecrets, secrets as webhook_secrets};
pub(crate) use control::Control;

use crate::failure::Failure;
use crate::output::Output;
use crate::sandbox;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which event is sent.
    kind: Kind,
    /// Where to: the application's webhook.
    #[arg(long, value_name = "URL")]
    to: Url,
    /// How the delivery authenticates. The secret is that of INCODE_WEBHOOK_SECRETS, or of INCODE_OAUTH_CLIENT_SECRET. By
    /// default the first of INCODE_WEBHOOK_AUTH.
    #[arg(long)]
    auth: Option<Auth>,
    /// The application's token endpoint, for oauth. By default /incode/token of the same host.
    #[arg(long, value_name = "URL")]
    token_url: Option<Url>,
    /// How the check ended.
    #[arg(long, default_value = "pass")]
    outcome: Outcome,
    /// A sandbox that runs already: the one that the application asks (INCODE_HOST). Without it one is started, and ends
    /// with the command.
    #[arg(long, value_name = "URL")]
    sandbox: Option<Url>,
    /// The address of the sandbox that is started.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "sandbox", default_value_t = ANY_PORT)]
    bind: SocketAddr,
    /// Goes on serving until an interrupt, so that the application can ask about the event.
    #[arg(long, conflicts_with = "sandbox")]
    stay: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Verification,
    Authentication,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Outcome {
    Pass,
    Fail,
}

/// A delivery that is refused is a failure of the command.
pub(crate) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let auth = arguments.auth.map_or_else(Auth::from_settings, Ok)?;
    let secrets = auth::secrets(auth, &arguments.to, arguments.token_url.as_ref())?;
    let own = match &arguments.sandbox {
        Some(_) => None,
        None => Some(sandbox::start(arguments.bind).await?),
    };
    let url = own.as_ref().map_or_else(|| arguments.sandbox.as_ref().map(Url::to_string), |own| Some(own.url()));
    let control = Control::at(&url.unwrap_or_default())?;
    control.aim(&arguments.to, &secrets).await?;
    let (number, sent) = event(&control, &arguments).await?;
    let attempt = control.first_attempt(number).await?;
    let accepted = attempt.is_accepted();
    let mut shown = sent;
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("status".into(), json!(attempt.status));
        shown.insert("failure".into(), json!(attempt.failure));
        shown.insert("accepted".into(), json!(accepted));
    }
    output.object(&shown)?;
    if let (Some(own), true) = (&own, arguments.stay) {
        let interrupt = sandbox::interrupt();
        let line = format!("serving as the vendor at {}: end it with an interrupt", own.url());
        output.event(&line, &json!({"serving": own.url()}))?;
        interrupt.await.map_err(Failure::system)?;
    }
    if accepted { Ok(()) } else { Err(Failure::failed(format!("the delivery was refused: {}", attempt.advice()))) }
}

/// A person, a check of theirs, and its event.
async fn event(control: &Control, arguments: &Arguments) -> Result<(u64, Value), Failure> {
    let person = control.post("people", &json!({"name": "Ana Flores", "email": "ana@example.com"})).await?;
    let identity = text(&person, "identityId");
    let fails = arguments.outcome == Outcome::Fail;
    let verifies = arguments.kind == Kind::Verification;
    // A person is enrolled by a verification that passed; only its event is left out here.
    let outcome = if fails && verifies { "fail" } else { "pass" };
    let check = control.post(&format!("people/{identity}/verify"), &json!({"outcome": outcome, "send": false})).await?;
    let verification = text(&check, "verificationId");
    let (id, key) = if verifies {
        (verification, "verificationId")
    } else {
        let id = format!("{verification}-face");
        let status = if fails { "fail" } else { "pass" };
        let body = json!({"id": id, "createdAt": now(), "status": status, "verificationId": verification});
        control.post("authentications", &json!({"identityId": identity, "body": body})).await?;
        (id, "authenticationId")
    };
    let sent = control.post("deliveries", &json!({key: id})).await?;
    let number = sent.get("number").and_then(Value::as_u64).unwrap_or_default();
    let kind = if verifies { "verification.completed" } else { "authentication.completed" };
    Ok((number, json!({"event": kind, "id": id, "identityId": identity})))
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) const HELP: &str = "\
Exit codes: 0 the application accepted the delivery; 1 it refused it, or did not answer; 2 wrong arguments, or a secret is
missing; 4 the sandbox does not answer.

Examples:
  incode-id --env-file incode.env send verification --to http://127.0.0.1:3000/incode/webhook --auth hmac
  incode-id send authentication --to https://app.example/incode/webhook --auth oauth --sandbox http://127.0.0.1:4000";
