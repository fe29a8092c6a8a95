//! The accept loop. It drives hyper directly, because axum's own server can't reset a connection, can't change the `Date`
//! header, and can't cut all connections when the sandbox stops.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
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

/// Marks a response: reset the connection in place of sending it.
#[derive(Clone, Copy)]
pub(crate) struct Reset;

/// Serves until `stopped` is true, then gives the connections a second. Dropping it cuts them at once.
pub(crate) async fn serve(listener: TcpListener, vendor: Arc<Vendor>, mut stopped: watch::Receiver<bool>) {
    let router: Router = Router::new()
        .merge(web::routes())
        .merge(control::routes(&vendor))
        .fallback(api::call)
        .with_state(vendor.clone());
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stop_requested(&mut stopped) => break,
            accepted = listener.accept() => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
        };
        match stream {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, router.clone(), vendor.clone(), stopped.clone()));
            }
            // Most likely there are no file descriptors left. Wait for other connections to close.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    drop(listener);
    let closing = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, closing).await;
}

/// Serves one connection until it ends, is reset by a fault, or the sandbox stops. On stop the call under way is
/// answered and the connection closed.
async fn connection(stream: TcpStream, router: Router, vendor: Arc<Vendor>, mut stopped: watch::Receiver<bool>) {
    // Otherwise a small answer waits for the peer's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| -> ServiceFuture {
        let (mut router, vendor) = (router.clone(), vendor.clone());
        Box::pin(async move {
            let mut response = match router.call(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if response.extensions().get::<Reset>().is_some() {
                return Err(ResetAsked);
            }
            // A fault may have set the header already.
            if !response.headers().contains_key(header::DATE)
                && let Some(date) = vendor.date_header()
            {
                response.headers_mut().insert(header::DATE, date);
            }
            Ok(response)
        })
    });
    let mut connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    let result = tokio::select! {
        result = &mut connection => result,
        () = stop_requested(&mut stopped) => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let reset = result.err().and_then(|error| std::error::Error::source(&error)?.downcast_ref::<ResetAsked>().copied());
    if reset.is_some() {
        // With a linger time of zero, closing sends RST in place of FIN.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

/// Waits until `stopped` is true, or its sender is dropped.
async fn stop_requested(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}

/// Boxed, because the closure's future has no name that hyper's service type could use.
type ServiceFuture = Pin<Box<dyn Future<Output = Result<Response, ResetAsked>> + Send>>;

/// The error that makes hyper close the connection without an answer.
#[derive(Clone, Copy, Debug)]
struct ResetAsked;

impl std::fmt::Display for ResetAsked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a reset was asked for")
    }
}

impl std::error::Error for ResetAsked {}

// Long enough for the answers under way, short enough for a test's end.
const GRACE: Duration = Duration::from_secs(1);
