//! axum served over TLS by axum-server, which uses the provider that rustls finds on its own.

#[path = "incode.rs"]
mod ours;

use axum::{Router, routing::get};
use axum_server::tls_rustls::RustlsConfig;
use incode::{GateLayer, IncodeLayer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tls = RustlsConfig::from_pem_file("cert.pem", "key.pem").await?;
    let app = Router::new()
        .route("/vault", get(async || "open").route_layer(GateLayer::active()))
        .layer(IncodeLayer::new(ours::build().await?));
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    println!("listening on https://localhost:{}/vault", listener.local_addr()?.port());
    axum_server::from_tcp_rustls(listener, tls)?.serve(app.into_make_service()).await?;
    Ok(())
}
