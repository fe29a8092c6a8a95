//! Serves the bank of this crate's library.

use std::error::Error;
use std::sync::Arc;

use gate_kit::{BasePath, Start};
use incode_core::SystemClock;
use step_up::{Bank, TransferService, app, set_up};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    gate_kit::log_to_stderr();
    let start = Start::from_env().await?;
    start.announce("step-up");
    let (origin, base) = (start.public_origin(), BasePath::of(&start.public_url));
    let transfers = Arc::new(TransferService::new(SystemClock));
    let incode = set_up(start.builder, &transfers, &base).build().await?;
    let bank = Arc::new(Bank::new(incode.clone(), transfers, start.sandbox, origin, base));
    gate_kit::serve(start.listener, app(bank), gate_kit::stopped()).await?;
    incode.shutdown().await;
    Ok(())
}
