//! actix-web served over TLS, with the provider that rustls finds on its own.

#[path = "incode.rs"]
mod ours;

use actix_web::{App, HttpServer, web};
use incode::{GateMiddleware, IncodeMiddleware};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chain = vec![CertificateDer::from_pem_file("cert.pem")?];
    let tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file("key.pem")?)?;
    let incode = ours::build().await?;
    let server = HttpServer::new(move || {
        let vault = web::resource("/vault").wrap(GateMiddleware::active()).to(async || "open");
        App::new().service(vault).wrap(IncodeMiddleware::new(incode.clone()))
    })
    .workers(1)
    .bind_rustls_0_23("127.0.0.1:0", tls)?;
    let port = server.addrs().first().ok_or("no address")?.port();
    println!("listening on https://localhost:{port}/vault");
    server.run().await?;
    Ok(())
}
