//! Serves gRPC and pages on one port.

use std::error::Error;

use gate_kit::Start;
use tonic_gate::{Site, app, subjects};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    gate_kit::log_to_stderr();
    let start = Start::from_env().await?;
    start.announce("tonic-gate");
    let site = Site { sessions: start.sessions.clone(), origin: start.public_origin() };
    let incode = start.builder.subjects(subjects(&site.sessions)).build().await?;
    gate_kit::serve_with_http2(start.listener, app(incode.clone(), site), gate_kit::stopped()).await?;
    incode.shutdown().await;
    Ok(())
}
