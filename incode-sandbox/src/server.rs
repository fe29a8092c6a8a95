//! The accept loop. It drives hyper itself, because two things are asked of it that a plain server can't do: reset a
//! connection, and cut everything off when the sandbox stops.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower_service::Service;

use crate::vendor::Vendor;
use crate::{api, control, web};

/// Marks a response that stands for "reset the connection".
#[derive(Clone, Copy)]
pub(crate) struct Reset;

/// Serves until told to stop, then gives the connections a second. Dropping it cuts them off at once.
pub(crate) async fn serve(listener: TcpListener, vendor: Arc<Vendor>, mut stopped: watch::Receiver<bool>) {
    let router: Router =
        Router::new().merge(web::routes()).merge(control::routes()).fallback(api::call).with_state(vendor);
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = told(&mut stopped) => break,
            accepted = listener.accept() => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
        };
        match stream {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, router.clone(), stopped.clone()));
            }
            // Out of file descriptors, most likely: give the others time to close.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    drop(listener);
    let closing = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, closing).await;
}

async fn connection(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    // Small answers should not wait for the peer's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| -> Answer {
        let mut router = router.clone();
        Box::pin(async move {
            let response = match router.call(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if response.extensions().get::<Reset>().is_some() { Err(ResetAsked) } else { Ok(response) }
        })
    });
    let mut connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let result = tokio::select! {
        result = &mut connection => result,
        () = told(&mut stopped) => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let reset = result.err().and_then(|error| std::error::Error::source(&error)?.downcast_ref::<ResetAsked>().copied());
    if reset.is_some() {
        // With nothing left to linger for, closing sends RST in place of FIN.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

/// Waits for the word to stop; its going away is one too.
async fn told(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, ResetAsked>> + Send>>;

#[derive(Clone, Copy, Debug)]
struct ResetAsked;

impl std::fmt::Display for ResetAsked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a reset was asked for")
    }
}

impl std::error::Error for ResetAsked {}

const GRACE: Duration = Duration::from_secs(1);
