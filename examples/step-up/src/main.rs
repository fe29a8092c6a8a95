//! Serves the bank of this crate's library.

use std::error::Error;
use std::sync::Arc;

use gate_kit::Start;
use incode_core::SystemClock;
use step_up::{Bank, TransferService, app, set_up};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    gate_kit::log_to_stderr();
    let start = Start::from_env().await?;
    start.announce("step-up");
    let origin = start.public_origin();
    let transfers = Arc::new(TransferService::new(SystemClock));
    let incode = set_up(start.builder, &transfers).build().await?;
    let bank = Arc::new(Bank::new(incode.clone(), transfers, start.sandbox, origin));
    gate_kit::serve(start.listener, app(bank), gate_kit::stopped()).await?;
    incode.shutdown().await;
    Ok(())
}
