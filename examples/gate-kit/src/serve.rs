//! Serves a tower service over HTTP. `axum::serve` waits without limit for the head of a request, so a few hundred silent
//! connections use up the process's sockets. Here a connection that sends no head is closed.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tower::Service;

use crate::run::PATIENCE;
use opening::Opening;

mod opening;

/// Serves HTTP/1 until `stopped`, then answers what is under way, within 10 seconds.
///
/// # Errors
/// The listener can't be used.
pub async fn serve<S, B>(listener: TcpListener, app: S, stopped: impl Future<Output = ()>) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    accept(listener, app, stopped, builder().http1_only()).await
}

/// The same for HTTP/1 and HTTP/2 with prior knowledge, as gRPC has it.
///
/// # Errors
/// The listener can't be used.
pub async fn serve_with_http2<S, B>(listener: TcpListener, app: S, stopped: impl Future<Output = ()>) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    accept(listener, app, stopped, builder()).await
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE);
    // A client that answers no ping is gone, or never meant to speak.
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_DEADLINE).keep_alive_timeout(HEAD_DEADLINE);
    builder
}

async fn accept<S, B>(
    listener: TcpListener,
    app: S,
    stopped: impl Future<Output = ()>,
    builder: Builder<TokioExecutor>,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let graceful = GracefulShutdown::new();
    let mut stopped = pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        let Ok((stream, _)) = accepted else {
            // Usually out of sockets. An immediate retry would spin.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Small answers are sent at once. A socket that refuses the option works without.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(Opening::new(stream, HEAD_DEADLINE));
        let app = TowerToHyperService::new(app.clone());
        let connection = builder.serve_connection_with_upgrades(io, app).into_owned();
        let watched = graceful.watch(connection);
        // How a connection ends is the client's business.
        tokio::spawn(async move { drop(watched.await) });
    }
    let _ = tokio::time::timeout(PATIENCE, graceful.shutdown()).await;
    Ok(())
}

/// How long a client may take for the head of a request, and how long a connection may be idle between two: what actix-web
/// has by default, so that both gate apps behave the same.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// How long to wait after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
