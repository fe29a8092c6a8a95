//! The smallest application: what has to resolve and build beside another user of SQLite.

use incode_tower::{GateLayer, IncodeLayer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let incode = incode_tower::builder_from_env()?.build().await?;
    let app = axum::Router::new()
        .route("/vault", axum::routing::get(|| async { "open" }))
        .route_layer(GateLayer::active())
        .layer(IncodeLayer::new(incode));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
