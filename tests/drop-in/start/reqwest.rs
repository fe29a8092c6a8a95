//! An app that makes calls of its own with reqwest's defaults, before and after ours.

#[path = "incode.rs"]
mod ours;

use axum::{Router, routing::get};
use incode::{GateLayer, IncodeLayer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    own_call().await?;
    let incode = ours::build().await?;
    own_call().await?;
    let app = Router::new()
        .route("/vault", get(async || "open").route_layer(GateLayer::active()))
        .layer(IncodeLayer::new(incode));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://localhost:{}/vault", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}

async fn own_call() -> Result<(), Box<dyn std::error::Error>> {
    let authority = reqwest::Certificate::from_pem(&std::fs::read("ca.pem")?)?;
    let http = reqwest::Client::builder().add_root_certificate(authority).no_proxy().build()?;
    let url = format!("{}/omni/incode-id/userinfo", std::env::var("INCODE_HOST")?);
    http.get(url).send().await?.error_for_status()?;
    Ok(())
}
