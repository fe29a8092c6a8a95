//! No TLS of its own.

#[path = "incode.rs"]
mod ours;

use axum::{Router, routing::get};
use incode::{GateLayer, IncodeLayer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let incode = ours::build().await?;
    let app = Router::new()
        .route("/vault", get(async || "open").route_layer(GateLayer::active()))
        .layer(IncodeLayer::new(incode));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://localhost:{}/vault", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}
