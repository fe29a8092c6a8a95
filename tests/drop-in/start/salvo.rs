//! salvo, by its compatibility with tower.

#[path = "incode.rs"]
mod ours;

use incode::{GateLayer, IncodeLayer};
use salvo::conn::Acceptor;
use salvo::http::ReqBody;
use salvo::prelude::*;

#[handler]
async fn vault() -> &'static str {
    "open"
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let layer = IncodeLayer::new(ours::build().await?);
    let router = Router::new()
        .hoop(layer.compat::<ReqBody>())
        .push(Router::with_path("vault").hoop(GateLayer::active().compat::<ReqBody>()).get(vault))
        .push(Router::with_path("{**rest}").goal(vault));
    let acceptor = TcpListener::new("127.0.0.1:0").bind().await;
    let port = acceptor.holdings()[0].local_addr.clone().into_std().ok_or("no port")?.port();
    println!("listening on http://localhost:{port}/vault");
    Server::new(acceptor).serve(router).await;
    Ok(())
}
