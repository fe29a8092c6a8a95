//! `init`: makes the secrets and the settings of an application, and says what to enter at the vendor.

mod ask;
mod dashboard;
mod file;
mod secrets;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::settings;
use ask::Ask;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where browsers and the vendor reach the application: https://app.example, or with a path.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// How the vendor shows that a delivery is its own: as its dashboard offers.
    #[arg(long)]
    auth: Option<Auth>,
    /// The base URL of the vendor's API.
    #[arg(long, value_name = "URL")]
    host: Option<String>,
    /// The page of the vendor's hosted flow.
    #[arg(long, value_name = "URL")]
    web_url: Option<String>,
    /// The client id of the hosted flow.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Another header than x-incode-secret (header) or x-incode-signature (hmac).
    #[arg(long, value_name = "NAME")]
    header: Option<String>,
    /// Two webhook addresses, one for each kind of event, as the vendor's dashboard may want them.
    #[arg(long)]
    two_addresses: bool,
    /// The file to write.
    #[arg(long, value_name = "PATH", default_value = "incode.env")]
    out: PathBuf,
    /// Overwrites the file: its secrets are lost, and replaced by new ones.
    #[arg(long)]
    force: bool,
}

/// How a delivery authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Auth {
    /// A fixed header.
    Header,
    /// An HMAC-SHA256 of the body in a header.
    Hmac,
    /// The three headers of standardwebhooks.com.
    StandardWebhooks,
    /// OAuth 2.0 client credentials, with the application as the token server.
    Oauth,
    /// Nothing: the vendor is asked about each event. The path can't be guessed.
    FetchBack,
}

/// The answers.
struct Plan {
    public_url: String,
    auth: Auth,
    store: String,
    host: String,
    web_url: String,
    client_id: String,
    header: Option<String>,
    two_addresses: bool,
}

pub(crate) fn run(arguments: Arguments, store: Option<String>, output: &Output) -> Result<(), Failure> {
    if !arguments.force && arguments.out.exists() {
        let line = format!("{} exists: --force overwrites it and its secrets", arguments.out.display());
        return Err(Failure::refused(line));
    }
    let (out, force) = (arguments.out.clone(), arguments.force);
    let plan = plan(arguments, store)?;
    let variables = secrets::variables(&plan)?;
    check(&variables)?;
    file::write(&out, &variables, force)?;
    let has_key = variables.iter().any(|(name, _)| *name == API_KEY);
    output.object(&json!({"written": out.display().to_string(), "mode": "0600"}))?;
    dashboard::show(&plan, &variables, &out, output)?;
    if !has_key {
        output.text("")?;
        output.text(&format!("Write the API key of the dashboard into {}: INCODE_API_KEY=...", out.display()))?;
    }
    output.text(&format!("Then look whether all is well: incode-id --env-file {} doctor", out.display()))
}

/// What the flags leave out is asked for.
fn plan(arguments: Arguments, store: Option<String>) -> Result<Plan, Failure> {
    let ask = Ask::new();
    Ok(Plan {
        public_url: ask.text(arguments.public_url, "--public-url", "Public URL of the application")?,
        auth: match arguments.auth {
            Some(auth) => auth,
            None => ask.choice("--auth", "How the vendor authenticates deliveries")?,
        },
        host: ask.text(arguments.host, "--host", "Base URL of the vendor's API")?,
        web_url: ask.text(arguments.web_url, "--web-url", "URL of the vendor's hosted page")?,
        client_id: ask.text(arguments.client_id, "--client-id", "Client id of the hosted flow")?,
        store: ask.text(store, "--store", "Store (sqlite:PATH, postgres://..., redis://...)")?,
        header: arguments.header,
        two_addresses: arguments.two_addresses,
    })
}

/// As the application will read them. An API key that is still to come is filled in.
fn check(variables: &[(&'static str, String)]) -> Result<(), Failure> {
    let mut all: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    if !variables.iter().any(|(name, _)| *name == API_KEY) {
        all.push((API_KEY.into(), "to-be-written".into()));
    }
    settings::deployment(all).map(drop).map_err(|error| Failure::arguments(error.to_string()))
}

/// Taken from the environment, never from an argument: other users of the machine can see arguments.
const API_KEY: &str = "INCODE_API_KEY";

pub(crate) const HELP: &str = "\
What is left out is asked for, on a terminal. A password in the URL of the store is better written into the file later: other
users of the machine can see arguments. The API key is taken from INCODE_API_KEY where that is set, and has to be
written into the file otherwise. No secret is printed: the dashboard's fields name the variable that has it.

Exit codes: 0 written; 2 an argument is missing or can't be used; 3 the file exists.

Example:
  incode-id init --public-url https://app.example --auth hmac --store sqlite:/var/lib/app/incode.db \\
    --host https://api.vendor.example --web-url https://web.vendor.example --client-id app";

#[cfg(test)]
mod tests;
