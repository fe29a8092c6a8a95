//! What to enter where in the vendor's dashboard.

use std::path::Path;

use serde_json::{Value, json};

use super::{Auth, Plan, secrets};
use crate::failure::Failure;
use crate::output::Output;

/// Values that are no secret are shown; of a secret, the variable that has it.
pub(super) fn show(
    plan: &Plan,
    variables: &[(&'static str, String)],
    file: &Path,
    output: &Output,
) -> Result<(), Failure> {
    output.text("")?;
    output.text("Enter at the vendor:")?;
    output.list(&["field", "value"], &rows(plan, variables, file))
}

pub(super) fn rows(plan: &Plan, variables: &[(&'static str, String)], file: &Path) -> Vec<Value> {
    let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    let base = plan.public_url.trim_end_matches('/');
    let url = |path: &str| format!("{base}{path}");
    let secret = |name: &str| format!("the value of {name} in {}", file.display());
    let mut rows = Vec::new();
    let mut row = |field: &str, value: String| rows.push(json!({"field": field, "value": value}));
    match value("INCODE_WEBHOOK_PATH") {
        Some(path) => row("webhook URL, for both events", url(path)),
        None => {
            let path = |kind: &str| value(kind).map(&url).unwrap_or_default();
            row("webhook URL of verification.completed", path("INCODE_WEBHOOK_PATH_VERIFICATION"));
            row("webhook URL of authentication.completed", path("INCODE_WEBHOOK_PATH_AUTHENTICATION"));
        }
    }
    match plan.auth {
        Auth::Header => {
            row("custom header, name", secrets::header(plan).to_owned());
            row("custom header, value", secret("INCODE_WEBHOOK_SECRETS"));
        }
        Auth::Hmac => {
            row("signature header", secrets::header(plan).to_owned());
            row("signature", "HMAC-SHA256 of the body, in hex".to_owned());
            row("signing secret", secret("INCODE_WEBHOOK_SECRETS"));
        }
        Auth::StandardWebhooks => row("signing secret", secret("INCODE_WEBHOOK_SECRETS")),
        Auth::Oauth => {
            row("authentication URL (token URL)", url("/incode/token"));
            row("client id", value("INCODE_OAUTH_CLIENT_ID").unwrap_or_default().to_owned());
            row("client secret", secret("INCODE_OAUTH_CLIENT_SECRET"));
            row("client authentication", "HTTP Basic; no scope".to_owned());
        }
        Auth::FetchBack => row("authentication", "none".to_owned()),
    }
    row("redirect URL of the hosted flow", url("/incode/callback"));
    rows
}
