//! salvo: its routes to ours end in the layer, and a handler of the application's own is the gate.
//!
//! Our layer can't be a `hoop`: salvo's `tower-compat` takes the request away from the handlers that follow, and it comes back
//! through the inner service only, which the layer does not call when it answers by itself.

#[path = "incode.rs"]
mod ours;

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Empty};
use incode::{Denied, Incode, IncodeLayer, Requirement, Subject};
use salvo::conn::{Acceptor, Listener};
use salvo::http::{ReqBody, StatusCode};
use salvo::hyper;
use salvo::prelude::{FlowCtrl, Request, Response, Router, Server, TowerServiceCompat, handler};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::Layer;

/// From the session, for instance.
#[handler]
async fn identify(req: &mut Request) {
    let user = req.header::<String>("x-user-of-the-test");
    if let Some(subject) = user.and_then(|user| Subject::new(user).ok()) {
        req.extensions_mut().insert(subject);
    }
}

/// The gate. A face that was confirmed in this session is not known here: `Incode::visitor` has no session.
struct Gate(Incode, Requirement);

#[handler]
impl Gate {
    async fn handle(&self, req: &mut Request, res: &mut Response, ctrl: &mut FlowCtrl) {
        let Some(subject) = req.extensions().get::<Subject>() else {
            ctrl.skip_rest();
            res.status_code(StatusCode::UNAUTHORIZED);
            return;
        };
        let Err(denial) = self.0.visitor(subject).await.require(&self.1) else { return };
        ctrl.skip_rest();
        let (head, body) = Denied::from(denial).into_http().into_parts();
        res.status_code(head.status);
        *res.headers_mut() = head.headers;
        match body.collect().await {
            Ok(body) => _ = res.body(body.to_bytes()),
            Err(never) => match never {},
        }
    }
}

#[handler]
async fn vault() -> &'static str {
    "open"
}

async fn ask(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let rest = "host: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    connection.write_all(format!("{request}{rest}").as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let incode = ours::build().await?;
    let not_found = tower::service_fn(async |_: hyper::Request<ReqBody>| {
        Ok::<_, Infallible>(hyper::Response::builder().status(404).body(Empty::new()).unwrap_or_default())
    });
    let mounted = IncodeLayer::new(incode.clone()).layer(not_found);
    let router = Router::new()
        .hoop(identify)
        .push(Router::with_path("incode/{**rest}").goal(mounted.compat()))
        .push(Router::with_path("vault").hoop(Gate(incode, Requirement::active())).goal(vault));

    let acceptor = salvo::conn::TcpListener::new("127.0.0.1:0").bind().await;
    let address = acceptor.holdings()[0].local_addr.clone().into_std().ok_or("no address")?;
    let server = tokio::spawn(Server::new(acceptor).serve(router));
    // Over a connection: what cuts it would answer nothing.
    for (request, status) in [
        ("GET /vault HTTP/1.1\r\nx-user-of-the-test: ana\r\n", "HTTP/1.1 403"),
        ("POST /incode/webhook HTTP/1.1\r\n", "HTTP/1.1 400"),
        ("GET /incode/webhook HTTP/1.1\r\n", "HTTP/1.1 405"),
        ("GET /incode/nothing HTTP/1.1\r\n", "HTTP/1.1 404"),
    ] {
        let answer = ask(address, request).await?;
        assert!(answer.starts_with(status), "{request}: {answer}");
        assert!(status != "HTTP/1.1 403" || answer.contains("\"code\":\"verification_required\""), "{answer}");
    }
    println!("listening on http://localhost:{}/vault", address.port());
    server.await?;
    Ok(())
}
