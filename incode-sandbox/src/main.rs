//! The stand-in vendor as a program. `--help` lists its settings, as [`incode_sandbox::Builder::from_env`] does.

use std::io::{self, Write};
use std::pin::pin;
use std::process::ExitCode;

use futures_util::FutureExt;
use incode_sandbox::Builder;

/// Starts the sandbox, prints the address of the control page, and serves until an interrupt.
///
/// Exit codes: 0 after an interrupt, 1 when it could not start, 2 for an unknown argument.
#[tokio::main]
async fn main() -> ExitCode {
    // `args_os`, because `args` panics on an argument that is no Unicode.
    match std::env::args_os().nth(1) {
        None => {}
        Some(argument) if argument == "--help" || argument == "-h" => return print(HELP),
        Some(argument) if argument == "--version" || argument == "-V" => return print(VERSION),
        Some(_) => {
            let _ = writeln!(io::stderr(), "incode-sandbox: unknown argument; try --help");
            return ExitCode::from(2);
        }
    }
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let builder = match Builder::from_env(|name| std::env::var(name).ok()) {
        Ok(builder) => builder,
        Err(error) => return fail(&error),
    };
    let sandbox = match builder.start().await {
        Ok(sandbox) => sandbox,
        Err(error) => return fail(&error),
    };
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    // Polled once before the line below is printed, so that no interrupt is missed once it is read.
    let _ = interrupt.as_mut().now_or_never();
    // A closed standard output is no reason to stop.
    let _ = writeln!(io::stdout(), "Incode sandbox: {}", sandbox.control_url());
    let stopped = interrupt.await;
    sandbox.stop().await;
    if stopped.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints to standard output. A closed pipe is a failure here: the text is all that was asked for.
fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Prints an error and its cause on one line. No error here shows the value of a setting.
fn fail(error: &dyn std::error::Error) -> ExitCode {
    let _ = match error.source() {
        Some(source) => writeln!(io::stderr(), "incode-sandbox: {error}: {source}"),
        None => writeln!(io::stderr(), "incode-sandbox: {error}"),
    };
    ExitCode::FAILURE
}

const HELP: &str = include_str!("help.txt");
const VERSION: &str = concat!("incode-sandbox ", env!("CARGO_PKG_VERSION"), "\n");
