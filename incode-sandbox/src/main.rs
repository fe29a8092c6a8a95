//! The stand-in vendor as a program. Its settings are listed at [`incode_sandbox::Builder::from_env`].

use std::io::{self, Write};
use std::pin::pin;
use std::process::ExitCode;

use futures_util::FutureExt;
use incode_sandbox::Builder;

#[tokio::main]
async fn main() -> ExitCode {
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
    // Listened for before anybody can know that there is something to interrupt.
    let _ = interrupt.as_mut().now_or_never();
    // Nobody may be reading; that is no reason to stop.
    let _ = writeln!(io::stdout(), "Incode sandbox: {}", sandbox.control_url());
    let stopped = interrupt.await;
    sandbox.stop().await;
    if stopped.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    let _ = match error.source() {
        Some(source) => writeln!(io::stderr(), "incode-sandbox: {error}: {source}"),
        None => writeln!(io::stderr(), "incode-sandbox: {error}"),
    };
    ExitCode::FAILURE
}
