//! A tonic server over TLS, behind our layer. Its only method is not there, so a call that comes through is answered 12.

#[path = "incode.rs"]
mod ours;

use incode::IncodeLayer;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let identity = Identity::from_pem(std::fs::read("cert.pem")?, std::fs::read("key.pem")?);
    let mut server = Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))?
        .layer(IncodeLayer::new(ours::build().await?));
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?;
    println!("listening on https://localhost:{}/vault", incoming.local_addr()?.port());
    server.add_routes(Routes::default()).serve_with_incoming(incoming).await?;
    Ok(())
}
