//! `sandbox`: the stand-in vendor.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Waker};

use clap::Args;
use incode_sandbox::{Builder, Sandbox, StartError};
use serde_json::json;

use crate::failure::Failure;
use crate::http::causes;
use crate::output::Output;
use crate::settings;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The address to listen on; port 0 is any free one. By default that of SANDBOX_BIND, else 127.0.0.1:4000. The control
    /// page has no password: stay on loopback.
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<SocketAddr>,
}

/// Serves until an interrupt.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let builder = Builder::from_env(|name| settings::variable(name).ok().flatten());
    let builder = builder.map_err(|error| Failure::arguments(error.to_string()))?;
    let builder = match arguments.bind {
        Some(address) => builder.bind(address),
        None => builder,
    };
    let sandbox = builder.start().await.map_err(|error| failed(&error))?;
    let interrupt = interrupt();
    output.object(&json!({
        "control": sandbox.control_url(),
        "INCODE_HOST": sandbox.url(),
        "INCODE_WEB_URL": sandbox.web_url(),
        "INCODE_CLIENT_ID": sandbox.client_id(),
    }))?;
    output.text("INCODE_API_KEY: the value of SANDBOX_API_KEY, or else sandbox-api-key-for-nothing-real")?;
    interrupt.await.map_err(Failure::system)?;
    sandbox.stop().await;
    Ok(())
}

/// One for this command alone.
pub(crate) async fn start(bind: SocketAddr) -> Result<Sandbox, Failure> {
    Sandbox::builder().bind(bind).start().await.map_err(|error| failed(&error))
}

/// Becomes ready at an interrupt. One that comes from now on is not missed, also before this is awaited.
pub(crate) fn interrupt() -> Pin<Box<dyn Future<Output = io::Result<()>>>> {
    let mut interrupt = Box::pin(tokio::signal::ctrl_c());
    // The first poll registers. It is not ready yet: nothing was registered before.
    let _ = interrupt.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    interrupt
}

fn failed(error: &StartError) -> Failure {
    Failure::failed(format!("the sandbox does not start: {}", causes(error)))
}

pub(crate) const HELP: &str = "\
It reads the SANDBOX_* variables of the program incode-sandbox: the target of webhooks, how they authenticate, the life of
tokens. It ends at an interrupt, with exit code 0.

Example:
  incode-id sandbox --bind 127.0.0.1:4000";
