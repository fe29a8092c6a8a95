//! `probe`: finds out what the vendor's documents don't say, with real checks that the person at the keyboard makes.
//!
//! It stands in for the application: it listens where the public URL leads, takes the browser's return and the deliveries,
//! and asks the vendor with the tokens that come. It keeps nothing.

mod claims;
mod deliveries;
mod receiver;
mod report;
mod round;
mod tokens;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use data_encoding::HEXLOWER;
use incode_core::{ObjectId, Token};
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::settings;
use receiver::Receiver;
use round::Round;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The address to listen on: where PUBLIC_URL leads. The application must not run there meanwhile.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    bind: SocketAddr,
    /// How often the first tries of a delivery are refused (503), to see whether they come again.
    #[arg(long, value_name = "TRIES", default_value = "2")]
    refuse: u32,
    /// How long the person may take, and how long a refused delivery is waited for, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "2400")]
    wait: u64,
    /// How long the event of a check is waited for after the browser came back, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    event_wait: u64,
    /// How long the life of a token is watched at most, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "3600")]
    life: u64,
    /// How often a token is tried meanwhile, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Asks for a second check, which has to fail, to see what it gives back.
    #[arg(long)]
    failed: bool,
    /// The id of a verification of another person, to see whether the token opens it.
    #[arg(long, value_name = "ID")]
    other_id: Option<String>,
    /// A file with a live token that was made for another client of the vendor, to see whether it is answered.
    #[arg(long, value_name = "PATH")]
    foreign_token_file: Option<PathBuf>,
}

/// The flags, read.
struct Plan {
    wait: Duration,
    event_wait: Duration,
    life: Duration,
    every: Duration,
    other_id: Option<ObjectId>,
    foreign: Option<Token>,
}

pub(crate) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let plan = plan(&arguments)?;
    let deployment = settings::deployment(settings::variables());
    let deployment = deployment.map_err(|error| Failure::arguments(error.to_string()))?;
    if deployment.callback_path().is_none() {
        return Err(Failure::arguments(
            "INCODE_CLIENT_ID, INCODE_WEB_URL and PUBLIC_URL are needed for the hosted flow",
        ));
    }
    let (mut receiver, deployment) = Receiver::start(arguments.bind, deployment, arguments.refuse).await?;
    let mut rounds = Vec::new();
    for fails in [false, true].into_iter().take(1 + usize::from(arguments.failed)) {
        let correlation_id = random()?;
        let page = deployment.page_url(&correlation_id).unwrap_or_default();
        let what = if fails { "make a check that fails" } else { "make a check that passes" };
        output.event(
            &format!("{what}: open {page}"),
            &json!({"open": page, "check": if fails { "fail" } else { "pass" }}),
        )?;
        let round = Round::make(&mut receiver, &deployment, &plan, &correlation_id, fails, output).await?;
        rounds.push(round);
    }
    output.progress("");
    report::write(&rounds, output)
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    let other_id = arguments.other_id.as_ref().map(ObjectId::new).transpose();
    let foreign = arguments.foreign_token_file.as_ref().map(|path| {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::missing(path, &error))?;
        Token::new(text.trim()).map_err(|error| Failure::arguments(error.to_string()).at("--foreign-token-file"))
    });
    Ok(Plan {
        wait: Duration::from_secs(arguments.wait),
        event_wait: Duration::from_secs(arguments.event_wait),
        life: Duration::from_secs(arguments.life),
        every: Duration::from_secs(arguments.every),
        other_id: other_id.map_err(|error| Failure::arguments(error.to_string()).at("--other-id"))?,
        foreign: foreign.transpose()?,
    })
}

/// Unguessable, so that no other browser ends this flow.
fn random() -> Result<String, Failure> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::failed(format!("the system gives no random bytes: {error}")))?;
    Ok(HEXLOWER.encode(&bytes))
}

pub(crate) const HELP: &str = "\
Stop the application, run this in its place, with its settings, and open the link that is printed. The report says what was
found, and which settings follow from it. It takes as long as a token lives: a quarter of an hour at the vendor.

Exit codes: 0 every question that was tried has its answer; 1 the browser or the event did not come, so some have none; 2
wrong arguments or settings.

Example:
  incode-id --env-file incode.env probe --failed --other-id 64bb17ff915ccccb85bb45b7";
