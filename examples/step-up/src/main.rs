//! Serves the bank of this crate's library.

use std::error::Error;
use std::sync::Arc;

use gate_kit::Start;
use incode_core::SystemClock;
use step_up::{Bank, app, render};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    gate_kit::log_to_stderr();
    let start = Start::from_env().await?;
    start.announce("step-up");
    let origin = start.public_origin();
    let incode = start.builder.render(render).build().await?;
    let bank = Arc::new(Bank::new(incode.clone(), start.sandbox, origin, SystemClock));
    gate_kit::serve(start.listener, app(bank), gate_kit::stopped()).await?;
    incode.shutdown().await;
    Ok(())
}
